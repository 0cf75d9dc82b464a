//! Which python a program is started with.

mod modules;
mod probe;
mod pyenv;
mod search;
mod starter;

pub use probe::{Probe, ProbeError};
pub use search::python_path;

use crate::settings::{Environment, Settings};
use rustix::fs::{Mode, OFlags};
use starter::Behind;
use std::fmt;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An interpreter that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// As what python knows itself, its `argv[0]`: as it was found, with symbolic links, which virtual environments depend on.
    pub path: PathBuf,
    /// What is executed: `path`, or the interpreter that a shim there stands for.
    pub program: PathBuf,
    /// Whether `path` is a script that starts an interpreter instead of being one.
    pub is_wrapper: bool,
}

/// There is no interpreter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotFound {
    /// What was looked for, and where.
    places: Vec<String>,
    /// What to do.
    hint: &'static str,
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no Python interpreter found")?;
        for place in &self.places {
            write!(f, "\n  looked for {place}")?;
        }
        write!(f, "\nhelp: {}", self.hint)
    }
}

impl std::error::Error for NotFound {}

impl Interpreter {
    /// Finds the interpreter: the one that is set, else that of the active virtual environment, else `python3` or `python` on
    /// PATH.
    ///
    /// # Errors
    /// Where there is none, or the one that is set is not there.
    pub fn find(
        settings: &Settings,
        environment: &Environment,
        folder: Option<&Path>,
    ) -> Result<Interpreter, NotFound> {
        let path = search::find(settings.python.as_deref(), environment, folder)?;
        if is_elf(&path) {
            return Ok(Interpreter::of_program(path));
        }
        match pyenv::resolve(&path, environment, folder) {
            Some(path) => Ok(Interpreter::of_program(path)),
            None => Ok(Interpreter { program: path.clone(), path, is_wrapper: true }),
        }
    }

    /// The interpreter at a path that leads to a program in machine code.
    pub fn of_program(path: PathBuf) -> Interpreter {
        let Behind { path, program } = starter::behind(&path);
        Interpreter { path, program, is_wrapper: false }
    }
}

/// A command that starts the interpreter at `path`, and that one alone: where a shim stands there, the interpreter that it stands for.
pub fn command(path: &Path) -> Command {
    let Behind { path, program } = starter::behind(path);
    let mut command = Command::new(program);
    command.arg0(path);
    command
}

/// Whether a file is a program in machine code. What cannot be read is taken for one: executing it tells.
fn is_elf(path: &Path) -> bool {
    let Ok(file) = open(path) else { return true };
    let mut start = [0; 4];
    !matches!(rustix::io::pread(&file, &mut start[..], 0), Ok(4) if &start != b"\x7fELF")
}

fn open(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    rustix::fs::open(path, flags, Mode::empty())
}
