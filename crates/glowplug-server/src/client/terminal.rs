//! A terminal of the program's own between it and the person's: the person's cannot become that of another session, and without one of
//! its own the program could not be stopped and continued, or ask for a password.

use glowplug_linux::surroundings;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::pty::OpenptFlags;
use rustix::termios::{OptionalActions, Termios};
use std::io::{self, IsTerminal};
use std::os::fd::{BorrowedFd, OwnedFd};

/// How much is passed on at once, bytes.
const AT_ONCE: usize = 64 << 10;

/// The two terminals.
#[derive(Debug)]
pub struct Terminal {
    /// The person's.
    outer: OwnedFd,
    /// This process's end of the program's.
    inner: OwnedFd,
    /// The program's end, until it has taken it.
    program: Option<OwnedFd>,
    /// How the person's was set before.
    before: Termios,
    is_raw: bool,
    /// What the person has typed and the program has not taken yet.
    typed: Vec<u8>,
}

impl Terminal {
    /// Makes a terminal for the program where a person sits at both ends of this process; `None` where not.
    ///
    /// With a pipe at one end the program gets the person's terminal itself: another process of the pipeline may need what is typed.
    pub fn of_standard_streams() -> io::Result<Option<Terminal>> {
        let (stdin, stdout) = (io::stdin(), io::stdout());
        let own = rustix::termios::tcgetsid(&stdin).is_ok();
        if !own || !stdin.is_terminal() || !stdout.is_terminal() {
            return Ok(None);
        }
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let inner = rustix::pty::openpt(flags)?;
        rustix::pty::unlockpt(&inner)?;
        let program = surroundings::open_other_end(&inner, flags)?;
        let before = rustix::termios::tcgetattr(&stdin)?;
        rustix::termios::tcsetattr(&program, OptionalActions::Now, &before)?;
        let outer = rustix::io::fcntl_dupfd_cloexec(&stdin, 3)?;
        rustix::fs::fcntl_setfl(&inner, OFlags::NONBLOCK)?;
        let terminal = Terminal {
            outer,
            inner,
            program: Some(program),
            before,
            is_raw: false,
            typed: Vec::new(),
        };
        terminal.pass_size();
        Ok(Some(terminal))
    }

    /// The program's terminal for a descriptor that is the person's; `None` for another.
    pub fn in_place_of(&self, descriptor: BorrowedFd<'_>) -> io::Result<Option<OwnedFd>> {
        let (one, other) = (rustix::fs::fstat(descriptor)?, rustix::fs::fstat(&self.outer)?);
        if one.st_rdev != other.st_rdev || !rustix::termios::isatty(descriptor) {
            return Ok(None);
        }
        self.program.as_ref().map(OwnedFd::try_clone).transpose()
    }

    /// The program has begun: its end is its own, and keys are passed on one by one.
    pub fn take(&mut self) {
        self.program = None;
        self.enter();
    }

    /// Has the person's terminal pass on everything, where this process is in its foreground.
    pub fn enter(&mut self) {
        if self.is_in_foreground() && !self.is_raw {
            let mut raw = self.before.clone();
            raw.make_raw();
            self.is_raw =
                rustix::termios::tcsetattr(&self.outer, OptionalActions::Drain, &raw).is_ok();
        }
        self.pass_size();
    }

    /// Sets the person's terminal as it was before.
    pub fn leave(&mut self) {
        if std::mem::take(&mut self.is_raw) {
            let _ = rustix::termios::tcsetattr(&self.outer, OptionalActions::Drain, &self.before);
        }
    }

    fn is_in_foreground(&self) -> bool {
        rustix::termios::tcgetpgrp(&self.outer)
            .is_ok_and(|group| group == rustix::process::getpgrp())
    }

    /// Gives the program's terminal the size of the person's; the kernel tells the program.
    pub fn pass_size(&self) {
        if let Ok(size) = rustix::termios::tcgetwinsize(&self.outer) {
            let _ = rustix::termios::tcsetwinsize(&self.inner, size);
        }
    }

    /// What to wait for.
    pub fn entries(&self) -> [PollFd<'_>; 2] {
        // What was typed last must have gone first.
        let reads = self.is_raw && self.typed.is_empty();
        let inner =
            if self.typed.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
        let outer = if reads { PollFlags::IN } else { PollFlags::empty() };
        [PollFd::new(&self.inner, inner), PollFd::new(&self.outer, outer)]
    }

    /// Passes on what there is; `false` where the program's terminal is closed.
    pub fn pass_on(&mut self, inner: PollFlags, outer: PollFlags) -> bool {
        let mut buffer = [0; AT_ONCE];
        if outer.contains(PollFlags::IN)
            && let Ok(count) = rustix::io::read(&self.outer, &mut buffer)
        {
            self.typed.extend_from_slice(&buffer[..count]);
        }
        if !self.typed.is_empty()
            && let Ok(count) = rustix::io::write(&self.inner, &self.typed)
        {
            self.typed.drain(..count);
        }
        if !inner.intersects(PollFlags::IN | PollFlags::HUP) {
            return true;
        }
        match rustix::io::read(&self.inner, &mut buffer) {
            Ok(0) => false,
            Ok(count) => self.show(&buffer[..count]),
            Err(error) => matches!(error, Errno::AGAIN | Errno::INTR),
        }
    }

    /// Shows the person something.
    fn show(&self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            match rustix::io::write(&self.outer, bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let mut wait = [PollFd::new(&self.outer, PollFlags::OUT)];
                    let _ = rustix::event::poll(&mut wait, None);
                }
                Err(_) => return false,
            }
        }
        true
    }

    /// Shows what the program has left behind, and sets the person's terminal as it was before.
    pub fn finish(&mut self) {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        loop {
            let mut wait = [PollFd::new(&self.inner, PollFlags::IN)];
            let there = rustix::event::poll(&mut wait, Some(&now)).is_ok_and(|count| count > 0);
            let flags = wait[0].revents();
            if !there || !self.pass_on(flags, PollFlags::empty()) {
                break;
            }
        }
        self.leave();
    }
}
