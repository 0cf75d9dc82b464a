//! Starting a process that nobody waits for and that outlives its starter unseen.

use std::ffi::{CStr, c_char, c_int};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Descriptor under which a detached process finds the one that it was handed.
pub const HANDED: c_int = 3;

/// Starts `program` as an orphan in a session of its own, with `/dev/null` for its standard streams, default signal dispositions, no
/// descriptor but `handed` (as [`HANDED`]), and the lowest priority. The caller has no child afterwards.
///
/// # Errors
/// Fails where the kernel refuses a fork. What goes wrong in the orphan itself is not reported: nobody is there to hear it.
pub fn spawn(
    program: &CStr,
    arguments: &[&CStr],
    environment: &[&CStr],
    handed: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let arguments = pointers(arguments);
    let environment = pointers(environment);
    let handed = handed.map(|fd| fd.as_raw_fd());
    // SAFETY: between fork and exec the children call only async-signal-safe functions (all of `orphan` is system calls), so it
    // does not matter what other threads held at the time of the fork.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::setsid();
            if libc::fork() == 0 {
                orphan(program, &arguments, &environment, handed);
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

fn pointers(strings: &[&CStr]) -> Vec<*const c_char> {
    strings.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect()
}

/// # Safety
/// Runs in a forked child; both vectors end with a null pointer.
unsafe fn orphan(
    program: &CStr,
    arguments: &[*const c_char],
    environment: &[*const c_char],
    handed: Option<c_int>,
) -> ! {
    // SAFETY: system calls on this process alone; the strings outlive the call.
    unsafe {
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
        if let Some(fd) = handed {
            // Above the standard ones first, so that moving them does not overwrite it.
            let kept = libc::fcntl(fd, libc::F_DUPFD, 10);
            libc::dup2(kept, HANDED);
        }
        for standard in 0..3 {
            libc::dup2(null, standard);
        }
        let first = HANDED + c_int::from(handed.is_some());
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
        libc::setpriority(libc::PRIO_PROCESS, 0, 19);
        let parameters: libc::sched_param = std::mem::zeroed();
        libc::sched_setscheduler(0, libc::SCHED_IDLE, &parameters);
        libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr());
        libc::_exit(127)
    }
}
