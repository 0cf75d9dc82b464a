//! Counting what a program does: its system calls, by ptrace, and what its processes used.

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};
use std::time::Duration;

/// What processes used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time.
    pub cpu: Duration,
    /// Page faults that needed no I/O.
    pub minor_faults: u64,
    /// Greatest resident memory of one process, bytes.
    pub peak_memory: u64,
}

/// What the children used that this process has waited for, and theirs.
pub fn of_children() -> Usage {
    // SAFETY: rusage is plain data, for which zeros are valid; it outlives the call.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage);
        usage
    };
    let time = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
    Usage {
        cpu: time(usage.ru_utime) + time(usage.ru_stime),
        minor_faults: usage.ru_minflt as u64,
        peak_memory: usage.ru_maxrss as u64 * 1024,
    }
}

/// Runs `work` so that the processes it starts lay out their memory alike each time, where the system allows that.
pub fn with_fixed_layout<T>(work: impl FnOnce() -> T) -> T {
    const ASK: libc::c_ulong = 0xffff_ffff;
    // SAFETY: a system call without conditions; it changes how later programs of this thread are laid out, and nothing else.
    let before = unsafe {
        let before = libc::personality(ASK);
        libc::personality(before as libc::c_ulong | libc::ADDR_NO_RANDOMIZE as libc::c_ulong);
        before
    };
    let outcome = work();
    if before >= 0 {
        // SAFETY: as above; gives back what was there.
        unsafe { libc::personality(before as libc::c_ulong) };
    }
    outcome
}

/// How a program ended whose system calls were counted.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    /// How it ended.
    pub status: ExitStatus,
    /// System calls of all its threads and processes, from its first instruction on.
    pub calls: u64,
}

/// Runs a program to its end and counts its system calls. `beyond_first`: those of the processes that it starts alone.
///
/// # Errors
/// Where it cannot be started, or must not be traced.
pub fn system_calls(command: &mut Command, beyond_first: bool) -> io::Result<Counted> {
    // SAFETY: between fork and exec only ptrace is called.
    unsafe {
        command.pre_exec(|| match libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        });
    }
    let first = command.spawn()?.id() as libc::pid_t;
    let mut calls = 0;
    let mut seen = vec![first];
    let mut configured = false;
    loop {
        let (pid, status) = match wait() {
            Ok(stopped) => stopped,
            Err(error) if error.raw_os_error() == Some(libc::EINTR) => continue,
            Err(error) => return Err(error),
        };
        if !libc::WIFSTOPPED(status) {
            if pid == first {
                return Ok(Counted { status: ExitStatus::from_raw(status), calls });
            }
            continue;
        }
        if !configured {
            configure(first)?;
            configured = true;
        }
        let is_new = !seen.contains(&pid);
        if is_new {
            seen.push(pid);
        }
        let signal = match libc::WSTOPSIG(status) {
            stop if stop == libc::SIGTRAP | 0x80 => {
                calls += u64::from((pid != first || !beyond_first) && enters(pid)?);
                0
            }
            // An event, or the first stop of a process or thread that has just been made.
            libc::SIGTRAP => 0,
            libc::SIGSTOP if is_new => 0,
            signal => signal,
        };
        request(libc::PTRACE_SYSCALL, pid, signal as usize);
    }
}

/// Waits for a stop or the end of a process that this thread has started or traces.
fn wait() -> io::Result<(libc::pid_t, libc::c_int)> {
    let mut status = 0;
    // SAFETY: the variable outlives the call.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL | libc::__WNOTHREAD) };
    if pid < 0 { Err(io::Error::last_os_error()) } else { Ok((pid, status)) }
}

/// Has what the program starts traced as well, and everything killed if this process ends.
fn configure(first: libc::pid_t) -> io::Result<()> {
    let options = libc::PTRACE_O_TRACESYSGOOD
        | libc::PTRACE_O_TRACEFORK
        | libc::PTRACE_O_TRACEVFORK
        | libc::PTRACE_O_TRACECLONE
        | libc::PTRACE_O_TRACEEXEC
        | libc::PTRACE_O_EXITKILL;
    match request(libc::PTRACE_SETOPTIONS, first, options as usize) {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Whether a thread that stands at a system call is about to make it, not back from it.
fn enters(pid: libc::pid_t) -> io::Result<bool> {
    // SAFETY: plain data, for which zeros are valid; the kernel writes no more than the size that it is told.
    let (size, info) = unsafe {
        let mut info: libc::ptrace_syscall_info = std::mem::zeroed();
        let size = size_of::<libc::ptrace_syscall_info>();
        let size = libc::ptrace(libc::PTRACE_GET_SYSCALL_INFO, pid, size, &raw mut info);
        (size, info)
    };
    if size < 0 {
        let error = io::Error::last_os_error();
        // Killed while it stood still: its end comes next.
        return if error.raw_os_error() == Some(libc::ESRCH) { Ok(false) } else { Err(error) };
    }
    Ok(info.op == libc::PTRACE_SYSCALL_INFO_ENTRY)
}

/// A request about a stopped thread. That it is gone shows at the next wait.
fn request(what: libc::c_uint, pid: libc::pid_t, data: usize) -> libc::c_long {
    // SAFETY: none of the requests that are made reads or writes memory of this process.
    unsafe { libc::ptrace(what, pid, 0, data) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(script: &str) -> Counted {
        system_calls(Command::new("/bin/sh").args(["-c", script]), false).unwrap()
    }

    #[test]
    fn each_call_is_counted_and_the_status_passes() {
        let (few, many) =
            (counted("exit 3"), counted("umask >/dev/null; umask >/dev/null; exit 3"));
        assert_eq!(few.status.code(), Some(3));
        assert!(few.calls > 0 && many.calls > few.calls, "{few:?} {many:?}");
        assert_eq!(counted("exit 3").calls, few.calls);
    }

    #[test]
    fn processes_that_it_starts_count_as_well() {
        let alone = counted("exit 0").calls;
        assert!(counted("/bin/sh -c 'exit 0'; exit 0").calls > alone + alone / 2);
        let beyond = system_calls(Command::new("/bin/sh").args(["-c", "exit 0"]), true).unwrap();
        assert_eq!(beyond.calls, 0);
    }

    #[test]
    fn signals_reach_the_program() {
        assert_eq!(counted("kill -TERM $$").status.signal(), Some(libc::SIGTERM));
        assert_eq!(counted("trap 'exit 7' USR1; kill -USR1 $$; exit 1").status.code(), Some(7));
    }
}
