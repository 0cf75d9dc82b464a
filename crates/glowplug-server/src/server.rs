//! The server: one loop, one thread, one template.
//!
//! It hands forked processes to clients, and from then on has nothing to do with them: the client gives its process the request itself,
//! the template tells the client what becomes of it. So nobody waits for a client that is slow or silent.

mod branches;
mod clients;
mod template;
mod turn;

pub use template::Template;

use crate::report::{Report, Worker};
use branches::Branches;
use clients::Clients;
use glowplug_linux::identity::Identity;
use glowplug_linux::signals::Signals;
use glowplug_linux::surroundings::Memory;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

/// How many spares a server keeps that was asked for one and was not told how many.
pub const USUAL_SPARES: usize = 4;

/// How long after a start the spare in its place is forked at the latest. The template cannot tell how a program ends while it forks, and
/// most programs that are in a hurry have ended by then.
const REFILL_PAUSE: Duration = Duration::from_millis(20);

/// Most files of a template's inputs that are handed to a server whose template is forked from it. Each level of a tree has one of its own.
pub const MOST_FILES: usize = 4;

/// What a template rests on.
pub trait Inputs {
    /// Whether all is as it was when the template preloaded.
    ///
    /// # Errors
    /// What has changed, in words.
    fn unchanged(&mut self) -> Result<(), String>;

    /// Called when there is nothing else to do: what makes the next answer quick can be done now.
    ///
    /// # Errors
    /// As [`Inputs::unchanged`].
    fn at_rest(&mut self) -> Result<(), String>;

    /// What can be read when something may have changed, if there is such a thing.
    fn watched(&self) -> Option<BorrowedFd<'_>>;

    /// Files that tell what they are, for whoever rests on the same; at most [`MOST_FILES`].
    fn files(&self) -> Vec<BorrowedFd<'_>>;
}

/// How a server serves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Spares to keep ready; none for a fork at each start.
    pub spares: usize,
    /// How much memory the spares may have to themselves, all together, bytes; one is kept in any case.
    pub memory_limit: u64,
    /// How long it waits for something to do; `None` for ever.
    pub idle_limit: Option<Duration>,
    /// What it tells about its template.
    pub target: String,
    /// See `Report::python`.
    pub python: String,
    /// See `Report::preload`.
    pub preload: Vec<String>,
    /// See `Report::extends`.
    pub extends: Option<String>,
}

/// A process that was forked and waits for its request.
#[derive(Debug)]
struct Spare {
    pid: u32,
    pidfd: OwnedFd,
    /// The server's end of its socket.
    socket: OwnedFd,
    ready: bool,
}

/// Why a server ends.
#[derive(Debug, PartialEq, Eq)]
enum Ending {
    /// With the last program.
    WithPrograms(String),
    /// Now, with all programs.
    Now,
}

/// A server.
pub struct Server<I> {
    settings: Settings,
    inputs: I,
    template: Template,
    /// `None` from the moment when no more clients are taken.
    listener: Option<UnixListener>,
    signals: Signals,
    identity: Identity,
    clients: Clients,
    branches: Branches,
    /// Spares that were ordered and have not been forked yet: the server's ends of their sockets, in order.
    ordered: Vec<(OwnedFd, bool)>,
    spares: Vec<Spare>,
    /// When spares are to be forked in place of those that were taken.
    refill_due: Option<Instant>,
    /// Memory that a spare has to itself, bytes, once one has been looked at.
    spare_memory: Option<u64>,
    ending: Option<Ending>,
    /// Those who have asked for the end, and wait for it.
    stoppers: Vec<UnixStream>,
    began: Instant,
    used: Instant,
    started_ready: u64,
    started_forked: u64,
    refused: BTreeMap<String, u64>,
}

impl<I: Inputs> Server<I> {
    /// A server of a template.
    ///
    /// # Errors
    /// Where this process cannot be looked at, or no descriptors can be had.
    pub fn new(
        settings: Settings,
        inputs: I,
        template: Template,
        listener: UnixListener,
    ) -> io::Result<Server<I>> {
        listener.set_nonblocking(true)?;
        raise_descriptor_limit();
        let now = Instant::now();
        Ok(Server {
            settings,
            inputs,
            template,
            listener: Some(listener),
            signals: Signals::block()?,
            identity: Identity::of(std::process::id())?,
            clients: Clients::default(),
            branches: Branches::default(),
            ordered: Vec::new(),
            spares: Vec::new(),
            refill_due: None,
            spare_memory: None,
            ending: None,
            stoppers: Vec::new(),
            began: now,
            used: now,
            started_ready: 0,
            started_forked: 0,
            refused: BTreeMap::new(),
        })
    }

    /// Serves until there is a reason to end. `leave` is called when no more clients are taken, and before the last programs have ended.
    ///
    /// # Errors
    /// Where the loop itself fails.
    pub fn run(mut self, mut leave: impl FnMut()) -> io::Result<()> {
        self.refill();
        self.look_at_inputs(false);
        loop {
            if self.ending.is_some() && self.listener.take().is_some() {
                leave();
                self.dismiss();
            }
            match &self.ending {
                Some(Ending::Now) => break,
                Some(Ending::WithPrograms(_)) if !self.is_needed() => break,
                _ => {}
            }
            self.turn()?;
        }
        self.template.end();
        if self.template.is_gone() {
            self.clients.kill_all();
        }
        // It goes when all that it has forked has ended, and the clients know it.
        while self.template.hear().is_some() {}
        Ok(())
    }

    /// Whether somebody would miss this server: programs run, or there is a template that was forked from this one's, or what such a one
    /// has left behind.
    fn is_needed(&self) -> bool {
        self.clients.programs() > 0
            || !self.branches.is_empty()
            || branches::has_wards(self.template.pid())
    }

    /// Lets go of spares and of whoever waits for one.
    fn dismiss(&mut self) {
        self.spares.clear();
        self.ordered.clear();
        let reason = match &self.ending {
            Some(Ending::WithPrograms(reason)) => reason.clone(),
            _ => "the server is being stopped".to_owned(),
        };
        for client in self.clients.take_waiting() {
            self.refuse(&client, &reason);
        }
    }

    /// Replaces a spare that was taken, but not just now.
    fn refill_soon(&mut self) {
        self.refill_due.get_or_insert_with(|| Instant::now() + REFILL_PAUSE);
    }

    /// Keeps as many spares as are wanted, as far as their memory allows.
    fn refill(&mut self) {
        self.refill_due = None;
        if self.ending.is_some() || self.template.is_gone() {
            return;
        }
        let wanted = self.settings.spares.min(self.affordable_spares());
        let coming = self.ordered.iter().filter(|(_, for_client)| !for_client).count();
        for _ in self.spares.len() + coming..wanted {
            self.order(true);
        }
    }

    fn affordable_spares(&mut self) -> usize {
        if self.spare_memory.is_none() {
            let spare = self.spares.iter().find(|spare| spare.ready);
            self.spare_memory = spare.map(|spare| Worker::of(spare.pid).private.max(1));
        }
        let Some(each) = self.spare_memory else { return usize::MAX };
        usize::try_from(self.settings.memory_limit / each).unwrap_or(usize::MAX).max(1)
    }

    /// Orders a process: a spare to be kept, or one for the client that waits longest.
    fn order(&mut self, rehearsed: bool) {
        match self.template.fork(rehearsed) {
            Ok(socket) => self.ordered.push((socket, !rehearsed)),
            Err(error) => self.end(format!("the template is gone: {error}")),
        }
    }

    fn end(&mut self, reason: String) {
        self.ending.get_or_insert(Ending::WithPrograms(reason));
    }

    fn report(&self) -> Report {
        let workers = |pids: Vec<u32>| pids.into_iter().map(Worker::of).collect();
        let template = self.template.pid();
        // The extension's `serve/memory_file.rs` gives it this name.
        let memory = Memory::with_file(template, &format!("glowplug-{template}"));
        Report {
            target: self.settings.target.clone(),
            python: self.settings.python.clone(),
            preload: self.settings.preload.clone(),
            extends: self.settings.extends.clone(),
            server: std::process::id(),
            template,
            template_private: memory.private,
            template_shared: memory.shared,
            wanted_spares: self.settings.spares,
            spares: workers(
                self.spares.iter().filter(|spare| spare.ready).map(|spare| spare.pid).collect(),
            ),
            workers: workers(self.clients.pids()),
            branches: self.branches.servers(),
            started_ready: self.started_ready,
            started_forked: self.started_forked,
            refused: self.refused.clone(),
            age: self.began.elapsed().as_secs(),
            idle: self.used.elapsed().as_secs(),
            idle_limit: self.settings.idle_limit.map(|limit| limit.as_secs()),
            ending: match &self.ending {
                Some(Ending::WithPrograms(reason)) => Some(reason.clone()),
                _ => None,
            },
        }
    }

    /// A signal for the server itself.
    fn hear_signals(&mut self) {
        while let Some(arrived) = self.signals.next() {
            match Signal::from_named_raw(arrived.signal) {
                Some(Signal::TERM | Signal::INT | Signal::HUP) => self.ending = Some(Ending::Now),
                Some(Signal::CHILD) => self.reap(),
                _ => {}
            }
        }
    }
}

/// Each program takes up a descriptor.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit};
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let _ = rustix::process::setrlimit(Resource::Nofile, raised);
}
