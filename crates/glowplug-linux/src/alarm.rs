//! The timer that a process inherits when it is executed: `alarm` and `setitimer(ITIMER_REAL)`.

use std::time::Duration;

/// How long it takes until it goes off, and how long from each time to the next; zeros where it is not set.
pub fn set() -> (Duration, Duration) {
    // SAFETY: the call fills in a struct of plain data.
    let timer = unsafe {
        let mut timer: libc::itimerval = std::mem::zeroed();
        libc::getitimer(libc::ITIMER_REAL, &raw mut timer);
        timer
    };
    let time = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
    (time(timer.it_value), time(timer.it_interval))
}

/// Switches it off.
pub fn clear() {
    // SAFETY: the call reads a struct of plain data.
    unsafe {
        let none: libc::itimerval = std::mem::zeroed();
        libc::setitimer(libc::ITIMER_REAL, &raw const none, std::ptr::null_mut());
    }
}
