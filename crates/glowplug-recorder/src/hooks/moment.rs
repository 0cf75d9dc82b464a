//! Asking for what is another thing at the next start: clocks, process ids, random numbers, the
//! host's name, the file mode mask, terminals, limits. The own process id is in `identity.rs`.
//!
//! Programs ask for the time often, and these hooks stay in front of libc in a thawed process: there
//! they look at one byte and go on.

use core::ffi::{c_char, c_int, c_uint, c_ulong, c_void};

use libc::{clockid_t, mode_t, pid_t, size_t, timespec, timeval};

use super::hooks;
use crate::notes::{Moment, momentary};

/// Whether a clock tells the time of day. CPython looks at others whenever it takes a lock; those that
/// a program asks for are seen by the freezer's Python code.
fn tells_the_time(clock: clockid_t) -> bool {
    matches!(clock, libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE | libc::CLOCK_TAI)
}

/// Whether a descriptor is one of the standard streams. Python asks of every file that it opens whether it is a terminal.
fn is_standard(descriptor: c_int) -> bool {
    (0..=2).contains(&descriptor)
}

/// Whether a request to a device asks what a terminal is like.
fn asks_terminal(request: c_ulong) -> bool {
    matches!(request, libc::TCGETS | libc::TIOCGWINSZ | libc::TIOCGPGRP | libc::TIOCGSID)
}

hooks! {
    fn isatty(descriptor: c_int) -> c_int
        => |result| if is_standard(descriptor) { momentary(Moment::Terminal) };
    fn ttyname(descriptor: c_int) -> *mut c_char
        => |result| if is_standard(descriptor) { momentary(Moment::Terminal) };
    fn ttyname_r(descriptor: c_int, name: *mut c_char, length: size_t) -> c_int
        => |result| if is_standard(descriptor) { momentary(Moment::Terminal) };
    fn tcgetattr(descriptor: c_int, settings: *mut c_void) -> c_int
        => |result| if is_standard(descriptor) { momentary(Moment::Terminal) };
    fn tcgetpgrp(descriptor: c_int) -> pid_t
        => |result| if is_standard(descriptor) { momentary(Moment::Terminal) };
    // Variadic in C: on this architecture its third argument is passed alike.
    fn ioctl(descriptor: c_int, request: c_ulong, argument: *mut c_void) -> c_int
        => |result| if is_standard(descriptor) && asks_terminal(request) {
            momentary(Moment::Terminal)
        };
    fn getrlimit(resource: c_uint, limits: *mut c_void) -> c_int
        => |result| momentary(Moment::Limits);
    fn getrlimit64(resource: c_uint, limits: *mut c_void) -> c_int
        => |result| momentary(Moment::Limits);
    fn prlimit(process: pid_t, resource: c_uint, new: *const c_void, old: *mut c_void) -> c_int
        => |result| momentary(Moment::Limits);
    fn prlimit64(process: pid_t, resource: c_uint, new: *const c_void, old: *mut c_void) -> c_int
        => |result| momentary(Moment::Limits);
    fn getpriority(which: c_uint, whose: c_uint) -> c_int
        => |result| momentary(Moment::Limits);
    fn nice(increment: c_int) -> c_int
        => |result| momentary(Moment::Limits);
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
