//! A process in a session of its own. It ends with the value that stands for it, and so does whatever else it has started.

use glowplug_linux::descendants::{self, Descendants};
use glowplug_server::client::Branch;
use rustix::process::{Pid, Signal};
use std::io;
use std::process::{Child, Command, ExitStatus};

/// A process and its descendants.
pub(super) enum Session {
    /// A child of this process.
    Started {
        /// It.
        leader: Child,
        /// All that this process has started since.
        descendants: Descendants,
    },
    /// A process that another server has forked from its template; what it leaves behind, that server inherits.
    Forked(Branch),
}

impl Session {
    /// Starts a command.
    ///
    /// # Errors
    /// Where it cannot be started, or /proc does not tell the children of this process.
    pub fn start(mut command: Command) -> io::Result<Session> {
        descendants::set_apart(&mut command);
        let descendants = Descendants::adopt()?;
        Ok(Session::Started { leader: command.spawn()?, descendants })
    }

    /// The process that was started.
    pub fn leader(&self) -> u32 {
        match self {
            Session::Started { leader, .. } => leader.id(),
            Session::Forked(branch) => branch.pid,
        }
    }

    /// Waits for the end of the process that was started; how it has ended is told where it was a child of this one.
    ///
    /// # Errors
    /// Where the system does not tell it.
    pub fn wait(&mut self) -> io::Result<Option<ExitStatus>> {
        match self {
            Session::Started { leader, .. } => leader.wait().map(Some),
            Session::Forked(branch) => branch.wait().map(|()| None),
        }
    }

    /// Processes that outlived their parents.
    ///
    /// # Errors
    /// Where /proc does not tell them.
    pub fn orphans(&self) -> io::Result<Vec<u32>> {
        let mut orphans = match self {
            Session::Started { descendants, .. } => descendants.children()?,
            Session::Forked(branch) => descendants::of_session(branch.pid)?,
        };
        orphans.retain(|&child| child != self.leader());
        Ok(orphans)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(session) = i32::try_from(self.leader()).ok().and_then(Pid::from_raw) {
            let _ = rustix::process::kill_process_group(session, Signal::KILL);
        }
        if let Session::Started { leader, descendants } = self {
            let _ = leader.wait();
            // What has left the session, and its children.
            descendants.end();
        }
    }
}
