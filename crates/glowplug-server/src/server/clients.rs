//! The clients of a server: those that have said nothing yet, those that wait for a process, and those whose programs run.

use glowplug_linux::signals;
use glowplug_wire::{Hello, Wish};
use rustix::process::Signal;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// How long a client may take for its first message.
const PATIENCE: Duration = Duration::from_secs(2);

/// Most clients that may be silent at the same time; the oldest goes when another comes.
const MOST_SILENT: usize = 64;

/// A client that has not said what it wants, or not all of it.
#[derive(Debug)]
struct Silent {
    stream: UnixStream,
    since: Instant,
    bytes: [u8; Hello::LEN],
    come: usize,
}

/// A client whose program runs.
#[derive(Debug)]
struct Running {
    pid: u32,
    pidfd: OwnedFd,
    stream: UnixStream,
}

/// All clients.
#[derive(Debug, Default)]
pub struct Clients {
    silent: Vec<Silent>,
    waiting: Vec<(UnixStream, Wish)>,
    running: Vec<Running>,
}

/// What a client that was silent has done.
#[derive(Debug)]
pub enum Said {
    /// Not all of its message has come.
    Nothing,
    /// All of it.
    Hello(UnixStream, [u8; Hello::LEN]),
}

impl Clients {
    /// Takes in a client that has just connected.
    pub fn add(&mut self, stream: UnixStream) {
        if self.silent.len() >= MOST_SILENT {
            self.silent.remove(0);
        }
        let since = Instant::now();
        self.silent.push(Silent { stream, since, bytes: [0; Hello::LEN], come: 0 });
    }

    /// Those that have said nothing.
    pub fn silent(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.silent.iter().map(|silent| silent.stream.as_fd())
    }

    /// Reads what a silent client says; its number is that of its place among them. One that has gone, or sends nonsense, is let go of.
    pub fn hear(&mut self, place: usize) -> Said {
        let silent = &mut self.silent[place];
        match silent.stream.read(&mut silent.bytes[silent.come..]) {
            Ok(count) if count > 0 => silent.come += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            _ => {
                self.silent.remove(place);
                return Said::Nothing;
            }
        }
        if silent.come < Hello::LEN {
            return Said::Nothing;
        }
        let silent = self.silent.remove(place);
        Said::Hello(silent.stream, silent.bytes)
    }

    /// Lets go of those that have been silent for too long.
    pub fn lose_patience(&mut self) {
        self.silent.retain(|silent| silent.since.elapsed() < PATIENCE);
    }

    /// When the next of them will have been silent for too long.
    pub fn patience(&self) -> Option<Duration> {
        let oldest = self.silent.iter().map(|silent| silent.since.elapsed()).max()?;
        Some(PATIENCE.saturating_sub(oldest))
    }

    /// Takes in a client that is to have the next process that is forked for one, and what it wishes.
    pub fn wait(&mut self, stream: UnixStream, wish: Wish) {
        self.waiting.push((stream, wish));
    }

    /// The client that has waited longest.
    pub fn next_waiting(&mut self) -> Option<(UnixStream, Wish)> {
        (!self.waiting.is_empty()).then(|| self.waiting.remove(0))
    }

    /// All that wait.
    pub fn take_waiting(&mut self) -> Vec<UnixStream> {
        self.waiting.drain(..).map(|(stream, _)| stream).collect()
    }

    /// Notes whose program a process is.
    pub fn run(&mut self, pid: u32, pidfd: OwnedFd, stream: UnixStream) {
        self.running.push(Running { pid, pidfd, stream });
    }

    /// The client of a program.
    pub fn of_program(&self, pid: u32) -> Option<&UnixStream> {
        self.running.iter().find(|running| running.pid == pid).map(|running| &running.stream)
    }

    /// Kills a program.
    pub fn kill(&self, pid: u32) {
        for running in self.running.iter().filter(|running| running.pid == pid) {
            let _ = signals::send(running.pidfd.as_fd(), Signal::KILL.as_raw());
        }
    }

    /// Kills all programs, and lets go of their clients.
    pub fn kill_all(&mut self) {
        self.pids().into_iter().for_each(|pid| self.kill(pid));
        self.running.clear();
    }

    /// Forgets a program that has ended; `false` where there was none.
    pub fn end(&mut self, pid: u32) -> bool {
        let before = self.running.len();
        self.running.retain(|running| running.pid != pid);
        self.running.len() < before
    }

    /// How many programs run.
    pub fn programs(&self) -> usize {
        self.running.len()
    }

    /// The processes of the programs that run.
    pub fn pids(&self) -> Vec<u32> {
        self.running.iter().map(|running| running.pid).collect()
    }

    /// Their clients.
    pub fn running(&self) -> impl Iterator<Item = (u32, BorrowedFd<'_>)> {
        self.running.iter().map(|running| (running.pid, running.stream.as_fd()))
    }
}
