//! A client's descriptors, each under the number that it has there.

use super::channel;
use super::linux::{close_range, open_descriptors};
use glowplug_wire::{DESCRIPTORS_AT_ONCE, Unfit};
use std::ffi::c_int;
use std::os::fd::RawFd;

/// Receives the working directory and the descriptors that belong under `numbers`, and closes everything else but the socket, whose new
/// number is returned. `held` is the number that this process opens again itself, 0 for none.
///
/// # Safety
/// Nothing in this process uses a descriptor any more but the socket.
pub unsafe fn take(socket: RawFd, numbers: &[u64], held: u64) -> Result<RawFd, Unfit> {
    if held != 0 && numbers.contains(&held) {
        return Err(Unfit::Descriptors);
    }
    let received = receive(socket, numbers.len() + 1)?;
    let (folder, received) = received.split_first().ok_or(Unfit::Request)?;
    // SAFETY: system calls on descriptors; by the caller nobody misses those that are closed.
    unsafe {
        if libc::fchdir(*folder) != 0 {
            return Err(Unfit::Folder);
        }
        // Above all numbers first, so that moving one does not overwrite another.
        let highest = numbers.iter().map(|&number| number as RawFd).chain(received.iter().copied());
        let base = highest.chain([socket, *folder]).max().unwrap_or(0) + 1;
        make_room(base as u64 + numbers.len() as u64 + 1);
        let socket = lift(socket, base)?;
        let lifted: Vec<RawFd> =
            received.iter().map(|&descriptor| lift(descriptor, base)).collect::<Result<_, _>>()?;
        close_range(0, base - 1);
        for (&from, &to) in lifted.iter().zip(numbers) {
            if libc::dup2(from, to as RawFd) < 0 {
                return Err(Unfit::Descriptors);
            }
            libc::close(from);
        }
        Ok(socket)
    }
}

/// Closes all descriptors of a process that ends, but those of sockets that linger: whoever closes one waits until what was sent has
/// arrived, for which the kernel does not wait where it closes them after a process has ended.
///
/// # Safety
/// Nothing in this process uses a descriptor any more.
pub unsafe fn close_at_end() {
    let mut first = 0;
    for lingering in open_descriptors().into_iter().filter(|&fd| lingers(fd)) {
        // SAFETY: by the caller.
        unsafe { close_range(first, lingering - 1) };
        first = lingering + 1;
    }
    // SAFETY: by the caller.
    unsafe { close_range(first, RawFd::MAX) };
}

/// Whether closing a descriptor may take time on purpose.
fn lingers(descriptor: RawFd) -> bool {
    let mut linger = libc::linger { l_onoff: 0, l_linger: 0 };
    let mut len = size_of::<libc::linger>() as libc::socklen_t;
    let value = (&raw mut linger).cast();
    // SAFETY: the kernel writes no more than the struct; what is no socket has no such option.
    let told = unsafe {
        libc::getsockopt(descriptor, libc::SOL_SOCKET, libc::SO_LINGER, value, &raw mut len)
    };
    // With a time of 0 nobody waits: closing such a socket resets its connection.
    told == 0 && linger.l_onoff != 0 && linger.l_linger > 0
}

/// Receives so many descriptors: at most [`DESCRIPTORS_AT_ONCE`] come with each byte.
fn receive(socket: RawFd, count: usize) -> Result<Vec<RawFd>, Unfit> {
    let mut received = Vec::with_capacity(count);
    let mut byte = [0];
    for _ in 0..count.div_ceil(DESCRIPTORS_AT_ONCE) {
        let heard = channel::receive(socket, &mut byte, &mut received);
        heard.ok().filter(|&heard| heard).ok_or(Unfit::Request)?;
    }
    // Fewer came where there was no room for more.
    if received.len() == count { Ok(received) } else { Err(Unfit::Descriptors) }
}

/// Raises the soft limit of open descriptors as far as is needed and possible; the client's limits are set later.
fn make_room(needed: u64) {
    // SAFETY: system calls on a local.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        if limit.rlim_cur < needed {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
}

/// The descriptor under a number from `base` on.
fn lift(descriptor: RawFd, base: c_int) -> Result<RawFd, Unfit> {
    // SAFETY: a system call on a descriptor.
    let lifted = unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, base) };
    if lifted < 0 { Err(Unfit::Descriptors) } else { Ok(lifted) }
}
