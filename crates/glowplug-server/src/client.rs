//! The client: asks a server for a process, gives it what this process has, and stands for it until it ends.
//!
//! Up to [`Process::begin`] nothing has happened: whatever goes wrong, the caller can start the program in another way.

mod branch;
mod inheritance;
mod stand_in;
mod terminal;

pub use branch::Branch;
pub use inheritance::Program;

use crate::message;
use crate::report::Report;
use glowplug_linux::signals::Signals;
use glowplug_wire::{Answer, DESCRIPTORS_AT_ONCE, Hello, Reply, Verdict, Wish};
use inheritance::Inheritance;
use stand_in::StandIn;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;
use terminal::Terminal;

/// How long a server may take for an answer; one that takes longer is stopped, or the machine has worse worries.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a server does not start a program.
#[derive(Debug, thiserror::Error)]
pub enum NotStarted {
    /// There is no server.
    #[error("no server is running")]
    NoServer,
    /// It has reasons.
    #[error("{0}")]
    Refused(String),
    /// It is of another build, or somebody else.
    #[error("the server cannot be understood: {0}")]
    Malformed(#[from] glowplug_wire::Malformed),
    /// It does not answer.
    #[error("the server does not answer: {0}")]
    Silent(#[from] io::Error),
    /// The process that it has given cannot become the program.
    #[error("{0}")]
    Unfit(glowplug_wire::Unfit),
    /// This process has something that cannot be handed over.
    #[error("{0}")]
    NotToBeHandedOver(&'static str),
}

/// A process that waits to become a program.
#[derive(Debug)]
pub struct Process {
    /// Whether it has been ready.
    pub was_ready: bool,
    held: u32,
    connection: UnixStream,
    socket: UnixStream,
    pidfd: OwnedFd,
}

/// Asks a server for a process.
///
/// # Errors
/// Where it gives none.
pub fn ask(mut connection: UnixStream, wish: Wish) -> Result<Process, NotStarted> {
    let (answer, descriptors) = converse(&mut connection, wish)?;
    let was_ready = answer.verdict == Verdict::Ready;
    let (socket, pidfd, _) = granted(&mut connection, answer, descriptors)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    connection.set_read_timeout(None)?;
    Ok(Process { was_ready, held: answer.held, connection, socket, pidfd })
}

/// What a server has given: a process's socket, its pidfd, and what else comes along.
fn granted(
    connection: &mut UnixStream,
    answer: Answer,
    descriptors: Vec<OwnedFd>,
) -> Result<(UnixStream, OwnedFd, Vec<OwnedFd>), NotStarted> {
    if matches!(answer.verdict, Verdict::Refused | Verdict::Told) {
        return Err(NotStarted::Refused(text(connection, answer)?));
    }
    let mut descriptors = descriptors.into_iter();
    let (socket, pidfd) = descriptors.next().zip(descriptors.next()).ok_or_else(missing)?;
    Ok((socket.into(), pidfd, descriptors.collect()))
}

/// Asks a server about itself.
///
/// # Errors
/// Where it does not tell.
pub fn status(mut connection: UnixStream) -> Result<Report, NotStarted> {
    let (answer, _) = converse(&mut connection, Wish::Status)?;
    let text = text(&mut connection, answer)?;
    if answer.verdict == Verdict::Refused {
        return Err(NotStarted::Refused(text));
    }
    Ok(serde_json::from_str(&text).map_err(io::Error::from)?)
}

/// Asks a server to end, now or with the last program, and waits until it takes no more clients.
///
/// # Errors
/// Where it does not.
pub fn stop(mut connection: UnixStream, wish: Wish) -> Result<(), NotStarted> {
    let (answer, _) = converse(&mut connection, wish)?;
    let text = text(&mut connection, answer)?;
    if answer.verdict == Verdict::Refused {
        return Err(NotStarted::Refused(text));
    }
    if wish == Wish::Stop {
        // Its end, and that of all that it has started.
        let _ = connection.read(&mut [0]);
    }
    Ok(())
}

fn converse(connection: &mut UnixStream, wish: Wish) -> Result<(Answer, Vec<OwnedFd>), NotStarted> {
    connection.set_read_timeout(Some(PATIENCE))?;
    message::send(connection.as_fd(), &Hello { wish }.to_bytes(), &[])?;
    let mut bytes = [0; Answer::LEN];
    let descriptors = message::receive(connection.as_fd(), &mut bytes)?.ok_or_else(missing)?;
    Ok((Answer::parse(&bytes)?, descriptors))
}

fn text(connection: &mut UnixStream, answer: Answer) -> io::Result<String> {
    let mut bytes = vec![0; answer.text_len as usize];
    connection.read_exact(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn missing() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}

impl Process {
    /// Makes it the program. `begins` is called just before it does.
    ///
    /// Returns the exit status when the program has ended; where a signal has killed it, this process dies by that signal.
    ///
    /// # Errors
    /// Where it cannot become the program; nothing has happened then.
    pub fn begin(self, program: &Program<'_>, begins: impl FnOnce()) -> Result<u8, NotStarted> {
        let signals = Signals::block()?;
        let mut terminal = Terminal::of_standard_streams()?;
        let inheritance = Inheritance::of_this_process(self.held, terminal.as_ref())?;
        let request = inheritance.request(program, &signals);
        let pending = request.pending;
        let bytes = request.to_bytes();
        let bytes = bytes.ok_or(NotStarted::NotToBeHandedOver("too much is to be handed over"))?;
        begins();
        self.send(&bytes, &inheritance.descriptors())?;
        self.await_begin()?;
        if let Some(terminal) = &mut terminal {
            terminal.take();
        }
        inheritance.let_go();
        let (connection, pidfd) = (self.connection, self.pidfd);
        let stand_in = StandIn { connection, pidfd, signals, terminal, handed_over: pending };
        Ok(stand_in.stand())
    }

    /// Waits until the process has taken over everything.
    fn await_begin(&self) -> Result<(), NotStarted> {
        let mut byte = [0];
        loop {
            message::receive(self.socket.as_fd(), &mut byte)?.ok_or_else(missing)?;
            match Reply::parse(byte[0])? {
                // Where it was a spare that had not been ready.
                Reply::Ready => {}
                Reply::Begun => return Ok(()),
                Reply::Unfit(unfit) => return Err(NotStarted::Unfit(unfit)),
            }
        }
    }

    fn send(&self, request: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        message::send(self.socket.as_fd(), request, &[])?;
        for some in descriptors.chunks(DESCRIPTORS_AT_ONCE) {
            message::send(self.socket.as_fd(), &[0], some)?;
        }
        Ok(())
    }
}
