//! Standing for a program: whoever started this process sees of it what would be seen of the program.

use super::terminal::Terminal;
use crate::message;
use glowplug_linux::signals::{self, Signals};
use glowplug_wire::Event;
use rustix::event::{PollFd, PollFlags};
use rustix::process::Signal;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// What a shell says of a program that was killed by a signal: this and the signal.
const KILLED: u8 = 128;

/// A program that runs, and this process that stands for it.
pub struct StandIn {
    /// Tells what becomes of the program; its end at the other side is the program's.
    pub connection: UnixStream,
    /// The program.
    pub pidfd: OwnedFd,
    /// The signals that this process gets.
    pub signals: Signals,
    /// Signals that were waiting and that the program has been given with the request: bit `n - 1` for signal `n`.
    pub handed_over: u64,
    /// The program's terminal, where it has one of its own.
    pub terminal: Option<Terminal>,
}

impl StandIn {
    /// Stands for the program until it ends; returns its exit status. Where a signal has killed it, this process dies by the same.
    pub fn stand(mut self) -> u8 {
        loop {
            match self.wait() {
                Some(Event::Exited(status)) => {
                    self.finish();
                    return status;
                }
                Some(Event::Killed(signal)) => {
                    self.finish();
                    self.signals.die_by(i32::from(signal));
                    return KILLED.saturating_add(signal);
                }
                Some(Event::Stopped(signal)) => self.stop(i32::from(signal)),
                Some(Event::Continued) | None => {}
            }
        }
    }

    fn finish(&mut self) {
        if let Some(terminal) = &mut self.terminal {
            terminal.finish();
        }
    }

    /// Waits until something has happened; `Some` where it was to the program.
    fn wait(&mut self) -> Option<Event> {
        let mut entries = vec![
            PollFd::new(&self.signals, PollFlags::IN),
            PollFd::new(&self.connection, PollFlags::IN),
        ];
        entries.extend(self.terminal.iter().flat_map(Terminal::entries));
        if rustix::event::poll(&mut entries, None).is_err() {
            return None;
        }
        let happened: Vec<PollFlags> = entries.iter().map(PollFd::revents).collect();
        if happened[0].contains(PollFlags::IN) {
            self.hand_on_signals();
        }
        if let (Some(terminal), [_, _, inner, outer]) = (&mut self.terminal, &happened[..])
            && !terminal.pass_on(*inner, *outer)
        {
            self.finish();
            self.terminal = None;
        }
        (!happened[1].is_empty()).then(|| self.hear())
    }

    fn hear(&mut self) -> Event {
        let mut bytes = [0; Event::LEN];
        let heard = message::receive(self.connection.as_fd(), &mut bytes).ok().flatten();
        match heard.and_then(|_| Event::parse(&bytes).ok()) {
            Some(event) => event,
            None => {
                // Server and template were killed: nobody will ever tell how the program ends.
                let _ = signals::send(self.pidfd.as_fd(), Signal::KILL.as_raw());
                Event::Killed(Signal::KILL.as_raw() as u8)
            }
        }
    }

    fn hand_on_signals(&mut self) {
        while let Some(arrived) = self.signals.next() {
            let bit = 1 << (arrived.signal - 1);
            if self.handed_over & bit != 0 {
                self.handed_over &= !bit;
                continue;
            }
            match Signal::from_named_raw(arrived.signal) {
                Some(Signal::CHILD) => {}
                Some(Signal::WINCH) if self.terminal.is_some() => {
                    self.terminal.iter().for_each(Terminal::pass_size);
                }
                signal => {
                    if signal == Some(Signal::CONT) {
                        self.terminal.iter_mut().for_each(Terminal::enter);
                    }
                    let _ = signals::send(self.pidfd.as_fd(), arrived.signal);
                }
            }
        }
    }

    /// Stops as the program was stopped; goes on when somebody lets this process go on, and lets the program go on then.
    fn stop(&mut self, signal: i32) {
        self.terminal.iter_mut().for_each(Terminal::leave);
        self.signals.stop_by(signal);
        self.terminal.iter_mut().for_each(Terminal::enter);
    }
}
