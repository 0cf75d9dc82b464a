//! Counts what a process has that no image can hold, so that it can be blamed on the module after which there is more of it.
//!
//! By plain system calls: the recorder must not take these for something that the imports did, and nothing is allocated, so that the
//! process that is frozen is as it would be without being looked at.

use std::ffi::CStr;
use std::hash::{DefaultHasher, Hasher};
use std::ops::ControlFlow;

/// Bytes that are read at once.
const BUFFER: usize = 8192;

/// Longest path that is put together here: `/proc/ID/task/ID/children` and its zero.
const PATH: usize = 64;

/// Descriptors, threads, child processes, if one looks `closely` mappings that are shared and writable (listing the mappings of a
/// large process takes a millisecond), bytes that were printed, and a digest of what the kernel keeps for the process and a thaw
/// does not carry over.
pub fn count(closely: bool) -> [u64; 6] {
    let (mut threads, mut children) = (0, 0);
    each_entry(c"/proc/self/task", |thread| {
        threads += 1;
        children += children_of(b"self", thread);
    });
    children += orphans();
    let mut descriptors = 0;
    each_entry(c"/proc/self/fd", |_| descriptors += 1);
    let shared = if closely { shared_mappings() } else { 0 };
    [descriptors, threads, children, shared, printed(), attributes()]
}

/// Bytes in the file that the freezer gave this process as standard output and error.
fn printed() -> u64 {
    // SAFETY: NULL flushes every stream; the struct is plain data that the kernel fills.
    unsafe {
        libc::fflush(std::ptr::null_mut());
        let mut status: libc::stat = std::mem::zeroed();
        let done = libc::syscall(libc::SYS_fstat, libc::STDOUT_FILENO, &mut status);
        if done == 0 { status.st_size.unsigned_abs() } else { 0 }
    }
}

/// A digest of limits, timers, affinity, priority, session, name and signal mask.
fn attributes() -> u64 {
    let mut digest = DefaultHasher::new();
    let null = std::ptr::null_mut::<u8>();
    // SAFETY: the calls only ask, each for a struct that fits into the buffer.
    unsafe {
        let mut buffer = [0u64; 16];
        for resource in 0..16 {
            let at = buffer.as_mut_ptr();
            digest.write_i64(libc::syscall(libc::SYS_prlimit64, 0, resource, null, at));
            digest.write_u64(buffer[0]);
            digest.write_u64(buffer[1]);
        }
        for timer in 0..3 {
            // Time that is left changes; whether there is some does not.
            buffer = [0; 16];
            libc::syscall(libc::SYS_getitimer, timer, buffer.as_mut_ptr());
            digest.write_u8(u8::from(buffer[2] != 0 || buffer[3] != 0));
        }
        buffer = [0; 16];
        libc::syscall(libc::SYS_sched_getaffinity, 0, size_of_val(&buffer), buffer.as_mut_ptr());
        buffer.iter().for_each(|&word| digest.write_u64(word));
        buffer = [0; 16];
        libc::syscall(libc::SYS_prctl, libc::PR_GET_NAME, buffer.as_mut_ptr(), 0, 0, 0);
        digest.write_u64(buffer[0]);
        digest.write_u64(buffer[1]);
        for option in [libc::PR_GET_DUMPABLE, libc::PR_GET_NO_NEW_PRIVS] {
            digest.write_i64(libc::syscall(libc::SYS_prctl, option, 0, 0, 0, 0));
        }
        let mut mask = 0u64;
        libc::syscall(libc::SYS_rt_sigprocmask, 0, null, &mut mask, 8);
        digest.write_u64(mask);
        for number in [libc::SYS_getsid, libc::SYS_getpgid, libc::SYS_sched_getscheduler] {
            digest.write_i64(libc::syscall(number, 0));
        }
        digest.write_i64(libc::syscall(libc::SYS_getpriority, libc::PRIO_PROCESS, 0));
    }
    digest.finish()
}

fn shared_mappings() -> u64 {
    let mut count = 0;
    // `55d0-55d1 rw-s 00000000 …`: counts spaces and the place behind the last one; a line may be spread over several pieces.
    let (mut spaces, mut place, mut writable) = (0u32, 0u32, false);
    read(c"/proc/self/maps", |bytes| {
        for &byte in bytes {
            match byte {
                b'\n' => (spaces, place, writable) = (0, 0, false),
                b' ' => (spaces, place) = (spaces + 1, 0),
                _ => {
                    if spaces == 1 && place == 1 {
                        writable = byte == b'w';
                    }
                    count += u64::from(spaces == 1 && place == 3 && writable && byte == b's');
                    place += 1;
                }
            }
        }
    });
    count
}

/// Processes that lost their parents: the freezer, which is this process's parent, adopts them. This process is counted as well.
fn orphans() -> u64 {
    // SAFETY: only asks.
    let parent = unsafe { libc::syscall(libc::SYS_getppid) };
    let mut parent = u32::try_from(parent).unwrap_or(0);
    let mut digits = [b'0'; 10];
    let mut first = digits.len();
    while parent > 0 && first > 0 {
        first -= 1;
        digits[first] += (parent % 10) as u8;
        parent /= 10;
    }
    children_of(&digits[first..], &digits[first..])
}

/// Children that a thread of a process has. One whose process is another user's has none that can be seen.
fn children_of(process: &[u8], thread: &[u8]) -> u64 {
    let mut path = [0u8; PATH];
    let parts: [&[u8]; 5] = [b"/proc/", process, b"/task/", thread, b"/children"];
    let bytes = parts.iter().flat_map(|part| part.iter());
    // One is kept for the zero at the end.
    for (slot, byte) in path[..PATH - 1].iter_mut().zip(bytes) {
        *slot = *byte;
    }
    let mut count = 0;
    if let Ok(path) = CStr::from_bytes_until_nul(&path) {
        // Each id is followed by a space.
        read(path, |bytes| {
            count += bytes.iter().filter(|&&byte| byte == b' ').count() as u64;
        });
    }
    count
}

/// Hands on a file's contents piece by piece.
fn read(path: &CStr, mut take: impl FnMut(&[u8])) {
    with_file(path, libc::O_RDONLY, |fd, buffer| {
        // SAFETY: the kernel writes at most the buffer's length.
        let got = unsafe { libc::syscall(libc::SYS_read, fd, buffer.as_mut_ptr(), buffer.len()) };
        let Ok(got @ 1..) = usize::try_from(got) else { return ControlFlow::Break(()) };
        take(&buffer[..got]);
        ControlFlow::Continue(())
    });
}

/// Hands on the names in a folder, `.` and `..` left out.
fn each_entry(path: &CStr, mut take: impl FnMut(&[u8])) {
    with_file(path, libc::O_RDONLY | libc::O_DIRECTORY, |fd, buffer| {
        // SAFETY: the kernel writes at most the buffer's length.
        let got =
            unsafe { libc::syscall(libc::SYS_getdents64, fd, buffer.as_mut_ptr(), buffer.len()) };
        let Ok(got @ 1..) = usize::try_from(got) else { return ControlFlow::Break(()) };
        let mut records = &buffer[..got];
        // A record: inode, offset, its length, type, name.
        while let [_, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, low, high, _, name @ ..] =
            records
        {
            let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
            if !matches!(name, b"." | b"..") {
                take(name);
            }
            let len = usize::from(u16::from_le_bytes([*low, *high])).max(1);
            records = records.get(len..).unwrap_or_default();
        }
        ControlFlow::Continue(())
    });
}

/// Opens a file and calls `step` with a buffer until it has enough. A file that cannot be opened has nothing in it.
fn with_file(
    path: &CStr,
    flags: i32,
    mut step: impl FnMut(libc::c_long, &mut [u8; BUFFER]) -> ControlFlow<()>,
) {
    let mut buffer = [0u8; BUFFER];
    let flags = flags | libc::O_CLOEXEC;
    // SAFETY: the path ends with a zero; opening changes nothing that anybody else sees.
    let fd = unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags) };
    if fd < 0 {
        return;
    }
    while step(fd, &mut buffer).is_continue() {}
    // SAFETY: the descriptor was opened above and is nobody else's.
    unsafe { libc::syscall(libc::SYS_close, fd) };
}
