//! The server's end of the conversation with its template.

use crate::message;
use glowplug_wire::{Order, Word};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// A template that serves.
#[derive(Debug)]
pub struct Template {
    pid: u32,
    /// The descriptor that it has opened for itself; 0 for none.
    held: u32,
    socket: UnixStream,
    gone: bool,
    /// The server of the template that this one was forked from: it is the parent of what this one leaves behind when it is killed.
    guardian: Option<UnixStream>,
    is_branch: bool,
}

impl Template {
    /// The template with this id, at the other end of the socket.
    pub fn new(pid: u32, held: u32, socket: UnixStream) -> Template {
        Template { pid, held, socket, gone: false, guardian: None, is_branch: false }
    }

    /// The same, forked from the template of the server at the other end of this connection.
    pub fn of_branch(self, guardian: UnixStream) -> Template {
        Template { guardian: Some(guardian), is_branch: true, ..self }
    }

    /// The connection to the server that it was forked from.
    pub fn guardian(&self) -> Option<BorrowedFd<'_>> {
        self.guardian.as_ref().map(AsFd::as_fd)
    }

    /// What that server says next, which is how a process has ended. `None` where it is gone.
    pub fn hear_guardian(&mut self) -> Option<Word> {
        let word = self.guardian().and_then(hear).map(|(word, _)| word);
        if word.is_none() {
            self.guardian = None;
        }
        word
    }

    /// Whether nobody is left who knows how programs end: it is gone, and so is the server that it was forked from.
    pub fn is_forsaken(&self) -> bool {
        self.gone && self.is_branch && self.guardian.is_none()
    }

    /// Its id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The descriptor that it has opened for itself; 0 for none.
    pub fn held(&self) -> u32 {
        self.held
    }

    /// Whether it has ended.
    pub fn is_gone(&self) -> bool {
        self.gone
    }

    /// Orders a fork; returns this end of the socket at which the new process waits.
    ///
    /// # Errors
    /// Where the template is gone, or no sockets can be had.
    pub fn fork(&mut self, rehearsed: bool) -> io::Result<OwnedFd> {
        let (kind, flags) = (SocketType::STREAM, SocketFlags::CLOEXEC);
        let (ours, theirs) = rustix::net::socketpair(AddressFamily::UNIX, kind, flags, None)?;
        self.send(Order::Fork { rehearsed }, &[theirs.as_fd()])?;
        Ok(ours)
    }

    /// Says that a client has taken a process.
    ///
    /// # Errors
    /// Where the template is gone.
    pub fn start(&mut self, pid: u32, client: BorrowedFd<'_>) -> io::Result<()> {
        self.send(Order::Start { pid }, &[client])
    }

    /// Ends it with all that it has forked.
    pub fn end(&mut self) {
        let _ = self.send(Order::End, &[]);
    }

    fn send(&mut self, order: Order, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        message::send(self.socket.as_fd(), &order.to_bytes(), descriptors)
    }

    /// What it says next, and a descriptor that comes along. `None` where it is gone.
    pub fn hear(&mut self) -> Option<(Word, Option<OwnedFd>)> {
        let word = hear(self.socket.as_fd());
        self.gone |= word.is_none();
        word
    }
}

fn hear(socket: BorrowedFd<'_>) -> Option<(Word, Option<OwnedFd>)> {
    let mut bytes = [0; Word::LEN];
    let descriptors = message::receive(socket, &mut bytes).ok().flatten()?;
    Some((Word::parse(&bytes).ok()?, descriptors.into_iter().next()))
}

impl AsFd for Template {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
