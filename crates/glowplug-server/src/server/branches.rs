//! Templates that were forked from this server's, and the servers that they belong to.
//!
//! Such a template is a child of this process, and so is what it leaves behind when it is killed: its server, which is not their parent,
//! hears of their ends from here.

use crate::message;
use glowplug_linux::Process;
use glowplug_wire::{Event, Word};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// A server whose template was forked from this one's, or is just coming to be.
#[derive(Debug)]
struct Branch {
    server: u32,
    stream: UnixStream,
    /// The template ends the process that was forked where this is closed before that has become, or made, another template.
    _life: OwnedFd,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Branches(Vec<Branch>);

impl Branches {
    /// Takes in the server at the other end of a connection.
    pub fn add(&mut self, server: u32, stream: UnixStream, life: OwnedFd) {
        self.0.push(Branch { server, stream, _life: life });
    }

    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The processes of the servers.
    pub fn servers(&self) -> Vec<u32> {
        self.0.iter().map(|branch| branch.server).collect()
    }

    /// Their connections, which say nothing but that they end.
    pub fn streams(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.0.iter().map(|branch| branch.stream.as_fd())
    }

    /// Forgets the one at this place.
    pub fn remove(&mut self, place: usize) {
        self.0.remove(place);
    }

    /// Tells them what has become of a process that was none of this server's programs.
    pub fn tell(&self, pid: u32, event: Event) {
        for branch in &self.0 {
            // Whose server is gone has no use for it.
            let _ = message::send(branch.stream.as_fd(), &Word::Of { pid, event }.to_bytes(), &[]);
        }
    }
}

/// Whether this process is the parent of another one than its `template`: of one that was forked from that, or of what such a one has left
/// behind.
pub fn has_wards(template: u32) -> bool {
    let children = Process::new(std::process::id()).children().unwrap_or_default();
    children.into_iter().any(|child| child != template)
}
