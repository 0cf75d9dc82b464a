//! Which python a program is started with.

mod modules;
mod probe;
mod pyenv;
mod search;

pub use probe::{Probe, ProbeError};

use crate::settings::{Environment, Settings};
use rustix::fs::{Mode, OFlags};
use std::fmt;
use std::path::{Path, PathBuf};

/// An interpreter that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// What is executed, and python's `argv[0]`: as it was found, with symbolic links, which virtual environments depend on.
    pub path: PathBuf,
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
            return Ok(Interpreter { path, is_wrapper: false });
        }
        match pyenv::resolve(&path, environment, folder) {
            Some(path) => Ok(Interpreter { path, is_wrapper: false }),
            None => Ok(Interpreter { path, is_wrapper: true }),
        }
    }
}

/// Whether a file is a program in machine code. What cannot be read is taken for one: executing it tells.
fn is_elf(path: &Path) -> bool {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let Ok(file) = rustix::fs::open(path, flags, Mode::empty()) else { return true };
    let mut start = [0; 4];
    !matches!(rustix::io::pread(&file, &mut start[..], 0), Ok(4) if &start != b"\x7fELF")
}
