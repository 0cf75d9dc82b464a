//! A trial run: a service is started as it will be, up to the first socket that it binds or connects, to learn what it has imported by
//! then. Nothing of that process is kept.

use super::conversation;
use super::session::Session;
use crate::interpreter;
use crate::runtime::Runtime;
use crate::settings::Environment;
use rustix::fs::MemfdFlags;
use rustix::io::FdFlags;
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// Longest time until a service must be about to serve.
pub(super) const LIMIT: Duration = Duration::from_secs(300);

/// Lines of the service's output that an error shows.
const SHOWN_LINES: usize = 12;

/// A service that is tried.
#[derive(Debug)]
pub struct Trial<'a> {
    /// The interpreter, absolute.
    pub interpreter: &'a Path,
    /// Its minor version.
    pub minor: u8,
    /// Python's arguments behind its own name.
    pub arguments: &'a [CString],
    /// What ends the trial beside sockets and `glowplug.freeze_point()`: `MODULE` or `MODULE:FUNCTION`.
    pub until: Option<&'a str>,
}

/// How far a service came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// What it was about to do, as in "binding a socket".
    pub what: String,
    /// Whether that is a socket that it was about to bind or connect.
    pub is_socket: bool,
    /// The modules that it had imported, in order.
    pub modules: Vec<String>,
}

/// Why nothing was learned from a trial.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The interpreter cannot be started.
    #[error("cannot start {}: {source}", interpreter.display())]
    Start {
        /// The interpreter.
        interpreter: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It ended by itself.
    #[error("the service ended ({status}) before it bound a socket{output}")]
    Ended {
        /// How.
        status: String,
        /// The last lines that it printed, each indented on a line of its own.
        output: String,
    },
    /// It runs and runs.
    #[error("the service has bound no socket within {} s{output}", LIMIT.as_secs())]
    Late {
        /// The last lines that it printed, each indented on a line of its own.
        output: String,
    },
}

impl Trial<'_> {
    /// Runs the service until it is about to serve, and ends it.
    ///
    /// # Errors
    /// Where it does not come that far.
    pub fn run(&self, runtime: &Runtime, environment: &Environment) -> Result<Reached, TrialError> {
        let failed =
            |source| TrialError::Start { interpreter: self.interpreter.to_owned(), source };
        let mut running = self.start(runtime, environment).map_err(failed)?;
        match conversation::receive(&mut running.socket) {
            Ok(notes) => {
                let mut reached = Reached::default();
                for note in notes {
                    let value = String::from_utf8_lossy(&note.a).into_owned();
                    match note.kind.as_str() {
                        "reached" => {
                            reached.what = value;
                            reached.is_socket = note.b == b"socket";
                        }
                        _ => reached.modules.push(value),
                    }
                }
                Ok(reached)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(TrialError::Late { output: running.last_lines() })
            }
            Err(_) => {
                let status = running.session.wait().map_err(failed)?;
                let status = status.map_or_else(String::new, |status| status.to_string());
                Err(TrialError::Ended { status, output: running.last_lines() })
            }
        }
    }

    fn start(&self, runtime: &Runtime, environment: &Environment) -> io::Result<Running> {
        let (mut socket, theirs) = UnixStream::pair()?;
        socket.set_read_timeout(Some(LIMIT))?;
        let output = File::from(rustix::fs::memfd_create("glowplug-output", MemfdFlags::CLOEXEC)?);
        glowplug_linux::descriptors::hand_on_none();
        rustix::io::fcntl_setfd(&theirs, FdFlags::empty())?;
        let mut command = interpreter::command(self.interpreter);
        command
            .args(self.arguments.iter().map(|argument| OsStr::from_bytes(argument.as_bytes())))
            .env("GLOWPLUG_MAIN", runtime.extension(self.minor))
            .env("GLOWPLUG_JOB", theirs.as_raw_fd().to_string())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output.try_clone()?);
        for variable in runtime.preload(environment)? {
            let variable = variable.to_bytes();
            let equals = variable.iter().position(|&byte| byte == b'=').unwrap_or(0);
            let (name, value) = (&variable[..equals], &variable[equals + 1..]);
            command.env(OsStr::from_bytes(name), OsStr::from_bytes(value));
        }
        let session = Session::start(command)?;
        drop(theirs);
        let until = self.until.unwrap_or("").as_bytes();
        conversation::send(&mut socket, &[("trial", until)])?;
        Ok(Running { session, socket, output })
    }
}

/// The service, which ends with this value, and with it all that it has started.
struct Running {
    session: Session,
    socket: UnixStream,
    output: File,
}

impl Running {
    fn last_lines(&mut self) -> String {
        let mut text = Vec::new();
        let _ = self.output.rewind().and_then(|()| self.output.read_to_end(&mut text));
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let shown = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
        shown.iter().map(|line| format!("\n  | {line}")).collect()
    }
}
