//! Sending signals, to whomever.

use core::ffi::{c_int, c_void};

use libc::pid_t;

use super::hooks;
use crate::notes::signalled;

hooks! {
    fn kill(process: pid_t, signal: c_int) -> c_int
        => |result| if result == 0 { signalled(signal) };
    fn killpg(group: pid_t, signal: c_int) -> c_int
        => |result| if result == 0 { signalled(signal) };
    fn tgkill(process: pid_t, thread: pid_t, signal: c_int) -> c_int
        => |result| if result == 0 { signalled(signal) };
    // The value is a union as large as a pointer.
    fn sigqueue(process: pid_t, signal: c_int, value: *mut c_void) -> c_int
        => |result| if result == 0 { signalled(signal) };
    fn raise(signal: c_int) -> c_int
        => |result| if result == 0 { signalled(signal) };
}
