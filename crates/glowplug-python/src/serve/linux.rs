//! All that the forked processes ask of Linux alone. What a system without it has in its place: docs/serve.md.
//!
//! | file | what |
//! |---|---|
//! | `control_group.rs` | the client's control groups |
//! | `group.rs` | a process group that nobody leads |
//! | `layout.rs` | what the kernel tells of a process's arguments, environment and stack |
//! | `memory.rs` | which pages a process has to itself; huge pages |
//! | `memory_file.rs` | a template's heap in a file, so that a fork has no page table to copy |

pub mod control_group;
mod group;
mod layout;
pub mod memory;
mod memory_file;

pub use group::join_one_of_its_own;
pub use layout::Layout;
pub use memory_file::move_to_file;

use std::ffi::{c_int, c_short};
use std::os::fd::RawFd;

/// Flag of a message that is received: the descriptors that come with it are closed on exec.
pub const CLOSED_ON_EXEC: c_int = libc::MSG_CMSG_CLOEXEC;

/// Flag of a message that is sent: nobody gets a signal where the other end is gone.
pub const WITHOUT_SIGNAL: c_int = libc::MSG_NOSIGNAL;

/// What is polled for to hear that the other end of a socket is gone.
pub const HANGING_UP: c_short = libc::POLLRDHUP;

/// `MADV_POPULATE_WRITE` (Linux 5.14).
const MADV_POPULATE_WRITE: c_int = 23;

/// How readily the kernel ends this process where memory is short.
const EXPENDABILITY: &str = "/proc/self/oom_score_adj";

/// The signal by which a program tells its end; its value is the exit status.
pub fn end_signal() -> c_int {
    libc::SIGRTMAX()
}

/// The signal by which the leader of a terminal's session tells that the program was stopped (its value is the signal) or goes on (0).
pub fn stop_signal() -> c_int {
    libc::SIGRTMAX() - 1
}

/// A signal that came, with what its sender says.
#[derive(Clone, Copy)]
pub struct Heard {
    /// Which one.
    pub signal: c_int,
    /// Who has sent it.
    pub pid: libc::pid_t,
    /// Its value, where it has one.
    pub value: u8,
}

/// Sends a process a signal with a value.
pub fn tell(process: libc::pid_t, signal: c_int, value: u8) {
    let value = libc::sigval { sival_ptr: usize::from(value) as *mut _ };
    // SAFETY: a system call.
    unsafe { libc::sigqueue(process, signal, value) };
}

/// Waits for one of the signals of a set, which are blocked; `None` where the wait was interrupted.
pub fn wait_for_signal(set: &libc::sigset_t) -> Option<Heard> {
    // SAFETY: plain data, for which zeros are valid, and which the call fills in.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let signal = libc::sigwaitinfo(set, &mut info);
        let value = (info.si_value().sival_ptr as usize & 0xff) as u8;
        (signal > 0).then(|| Heard { signal, pid: info.si_pid(), value })
    }
}

/// A descriptor from which the signals of a set, which are blocked, are read; negative where there can be none.
pub fn signal_descriptor(set: &libc::sigset_t) -> RawFd {
    // SAFETY: a system call that reads the set.
    unsafe { libc::signalfd(-1, set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) }
}

/// The next signal that waits in a descriptor of signals.
pub fn next_signal(signals: RawFd) -> Option<Heard> {
    // SAFETY: plain data, for which zeros are valid; the call writes at most its size.
    let info = unsafe {
        let mut info: libc::signalfd_siginfo = std::mem::zeroed();
        let len = size_of_val(&info);
        if libc::read(signals, (&raw mut info).cast(), len) != len as isize {
            return None;
        }
        info
    };
    let (signal, pid) = (info.ssi_signo as c_int, info.ssi_pid as libc::pid_t);
    Some(Heard { signal, pid, value: (info.ssi_ptr & 0xff) as u8 })
}

/// A descriptor that can be read when a process has ended; the caller closes it. The process must not have been reaped.
pub fn process_descriptor(process: libc::pid_t) -> Option<RawFd> {
    // SAFETY: a system call on a number.
    let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, process, 0) } as RawFd;
    (descriptor >= 0).then_some(descriptor)
}

/// Closes the descriptors from `first` to `last`.
///
/// # Safety
/// Nothing in this process uses one of them any more.
pub unsafe fn close_range(first: RawFd, last: RawFd) {
    if first <= last {
        // SAFETY: by the caller.
        unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    }
}

/// The descriptors of this process in ascending order; none where nobody tells them.
pub fn open_descriptors() -> Vec<RawFd> {
    let entries = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let mut numbers: Vec<RawFd> =
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers
}

/// Has this process killed when its parent ends; one that has ended already is not noticed.
pub fn end_with_parent() {
    // SAFETY: a system call that changes this process alone.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// Has the orphans among this process's descendants become its children.
pub fn adopt_orphans() {
    // SAFETY: a system call that changes this process alone.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) };
}

/// By how much timers of this process may be late, nanoseconds.
pub fn set_timer_slack(slack: u64) {
    // SAFETY: a system call that changes this process alone.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, slack) };
}

/// Starts the timer whose end is the signal of an alarm.
pub fn start_alarm(timer: &libc::itimerval) {
    // SAFETY: the kernel reads the struct.
    unsafe { libc::syscall(libc::SYS_setitimer, libc::ITIMER_REAL, &raw const *timer, 0) };
}

/// How readily the kernel ends this process where memory is short: its adjustment and 1000.
pub fn expendability() -> u64 {
    let text = std::fs::read_to_string(EXPENDABILITY).unwrap_or_default();
    (text.trim().parse::<i64>().unwrap_or(0) + 1000) as u64
}

/// Has the kernel end this process so readily where memory is short; `false` where that is less readily than it may be.
pub fn expend(expendability: u64) -> bool {
    let adjustment = expendability as i64 - 1000;
    std::fs::write(EXPENDABILITY, adjustment.to_string()).is_ok()
}

/// Ignores those of libc's own signals that are among the bits: its posix_spawn leaves them so, and its functions refuse to.
pub fn ignore_signals_of_libc(bits: u64) {
    /// SIGCANCEL and SIGSETXID (nptl, since 2.4).
    const OWN: [c_int; 2] = [32, 33];
    let action = [libc::SIG_IGN, 0, 0, 0];
    for signal in OWN.into_iter().filter(|signal| bits >> (signal - 1) & 1 != 0) {
        let none = std::ptr::null_mut::<usize>();
        // SAFETY: the kernel's struct of four words; ignoring a signal runs no code. A spare has one thread, which cancels none.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, action.as_ptr(), none, 8) };
    }
}

/// Copies the shared pages of a range of memory, as writing to each of them would.
pub fn populate(start: usize, len: usize) {
    // SAFETY: the memory is the process's own and stays as it is; where it is gone, the kernel says so.
    unsafe { libc::madvise(start as *mut _, len, MADV_POPULATE_WRITE) };
}
