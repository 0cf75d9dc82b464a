//! What a program would inherit from this process if this process became it.

use super::NotStarted;
use super::terminal::Terminal;
use glowplug_linux::signals::Signals;
use glowplug_linux::{alarm, descriptors, startup, surroundings};
use glowplug_wire::{LIMITS, Limit, MAX_DESCRIPTORS, Request};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::process::Resource;
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The program, as the interpreter is given it.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    /// The interpreter's arguments, its own name first.
    pub arguments: &'a [&'a CStr],
    /// The environment.
    pub environment: &'a [&'a CStr],
    /// What kind of target it is, numbered as in an image's parameters.
    pub target_kind: u64,
    /// Which argument the target is.
    pub target_index: u64,
}

/// Resource limits by number, as Linux numbers them on x86-64 and most others.
const RESOURCES: [Resource; LIMITS] = [
    Resource::Cpu,
    Resource::Fsize,
    Resource::Data,
    Resource::Stack,
    Resource::Core,
    Resource::Rss,
    Resource::Nproc,
    Resource::Nofile,
    Resource::Memlock,
    Resource::As,
    Resource::Locks,
    Resource::Sigpending,
    Resource::Msgqueue,
    Resource::Nice,
    Resource::Rtprio,
    Resource::Rttime,
];

/// What this process has.
pub struct Inheritance {
    folder: OwnedFd,
    /// Numbers of the descriptors, with copies of them.
    descriptors: Vec<(u64, OwnedFd)>,
    has_terminal: bool,
    control_group: Vec<u8>,
}

impl Inheritance {
    /// That of this process. Standard streams are the `terminal`'s where there is one; `held` is the descriptor that nobody can hand
    /// over.
    pub fn of_this_process(
        held: u32,
        terminal: Option<&Terminal>,
    ) -> Result<Inheritance, NotStarted> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(CWD, ".", flags, Mode::empty())
            .map_err(|_| NotStarted::NotToBeHandedOver("the working directory cannot be opened"))?;
        let mut inherited = descriptors::inherited()?;
        inherited.retain(|(number, _)| !u8::try_from(*number).is_ok_and(startup::was_closed));
        if inherited.len() > MAX_DESCRIPTORS {
            return Err(NotStarted::NotToBeHandedOver("too many descriptors are inherited"));
        }
        if held != 0 && inherited.iter().any(|(number, _)| *number == held) {
            let reason = "a descriptor is inherited that the imports have opened";
            return Err(NotStarted::NotToBeHandedOver(reason));
        }
        let mut descriptors = Vec::with_capacity(inherited.len());
        for (number, copy) in inherited {
            let replaced = match terminal {
                Some(terminal) if number <= 2 => terminal.in_place_of(copy.as_fd())?,
                _ => None,
            };
            descriptors.push((u64::from(number), replaced.unwrap_or(copy)));
        }
        let control_group = surroundings::control_groups();
        Ok(Inheritance { folder, descriptors, has_terminal: terminal.is_some(), control_group })
    }

    /// The request for a process that is to take it over, with the signals that this process was started with as blocked, and those
    /// that wait.
    pub fn request<'a>(&'a self, program: &Program<'a>, signals: &Signals) -> Request<'a> {
        let strings =
            |strings: &[&'a CStr]| strings.iter().map(|string| string.to_bytes()).collect();
        let own = rustix::process::getpid();
        let leads = rustix::process::getsid(None).is_ok_and(|session| session == own);
        let leads_group = rustix::process::getpgrp() == own;
        let (alarm, interval) = alarm::set();
        let flag = |set, flag| if set { flag } else { 0 };
        let umask = rustix::process::umask(Mode::empty());
        rustix::process::umask(umask);
        let nice = rustix::process::getpriority_process(None).unwrap_or(0);
        Request {
            arguments: strings(program.arguments),
            environment: strings(program.environment),
            target_kind: program.target_kind,
            target_index: program.target_index,
            flags: flag(leads && !self.has_terminal, Request::LEADS_SESSION)
                | flag(leads_group, Request::LEADS_GROUP)
                | flag(surroundings::adopts_orphans(), Request::ADOPTS_ORPHANS)
                | flag(self.has_terminal, Request::TERMINAL),
            umask: u64::from(umask.bits()),
            expendability: surroundings::expendability(),
            timer_slack: surroundings::timer_slack(),
            alarm: [alarm, interval].map(|time| time.as_micros() as u64),
            priority: u64::try_from(20 - nice).unwrap_or(20),
            ignored: glowplug_linux::signals::ignored(),
            blocked: signals.blocked_before(),
            pending: signals.pending(),
            limits: RESOURCES.map(|resource| {
                let limit = rustix::process::getrlimit(resource);
                Limit {
                    current: limit.current.unwrap_or(u64::MAX),
                    maximum: limit.maximum.unwrap_or(u64::MAX),
                }
            }),
            control_group: &self.control_group,
            descriptors: self.descriptors.iter().map(|(number, _)| *number).collect(),
        }
    }

    /// The descriptors that go with the request, in its order.
    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let folder = std::iter::once(self.folder.as_fd());
        folder.chain(self.descriptors.iter().map(|(_, copy)| copy.as_fd())).collect()
    }

    /// Closes what is another process's now: whoever waits for the end of a pipe waits for that process alone. Standard streams lead
    /// nowhere from here on.
    pub fn let_go(self) {
        alarm::clear();
        descriptors::let_go(self.descriptors.iter().map(|(number, _)| *number as u32));
    }
}
