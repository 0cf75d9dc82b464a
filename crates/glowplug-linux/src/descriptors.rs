//! Which descriptors this process was given, and which the programs that it starts get.

/// Keeps every descriptor above the standard ones from programs that are started from now on, those included that this process was
/// given by its starter. What is meant to be handed on is marked afterwards.
pub fn hand_on_none() {
    const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;
    // SAFETY: sets a flag of descriptors, which gives access to no memory and closes nothing in this process.
    unsafe {
        if libc::syscall(libc::SYS_close_range, 3, u32::MAX, CLOSE_RANGE_CLOEXEC) != 0 {
            // Linux before 5.11.
            for descriptor in 3..4096 {
                libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC);
            }
        }
    }
}

/// Whether a descriptor is open that this process was given by its starter, or means to hand on: one without close-on-exec.
pub fn is_inherited(number: i32) -> bool {
    // SAFETY: asks for flags of a descriptor, open or not.
    let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
    flags >= 0 && flags & libc::FD_CLOEXEC == 0
}
