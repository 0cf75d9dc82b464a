//! Starting processes.
//!
//! `vfork` has no hook: its child may not return from the function that called it. What such a
//! child runs is noted by the exec functions, as the two share their memory. The variadic `execl`
//! family and calls inside libc are not seen.

use core::ffi::{c_char, c_int, c_void};

use libc::{FILE, pid_t};

use super::hooks;
use crate::next::{missing, next};
use crate::notes::{named, ran, running, running_descriptor};
use crate::record::Op::Process;

type Strings = *const *mut c_char;

/// What runs the commands of `system` and `popen`.
const SHELL: &[u8] = b"/bin/sh";
/// Stands for the copy of the process itself.
const FORK: &[u8] = b"fork";

hooks! {
    fn posix_spawn(
        process: *mut pid_t,
        path: *const c_char,
        actions: *const c_void,
        attributes: *const c_void,
        arguments: Strings,
        environment: Strings,
    ) -> c_int
        => |error| if error == 0 { ran(path) };
    fn posix_spawnp(
        process: *mut pid_t,
        program: *const c_char,
        actions: *const c_void,
        attributes: *const c_void,
        arguments: Strings,
        environment: Strings,
    ) -> c_int
        => |error| if error == 0 { ran(program) };
    // In the child the note is dropped: it is not the recorded process.
    fn fork() -> pid_t
        => |process| if process > 0 { named(Process, FORK) };
    fn forkpty(
        terminal: *mut c_int,
        name: *mut c_char,
        settings: *const c_void,
        size: *const c_void,
    ) -> pid_t
        => |process| if process > 0 { named(Process, FORK) };
    fn system(command: *const c_char) -> c_int
        => |status| if !command.is_null() && status != -1 { named(Process, SHELL) };
    fn popen(command: *const c_char, kind: *const c_char) -> *mut FILE
        => |stream| if !stream.is_null() { named(Process, SHELL) };
}

/// Defines hooks for functions that do not return if they succeed: the note comes first.
macro_rules! replacing_hooks {
    ($(fn $name:ident($program:ident: $kind:ty $(, $argument:ident: $type:ty)*) => $note:expr;)*) => {$(
        #[doc = concat!("Stands for `", stringify!($name), "` of libc.")]
        ///
        /// # Safety
        /// That of the function it stands for.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($program: $kind $(, $argument: $type)*) -> c_int {
            const NAME: &core::ffi::CStr = super::c_name(concat!(stringify!($name), "\0"));
            let Some(real) = next!(NAME, fn($kind $(, $type)*) -> c_int) else {
                return missing();
            };
            // SAFETY: the note asks the kernel about the program before it reads its name.
            #[allow(unused_unsafe, reason = "some notes read no memory of the program")]
            unsafe { $note };
            // SAFETY: the arguments are our caller's, who means them for this very function.
            unsafe { real($program $(, $argument)*) }
        }
    )*};
}

replacing_hooks! {
    fn execve(path: *const c_char, arguments: Strings, environment: Strings) => running(path);
    fn execv(path: *const c_char, arguments: Strings) => running(path);
    fn execvp(program: *const c_char, arguments: Strings) => running(program);
    fn execvpe(program: *const c_char, arguments: Strings, environment: Strings)
        => running(program);
    fn fexecve(program: c_int, arguments: Strings, environment: Strings)
        => running_descriptor(program);
}
