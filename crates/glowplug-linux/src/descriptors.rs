//! Which descriptors the programs that this process starts get.

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
