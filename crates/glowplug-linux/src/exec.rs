//! Becoming another program.

use std::ffi::{CStr, c_char};
use std::io;

/// Executes `program` in place of this process with exactly these arguments and this environment.
///
/// Unlike `std::os::unix::process::CommandExt::exec` it leaves the signal mask and all dispositions but SIGPIPE's alone; that
/// one and closed standard descriptors are put back to what was inherited. Returns only on failure, with the cause.
pub fn exec(program: &CStr, arguments: &[&CStr], environment: &[&CStr]) -> io::Error {
    let arguments = pointers(arguments);
    let environment = pointers(environment);
    crate::startup::restore_inherited();
    // SAFETY: `program` and all strings are NUL-terminated and outlive the call, as they are borrowed; `pointers` ends both
    // vectors with a null pointer.
    unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

/// The vector that `execve` takes: it borrows the strings and ends with a null pointer.
pub(crate) fn pointers(strings: &[&CStr]) -> Vec<*const c_char> {
    strings.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_reported() {
        let error = exec(c"/nonexistent/program", &[c"program"], &[]);
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
