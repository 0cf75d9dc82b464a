//! A process in a session of its own. It ends with the value that stands for it, and so does whatever else it has started.

use glowplug_linux::descendants::{self, Descendants};
use rustix::process::{Pid, Signal};
use std::io;
use std::process::{Child, Command, ExitStatus};

/// A process and its descendants.
pub(super) struct Session {
    leader: Child,
    descendants: Descendants,
}

impl Session {
    /// Starts a command.
    ///
    /// # Errors
    /// Where it cannot be started, or /proc does not tell the children of this process.
    pub fn start(mut command: Command) -> io::Result<Session> {
        descendants::set_apart(&mut command);
        let descendants = Descendants::adopt()?;
        Ok(Session { leader: command.spawn()?, descendants })
    }

    /// The process that was started.
    pub fn leader(&self) -> u32 {
        self.leader.id()
    }

    /// Waits for the end of the process that was started.
    ///
    /// # Errors
    /// Where the system does not tell it.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        self.leader.wait()
    }

    /// Processes that outlived their parents.
    ///
    /// # Errors
    /// Where /proc does not tell them.
    pub fn orphans(&self) -> io::Result<Vec<u32>> {
        let mut orphans = self.descendants.children()?;
        orphans.retain(|&child| child != self.leader());
        Ok(orphans)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(session) = i32::try_from(self.leader()).ok().and_then(Pid::from_raw) {
            let _ = rustix::process::kill_process_group(session, Signal::KILL);
        }
        let _ = self.leader.wait();
        // What has left the session, and its children.
        self.descendants.end();
    }
}
