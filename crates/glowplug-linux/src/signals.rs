//! Signals that are waited for in place of being handled.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

/// Number of signals.
const SIGNALS: c_int = 64;

/// A signal that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// Its number.
    pub signal: i32,
    /// Whether the kernel sent it, as a terminal does, and no process.
    pub of_kernel: bool,
}

/// All signals, blocked in this process and to be read one after the other.
#[derive(Debug)]
pub struct Signals {
    file: OwnedFd,
    before: libc::sigset_t,
}

impl Signals {
    /// Blocks all signals and waits for them from now on.
    ///
    /// # Errors
    /// Where no descriptor can be had.
    pub fn block() -> io::Result<Signals> {
        // SAFETY: system calls on locals; the descriptor is new.
        unsafe {
            let mut all: libc::sigset_t = std::mem::zeroed();
            let mut before: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&raw mut all);
            libc::sigprocmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
            let file = libc::signalfd(-1, &raw const all, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
            if file < 0 {
                let error = io::Error::last_os_error();
                libc::sigprocmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut());
                return Err(error);
            }
            Ok(Signals { file: OwnedFd::from_raw_fd(file), before })
        }
    }

    /// The signals that were blocked before: bit `n - 1` for signal `n`.
    pub fn blocked_before(&self) -> u64 {
        // SAFETY: asks about a set.
        let is_member = |signal| unsafe { libc::sigismember(&raw const self.before, signal) == 1 };
        (1..=SIGNALS).filter(|&n| is_member(n)).fold(0, |bits, n| bits | 1 << (n - 1))
    }

    /// The signals that have come and wait: bit `n - 1` for signal `n`.
    pub fn pending(&self) -> u64 {
        // SAFETY: the call fills in a set.
        let is_member = unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigpending(&raw mut set);
            move |signal| libc::sigismember(&raw const set, signal) == 1
        };
        (1..=SIGNALS).filter(|&n| is_member(n)).fold(0, |bits, n| bits | 1 << (n - 1))
    }

    /// The next signal that has come; `None` where there is none.
    pub fn next(&self) -> Option<Arrived> {
        use std::os::fd::AsRawFd;
        // SAFETY: plain data, for which zeros are valid; the call writes at most its size.
        unsafe {
            let mut info: libc::signalfd_siginfo = std::mem::zeroed();
            let len = size_of_val(&info);
            if libc::read(self.file.as_raw_fd(), (&raw mut info).cast(), len) != len as isize {
                return None;
            }
            Some(Arrived { signal: info.ssi_signo as i32, of_kernel: info.ssi_code > 0 })
        }
    }

    /// Stops this process by a signal, as the signal would have by itself. Returns when it goes on.
    pub fn stop_by(&self, signal: i32) {
        // SAFETY: system calls on locals and on this process.
        unsafe {
            let handler = libc::signal(signal, libc::SIG_DFL);
            let mut one: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut one);
            libc::sigaddset(&raw mut one, signal);
            libc::raise(signal);
            libc::sigprocmask(libc::SIG_UNBLOCK, &raw const one, std::ptr::null_mut());
            libc::sigprocmask(libc::SIG_BLOCK, &raw const one, std::ptr::null_mut());
            libc::signal(signal, handler);
        }
    }

    /// Ends this process by a signal, without a core file. Returns where the signal does not kill.
    pub fn die_by(&self, signal: i32) {
        // SAFETY: system calls on locals and on this process.
        unsafe {
            let mut one: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut one);
            libc::sigaddset(&raw mut one, signal);
            libc::sigprocmask(libc::SIG_UNBLOCK, &raw const one, std::ptr::null_mut());
        }
        crate::supervise::die_by(signal);
    }
}

impl Drop for Signals {
    /// Unblocks what was not blocked before.
    fn drop(&mut self) {
        // SAFETY: a system call that reads the set.
        unsafe {
            libc::sigprocmask(libc::SIG_SETMASK, &raw const self.before, std::ptr::null_mut())
        };
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// The signals that this process was started with as ignored: bit `n - 1` for signal `n`.
pub fn ignored() -> u64 {
    let asked = (1..=SIGNALS).filter(|&signal| crate::startup::was_ignored(signal));
    asked.fold(0, |bits, signal| bits | 1 << (signal - 1))
}

/// Sends a signal to a process, of whatever kind the signal is.
///
/// # Errors
/// Where the process has ended, or may not be sent signals.
pub fn send(pidfd: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let (number, nothing) = (pidfd.as_raw_fd(), std::ptr::null::<libc::siginfo_t>());
    // SAFETY: a system call on a descriptor, without further data.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, number, signal, nothing, 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
