//! Which descriptors this process was given, and which the programs that it starts get.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

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

/// The descriptors that this process was given by its starter: their numbers, with copies of them.
///
/// # Errors
/// Where /proc does not tell, or no more descriptors can be had.
pub fn inherited() -> io::Result<Vec<(u32, OwnedFd)>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let number = entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok());
        numbers.extend(number.filter(|&number| is_inherited(number)));
    }
    numbers.sort_unstable();
    numbers
        .into_iter()
        .map(|number| {
            // SAFETY: the descriptor is open, and nobody in this process closes what it was given before this function returns.
            let given = unsafe { BorrowedFd::borrow_raw(number) };
            Ok((number.unsigned_abs(), rustix::io::fcntl_dupfd_cloexec(given, 3)?))
        })
        .collect()
}

/// Lets go of descriptors that this process was given and that no value of it owns. Standard streams lead to `/dev/null` afterwards.
pub fn let_go(numbers: impl Iterator<Item = u32>) {
    for number in numbers {
        // SAFETY: by the contract above nothing in this process owns the number. Those of the standard streams are never closed, so
        // that nothing else gets them.
        unsafe {
            if number > 2 {
                libc::close(number as i32);
                continue;
            }
            let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
            if null >= 0 {
                libc::dup2(null, number as i32);
                libc::close(null);
            }
        }
    }
}
