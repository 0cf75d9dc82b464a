//! Asking for environment variables.

use core::ffi::c_char;

use super::hooks;
use crate::next::{missing, next};
use crate::notes::asked;

hooks! {
    fn getenv(name: *const c_char) -> *mut c_char
        => |value| asked(name);
    fn secure_getenv(name: *const c_char) -> *mut c_char
        => |value| asked(name);
}

/// Stands for the older name of `secure_getenv`, which `dlsym` does not find any more.
///
/// # Safety
/// That of `secure_getenv`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __secure_getenv(name: *const c_char) -> *mut c_char {
    let Some(real) = next!(c"secure_getenv", fn(*const c_char) -> *mut c_char) else {
        return missing();
    };
    // SAFETY: the argument is our caller's, who means it for this very function.
    let value = unsafe { real(name) };
    // SAFETY: the real function has read the name.
    unsafe { asked(name) };
    value
}
