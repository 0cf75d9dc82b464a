//! A process that was forked from another server's template, to become the template of a set that adds to that one's.

use super::{NotStarted, converse, granted};
use crate::message;
use glowplug_wire::{BRANCH, Wish};
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Mode, OFlags};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// Such a process.
#[derive(Debug)]
pub struct Branch {
    /// Its id.
    pub pid: u32,
    pidfd: OwnedFd,
    socket: UnixStream,
    /// The files that tell what the other template rests on, see `server::Inputs::files`.
    pub inputs: Vec<OwnedFd>,
    /// The connection to the other server. The process is killed where it ends before it has forked a template.
    pub connection: UnixStream,
}

impl Branch {
    /// Asks a server for such a process.
    ///
    /// # Errors
    /// Where it gives none.
    pub fn ask(mut connection: UnixStream) -> Result<Branch, NotStarted> {
        let (answer, descriptors) = converse(&mut connection, Wish::Branch)?;
        let (socket, pidfd, inputs) = granted(&mut connection, answer, descriptors)?;
        connection.set_read_timeout(None)?;
        Ok(Branch { pid: answer.pid, pidfd, socket, inputs, connection })
    }

    /// Makes it an interpreter that is to preload: `conversation` is its end of the socket on which it is told what, its record goes to
    /// `record`, and what its imports print to `output`. Its working directory is this process's.
    ///
    /// # Errors
    /// Where it is gone.
    pub fn begin(
        &self,
        conversation: BorrowedFd<'_>,
        record: BorrowedFd<'_>,
        output: BorrowedFd<'_>,
    ) -> io::Result<()> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(".", flags, Mode::empty())?;
        let descriptors = [conversation, record, output, folder.as_fd()];
        message::send(self.socket.as_fd(), &BRANCH.to_le_bytes(), &descriptors)
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// Where the system cannot tell.
    pub fn wait(&self) -> io::Result<()> {
        loop {
            let mut entry = [PollFd::new(&self.pidfd, PollFlags::IN)];
            match rustix::event::poll(&mut entry, None) {
                Ok(_) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
