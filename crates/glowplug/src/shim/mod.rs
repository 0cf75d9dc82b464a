//! Starters in place of interpreters: shims in virtual environments, and bundles.
//!
//! ```text
//! VENV/bin/python                -> ../.glowplug/starter/python
//! VENV/bin/python3               -> python, as it was
//! VENV/.glowplug/starter/python  the starter
//! VENV/.glowplug/python          what VENV/bin/python was: the same link or file, by another name
//! VENV/.glowplug/python3         -> python, so that a process bears the name that it was started by
//! ```
//!
//! The interpreter is put aside as deep below the environment as it was, so that a relative link and a library that is sought from where
//! the interpreter lies are found. An entry of `bin` is replaced by one rename, and put back by one.

mod answer;
pub mod bundle;
pub mod environment;
mod files;
pub mod install;
pub mod remove;

use crate::interpreter::{NotFound, ProbeError};
use std::io;
use std::path::PathBuf;

/// The folder of an environment that has a shim.
pub const FOLDER: &str = ".glowplug";

/// The folder in it that holds the starters.
const STARTERS: &str = "starter";

/// Why a starter cannot be made or removed.
#[derive(Debug, thiserror::Error)]
pub enum ShimError {
    /// The folder is no virtual environment.
    #[error(
        "{} is no virtual environment: {why}\nhelp: `python3 -m venv {}` makes one",
        path.display(),
        path.display()
    )]
    NoEnvironment {
        /// The folder.
        path: PathBuf,
        /// What it lacks.
        why: &'static str,
    },
    /// Something cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was to be done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it was not.
        source: io::Error,
    },
    /// There is no interpreter.
    #[error(transparent)]
    Interpreter(#[from] NotFound),
    /// The interpreter says nothing about itself.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// Nothing would be gained.
    #[error("{0}")]
    Pointless(String),
    /// The interpreter has none of these modules.
    #[error("{} finds no module {module}\nhelp: install it there, or name another interpreter with --python", python.display())]
    NoModule {
        /// The interpreter.
        python: PathBuf,
        /// The module.
        module: String,
    },
    /// A part of Glowplug is missing.
    #[error("Glowplug's own part {} is missing\nhelp: install Glowplug again", .0.display())]
    Runtime(PathBuf),
    /// The environment would not be what it was.
    #[error(
        "the environment's python is not the same through a shim, so that none was left there: {0}"
    )]
    Differs(String),
}

impl ShimError {
    /// What turns an error of the system into one of this kind.
    fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> ShimError {
        let path = path.into();
        move |source| ShimError::Io { action, path, source }
    }
}
