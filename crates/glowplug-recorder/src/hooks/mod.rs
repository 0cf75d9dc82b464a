//! The functions that stand in front of libc's, by what they are about.
//!
//! Their safety contracts are those of the functions that they stand for: arguments are handed on
//! as they came, and a pointer is read here only where the real function has read it as well.

mod attributes;
mod directories;
mod environment;
mod identity;
mod libraries;
mod links;
mod moment;
mod names;
mod opening;
mod processes;
mod signals;
mod sockets;
mod status;
mod threads;

/// Defines hooks that call the real function first, then take a note of `$outcome`. The note is
/// unsafe code: it may rely on the real function having accepted the arguments. What stands behind
/// `before` is done before the real function.
macro_rules! hooks {
    ($(
        fn $name:ident($($argument:ident: $kind:ty),* $(,)?) -> $result:ty
            $(, before $first:expr)? => |$outcome:ident| $note:expr;
    )*) => {$(
        #[doc = concat!("Stands for `", stringify!($name), "` of libc.")]
        ///
        /// # Safety
        /// That of the function it stands for.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($argument: $kind),*) -> $result {
            const NAME: &core::ffi::CStr = $crate::hooks::c_name(concat!(stringify!($name), "\0"));
            let Some(real) = $crate::next::next!(NAME, fn($($kind),*) -> $result) else {
                return $crate::next::missing();
            };
            // SAFETY: the arguments are our caller's.
            $(unsafe { $first };)?
            // SAFETY: the arguments are our caller's, who means them for this very function.
            let $outcome = unsafe { real($($argument),*) };
            // SAFETY: the real function has read what the note reads.
            #[allow(unused_unsafe, reason = "some notes read no memory of the program")]
            unsafe { $note };
            $outcome
        }
    )*};
}
use hooks;

/// The name of a function as libc's linker knows it; evaluated when this library is compiled.
const fn c_name(name: &'static str) -> &'static core::ffi::CStr {
    match core::ffi::CStr::from_bytes_with_nul(name.as_bytes()) {
        Ok(name) => name,
        Err(_) => c"",
    }
}
