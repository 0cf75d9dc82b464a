//! Asking for what is another thing at the next start: clocks, process ids, random numbers, the
//! host's name, the file mode mask. The own process id is in `identity.rs`.
//!
//! Programs ask for the time often, and these hooks stay in front of libc in a thawed process: there
//! they look at one byte and go on.

use core::ffi::{c_char, c_int, c_uint, c_void};

use libc::{clockid_t, mode_t, pid_t, size_t, timespec, timeval};

use super::hooks;
use crate::notes::{Moment, momentary};

/// Whether a clock tells the time of day. CPython looks at others whenever it takes a lock; those that
/// a program asks for are seen by the freezer's Python code.
fn tells_the_time(clock: clockid_t) -> bool {
    matches!(clock, libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE | libc::CLOCK_TAI)
}

hooks! {
    fn clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int
        => |result| if tells_the_time(clock) { momentary(Moment::Time) };
    fn gettimeofday(time: *mut timeval, zone: *mut c_void) -> c_int
        => |result| momentary(Moment::Time);
    fn time(time: *mut isize) -> isize
        => |result| momentary(Moment::Time);
    fn getppid() -> pid_t
        => |result| momentary(Moment::ProcessId);
    fn getpgrp() -> pid_t
        => |result| momentary(Moment::ProcessId);
    fn getpgid(process: pid_t) -> pid_t
        => |result| momentary(Moment::ProcessId);
    fn getsid(process: pid_t) -> pid_t
        => |result| momentary(Moment::ProcessId);
    fn getrandom(buffer: *mut c_void, length: size_t, flags: c_uint) -> isize
        => |result| momentary(Moment::Entropy);
    fn getentropy(buffer: *mut c_void, length: size_t) -> c_int
        => |result| momentary(Moment::Entropy);
    fn gethostname(name: *mut c_char, length: size_t) -> c_int
        => |result| momentary(Moment::Host);
    fn umask(mask: mode_t) -> mode_t
        => |result| momentary(Moment::Mask);
}
