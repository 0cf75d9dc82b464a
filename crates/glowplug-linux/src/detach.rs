//! Starting a process that nobody waits for and that outlives its starter unseen.

use crate::exec::pointers;
use std::ffi::{CStr, c_char, c_int};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Descriptor under which a detached process finds the first one that it was handed; the others follow.
pub const HANDED: c_int = 3;

/// Most descriptors that can be handed over.
const MOST_HANDED: usize = 4;

/// The priority of a detached process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// It works when nobody else does.
    Lowest,
    /// That of its starter.
    Inherited,
}

/// Starts `program` as an orphan in a session of its own, with `/dev/null` for its standard streams, default signal dispositions, and no
/// descriptor but those of `handed` (from [`HANDED`] on). The caller has no child afterwards.
///
/// # Errors
/// Fails where the kernel refuses a fork. What goes wrong in the orphan itself is not reported: nobody is there to hear it.
pub fn spawn(
    program: &CStr,
    arguments: &[&CStr],
    environment: &[&CStr],
    handed: &[BorrowedFd<'_>],
    priority: Priority,
) -> io::Result<()> {
    let arguments = pointers(arguments);
    let environment = pointers(environment);
    let handed: Vec<c_int> = handed.iter().map(|fd| fd.as_raw_fd()).collect();
    assert!(handed.len() <= MOST_HANDED, "at most {MOST_HANDED} descriptors are handed over");
    // SAFETY: between fork and exec the children call only async-signal-safe functions (all of `orphan` is system calls), so it
    // does not matter what other threads held at the time of the fork.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::setsid();
            if libc::fork() == 0 {
                orphan(program, &arguments, &environment, &handed, priority);
            }
            libc::_exit(0);
        }
        if child < 0 {
            return Err(io::Error::last_os_error());
        }
        let mut status = 0;
        while libc::waitpid(child, &mut status, 0) < 0 {
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }
    Ok(())
}

/// # Safety
/// Runs in a forked child; both vectors end with a null pointer.
unsafe fn orphan(
    program: &CStr,
    arguments: &[*const c_char],
    environment: &[*const c_char],
    handed: &[c_int],
    priority: Priority,
) -> ! {
    // SAFETY: system calls on this process alone; the strings outlive the call.
    unsafe {
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
        // Above all places first, so that moving one does not overwrite another.
        let mut kept = [0; MOST_HANDED];
        for (kept, &fd) in kept.iter_mut().zip(handed) {
            *kept = libc::fcntl(fd, libc::F_DUPFD, 64);
        }
        for (place, &kept) in (HANDED..).zip(kept.iter().take(handed.len())) {
            libc::dup2(kept, place);
        }
        for standard in 0..3 {
            libc::dup2(null, standard);
        }
        let first = HANDED + handed.len() as c_int;
        if libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) != 0 {
            // Linux before 5.9.
            for fd in first..4096 {
                libc::close(fd);
            }
        }
        for signal in 1..=64 {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
        if priority == Priority::Lowest {
            libc::setpriority(libc::PRIO_PROCESS, 0, 19);
            let parameters: libc::sched_param = std::mem::zeroed();
            libc::sched_setscheduler(0, libc::SCHED_IDLE, &parameters);
        }
        libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr());
        libc::_exit(127)
    }
}

/// The descriptors that a process started by [`spawn`] was handed, in order. To be called once, before anything else is opened.
pub fn handed(count: usize) -> Vec<std::fs::File> {
    use std::os::fd::FromRawFd;
    (HANDED..)
        .take(count.min(MOST_HANDED))
        // SAFETY: F_GETFD takes any number and changes nothing.
        .filter(|&fd| unsafe { libc::fcntl(fd, libc::F_GETFD) } != -1)
        .map(|fd| {
            // SAFETY: F_SETFD changes a flag only. The starter opened the descriptor for this process alone, and nothing of it owns
            // the number yet: that is what this function asks of its caller.
            unsafe {
                libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
                std::fs::File::from_raw_fd(fd)
            }
        })
        .collect()
}
