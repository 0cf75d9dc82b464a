//! The template's loop. It has one thread and does nothing but fork, and look after what it has forked.

use super::linux::{self, Heard, end_signal, stop_signal};
use super::{channel, spare};
use crate::descriptor::Held;
use crate::thawed::Prepared;
use glowplug_wire::{Event, Order, Word};
use pyo3_ffi as ffi;
use std::os::fd::RawFd;
use std::ptr;

/// A process that was forked.
struct Process {
    pid: libc::pid_t,
    /// The connection of the client that has taken it.
    client: Option<RawFd>,
    /// How it has ended, which may be known before it is reaped.
    end: Option<Event>,
    /// Its id may be another's.
    is_reaped: bool,
    /// Its client is gone, and nobody else will ask for it.
    is_abandoned: bool,
}

impl Process {
    /// Whether it runs a program, or has just been killed with its client.
    fn is_program(&self) -> bool {
        self.client.is_some() || self.is_abandoned
    }

    /// Kills it, if it has not ended.
    fn kill(&self) {
        if !self.is_reaped {
            // SAFETY: the process is this one's child and has not been reaped, so the id is its own.
            unsafe { libc::kill(self.pid, libc::SIGKILL) };
        }
    }
}

/// A template that serves.
pub struct Template<'p> {
    server: RawFd,
    signals: RawFd,
    processes: Vec<Process>,
    /// The server is gone, or wants no more: the template ends with the last program.
    ending: bool,
    spares: spare::Spares<'p>,
}

impl<'p> Template<'p> {
    /// # Safety
    /// GIL, in the only thread; the socket is the template's.
    pub unsafe fn new(server: RawFd, prepared: &'p Prepared, held: Option<&'p Held>) -> Self {
        // SAFETY: system calls on locals.
        unsafe {
            // Nobody's working directory is kept busy.
            libc::chdir(c"/".as_ptr());
            let spares = spare::Spares::new(prepared, held);
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&mut set);
            for signal in [libc::SIGCHLD, end_signal(), stop_signal()] {
                libc::sigaddset(&mut set, signal);
            }
            libc::sigprocmask(libc::SIG_BLOCK, &set, ptr::null_mut());
            let signals = linux::signal_descriptor(&set);
            Template { server, signals, processes: Vec::new(), ending: false, spares }
        }
    }

    /// Serves until the server is gone and all programs have ended.
    ///
    /// # Safety
    /// As [`Template::new`]; no Python frame is active.
    pub unsafe fn run(mut self) -> ! {
        while !self.ending || self.processes.iter().any(Process::is_program) {
            // SAFETY: by the caller.
            unsafe { self.turn() }
        }
        // SAFETY: ends the process, whose Python state is the programs'.
        unsafe { libc::_exit(0) }
    }

    /// # Safety
    /// As [`Template::run`].
    unsafe fn turn(&mut self) {
        let entry = |fd, events| libc::pollfd { fd, events, revents: 0 };
        let server = if self.ending { -1 } else { self.server };
        let mut entries = vec![entry(server, libc::POLLIN), entry(self.signals, libc::POLLIN)];
        let clients: Vec<RawFd> = self.processes.iter().filter_map(|p| p.client).collect();
        entries.extend(clients.iter().map(|&client| entry(client, linux::HANGING_UP)));
        // SAFETY: the entries are a live array of that length.
        if unsafe { libc::poll(entries.as_mut_ptr(), entries.len() as libc::nfds_t, -1) } < 0 {
            return;
        }
        if entries[1].revents != 0 {
            self.hear_signals();
        }
        for (entry, client) in entries[2..].iter().zip(clients) {
            if entry.revents != 0 {
                self.end_of_client(client);
            }
        }
        if entries[0].revents != 0 {
            // SAFETY: by the caller.
            unsafe { self.hear_order() }
        }
    }

    /// # Safety
    /// As [`Template::run`].
    unsafe fn hear_order(&mut self) {
        let mut bytes = [0; Order::LEN];
        let mut descriptors = Vec::new();
        let heard = channel::receive(self.server, &mut bytes, &mut descriptors);
        let order = heard.ok().filter(|&heard| heard).and_then(|_| Order::parse(&bytes).ok());
        let descriptor = descriptors.first().copied();
        match (order, descriptor) {
            // SAFETY: by the caller.
            (Some(Order::Fork { rehearsed }), Some(socket)) => unsafe {
                self.fork(socket, rehearsed);
                libc::close(socket);
            },
            (Some(Order::Start { pid }), Some(client)) => self.start(pid as libc::pid_t, client),
            (Some(Order::End), _) => {
                self.ending = true;
                self.kill_all();
            }
            _ => self.ending = true,
        }
    }

    /// # Safety
    /// As [`Template::run`].
    unsafe fn fork(&mut self, socket: RawFd, rehearsed: bool) {
        // SAFETY: by the caller: the interpreter is told before and after, and the child goes on in the only thread.
        unsafe {
            ffi::PyOS_BeforeFork();
            let pid = libc::fork();
            if pid == 0 {
                self.close_own();
                ffi::PyOS_AfterFork_Child();
                self.spares.become_one(socket, rehearsed)
            }
            ffi::PyOS_AfterFork_Parent();
            let pidfd = if pid > 0 { linux::process_descriptor(pid) } else { None };
            if pid > 0 {
                self.processes.retain(|process| process.pid != pid);
                let process =
                    Process { pid, client: None, end: None, is_reaped: false, is_abandoned: false };
                self.processes.push(process);
            }
            let word = Word::Forked { pid: pid.max(0) as u32 };
            self.tell(word, pidfd);
            if let Some(pidfd) = pidfd {
                libc::close(pidfd);
            }
        }
    }

    /// In a forked child: closes what is the template's alone.
    fn close_own(&self) {
        let clients = self.processes.iter().filter_map(|process| process.client);
        for descriptor in clients.chain([self.server, self.signals]) {
            // SAFETY: the child does not use it.
            unsafe { libc::close(descriptor) };
        }
    }

    fn start(&mut self, pid: libc::pid_t, client: RawFd) {
        let Some(process) = self.processes.iter_mut().find(|process| process.pid == pid) else {
            // SAFETY: the descriptor has just been received.
            unsafe { libc::close(client) };
            return;
        };
        process.client = Some(client);
        // A program may have ended before this was heard.
        if let Some(end) = process.end {
            channel::send(client, &end.to_bytes(), None);
        }
        self.forget_reaped();
    }

    /// A program whose client is gone ends as it would if somebody killed it: so has been whom it belonged to.
    fn end_of_client(&mut self, client: RawFd) {
        if let Some(process) = self.processes.iter_mut().find(|p| p.client == Some(client)) {
            process.kill();
            process.client = None;
            process.is_abandoned = true;
            // SAFETY: the descriptor is this table's.
            unsafe { libc::close(client) };
        }
    }

    fn kill_all(&self) {
        self.processes.iter().for_each(Process::kill);
    }

    fn hear_signals(&mut self) {
        while let Some(Heard { signal, pid, value }) = linux::next_signal(self.signals) {
            if signal == end_signal() {
                self.note(pid, Event::Exited(value));
            } else if signal == stop_signal() {
                let goes_on = value == 0;
                self.note(pid, if goes_on { Event::Continued } else { Event::Stopped(value) });
            } else {
                self.reap();
            }
        }
    }

    fn reap(&mut self) {
        let options = libc::WNOHANG | libc::WUNTRACED | libc::WCONTINUED;
        loop {
            let mut status = 0;
            // SAFETY: the status is this function's own.
            let pid = unsafe { libc::waitpid(-1, &mut status, options) };
            if pid <= 0 {
                return;
            }
            let Some(event) = Event::of_wait_status(status) else { continue };
            self.note(pid, event);
            let ended = self.processes.iter_mut().find(|p| event.is_end() && p.pid == pid);
            if let Some(process) = ended {
                process.is_reaped = true;
            }
            self.forget_reaped();
        }
    }

    /// Tells client and server what has happened to a process; its end once.
    fn note(&mut self, pid: libc::pid_t, event: Event) {
        let Some(process) = self.processes.iter_mut().find(|process| process.pid == pid) else {
            return;
        };
        if process.end.is_some() {
            return;
        }
        process.end = Some(event).filter(|event| event.is_end());
        if let Some(client) = process.client {
            channel::send(client, &event.to_bytes(), None);
        }
        self.tell(Word::Of { pid: pid as u32, event }, None);
    }

    /// Forgets processes that are no more and whose clients know it. One that ended before it had a client may still get one.
    fn forget_reaped(&mut self) {
        self.processes.retain(|process| match process.client {
            None if process.is_abandoned => !process.is_reaped,
            Some(client) if process.is_reaped => {
                // SAFETY: the descriptor was this table's.
                unsafe { libc::close(client) };
                false
            }
            _ => true,
        });
    }

    /// Tells the server something. Where it is gone, that is noticed when all has been heard that it had ordered before: a client may have
    /// been given its process by the last order.
    fn tell(&self, word: Word, descriptor: Option<RawFd>) {
        channel::send(self.server, &word.to_bytes(), descriptor);
    }
}
