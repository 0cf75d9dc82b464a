//! Processes that this one has started, directly or not, and their end.

use crate::Process;
use rustix::process::{Pid, Signal, WaitOptions};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// How often the children are looked for again: each round ends a generation.
const MOST_ROUNDS: usize = 1000;

/// Has `command` started in a session of its own, without a terminal, whose leader is killed where the starting thread ends.
pub fn set_apart(command: &mut Command) {
    let starter = std::process::id();
    // SAFETY: between fork and exec the child makes three system calls, which are async-signal-safe, and allocates nothing.
    unsafe {
        command.pre_exec(move || {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            // The starter may have ended before.
            if u32::try_from(libc::getppid()) != Ok(starter) {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
            match libc::setsid() {
                -1 => Err(io::Error::last_os_error()),
                _ => Ok(()),
            }
        });
    }
}

/// The processes that this one starts from now on, with all that these start.
#[derive(Debug)]
pub struct Descendants {
    /// This process has children from before, whose descendants cannot be told from the others.
    mixed: bool,
}

impl Descendants {
    /// From now on this process becomes the parent of those of its descendants that lose theirs, until it ends.
    ///
    /// # Errors
    /// Where /proc does not tell the children.
    pub fn adopt() -> io::Result<Descendants> {
        let mixed = !own_children()?.is_empty();
        if !mixed {
            rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        }
        Ok(Descendants { mixed })
    }

    /// Ids of those that are children of this process, by birth or by adoption.
    ///
    /// # Errors
    /// As [`Descendants::adopt`].
    pub fn children(&self) -> io::Result<Vec<u32>> {
        if self.mixed { Ok(Vec::new()) } else { own_children() }
    }

    /// Kills and reaps them all. What may not be killed, since it has become another user's, stays.
    pub fn end(&self) {
        for _ in 0..MOST_ROUNDS {
            let children = self.children().unwrap_or_default();
            // The children of one that has ended come into the next round.
            if children.into_iter().filter(|&child| end(child)).count() == 0 {
                return;
            }
        }
    }
}

/// The processes of a session.
///
/// # Errors
/// Where /proc cannot be read.
pub fn of_session(session: u32) -> io::Result<Vec<u32>> {
    let entries = std::fs::read_dir("/proc")?;
    let processes = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    // SAFETY: asks for a number, of a process that there is or not. Those of the kernel are in session 0.
    let session_of = |process: u32| unsafe { libc::getsid(process as libc::pid_t) };
    let is_member = |&process: &u32| u32::try_from(session_of(process)) == Ok(session);
    Ok(processes.filter(is_member).collect())
}

/// Kills and reaps a child; `false` where that is impossible.
fn end(child: u32) -> bool {
    let Some(child) = i32::try_from(child).ok().and_then(Pid::from_raw) else { return false };
    rustix::process::kill_process(child, Signal::KILL).is_ok()
        && rustix::process::waitpid(Some(child), WaitOptions::empty()).is_ok()
}

fn own_children() -> io::Result<Vec<u32>> {
    Process::new(std::process::id()).children()
}
