//! Calls the hooks for the thaw, and becomes plain Python where one of them fails.
//!
//! A plain start calls no hooks, so one that raises must not decide how the program ends: it is started as if there were no image.
//! The program has not begun and has read nothing, so that nothing is lost but what the hooks themselves have done.

use crate::object::{self, Object};
use crate::program::{self, Outcome};
use crate::thawed::CommandLine;
use glowplug_image::params;
use glowplug_image::state::{SIGNALS, ThawInfo};
use pyo3_ffi as ffi;
use std::ffi::{CStr, c_int};

/// Calls the hooks. `Some` says how the program ends where the user interrupts one.
///
/// # Safety
/// GIL; called in a thawed process, before the program.
pub unsafe fn run(
    namespace: &Object,
    info: &ThawInfo,
    command_line: &CommandLine,
) -> Option<Outcome> {
    // SAFETY: GIL by the caller.
    unsafe {
        let failure = namespace.entry(c"run_after_thaw").and_then(|run| run.call());
        match failure {
            None => Some(program::report_exception()),
            Some(failure) if failure.as_ptr() == object::none().as_ptr() => None,
            Some(failure) => {
                let reason = failure.to_bytes().unwrap_or_default();
                ffi::PyErr_Clear();
                become_plain(&String::from_utf8_lossy(&reason), info, command_line)
            }
        }
    }
}

/// Executes the interpreter with this start's own arguments and environment, or fails where only a thaw will do.
///
/// # Safety
/// As [`run`].
unsafe fn become_plain(reason: &str, info: &ThawInfo, command_line: &CommandLine) -> ! {
    if info.flags & params::FLAG_FORCED != 0 {
        eprintln!("error: cannot thaw: {reason}");
        // SAFETY: ends the process; what hooks have left in buffers is dropped on purpose.
        unsafe { libc::_exit(params::EXIT_FORCED) }
    }
    if info.flags & params::FLAG_EXPLAIN != 0 {
        eprintln!("glowplug: plain: {reason}");
    }
    inherit_signals(info.ignored_signals);
    // SAFETY: the kernel's arrays, which nothing has changed: NULL-terminated, and the first argument is the interpreter's path.
    unsafe {
        let arguments = command_line.argv.as_ptr();
        let interpreter = *arguments;
        libc::execve(interpreter, arguments, command_line.envp);
        let interpreter = CStr::from_ptr(interpreter).to_string_lossy();
        eprintln!("error: cannot execute {interpreter}: {}", std::io::Error::last_os_error());
        libc::_exit(126)
    }
}

/// Gives signals the dispositions that this process was started with: bit `n - 1` of `ignored` is set for signal `n`.
fn inherit_signals(ignored: u64) {
    for index in 0..SIGNALS {
        let disposition = if ignored >> index & 1 != 0 { libc::SIG_IGN } else { libc::SIG_DFL };
        // SAFETY: no handler is set; signals that cannot be changed are refused by the kernel.
        unsafe { libc::signal(index as c_int + 1, disposition) };
    }
}
