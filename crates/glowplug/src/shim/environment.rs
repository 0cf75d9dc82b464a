//! A virtual environment, and what in it is an interpreter.

use super::{FOLDER, STARTERS, ShimError};
use glowplug_starter::is_interpreter_name;
use rustix::fs::FlockOperation;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A virtual environment that nobody else puts a shim into, or takes one out of, as long as this value lives.
#[derive(Debug)]
pub struct VirtualEnvironment {
    root: PathBuf,
    /// The interpreters in `bin` that are no link to another one there, by name.
    pub interpreters: Vec<OsString>,
    /// Links in `bin` to another name there, with that name.
    pub aliases: Vec<(OsString, OsString)>,
    _lock: File,
}

impl VirtualEnvironment {
    /// Opens the environment at `path`, and waits for whoever is at work on it.
    ///
    /// # Errors
    /// Where it is none, or cannot be read.
    pub fn open(path: &Path) -> Result<VirtualEnvironment, ShimError> {
        let lacks = |why| ShimError::NoEnvironment { path: path.to_owned(), why };
        let root = fs::canonicalize(path).map_err(|_| lacks("there is no such folder"))?;
        if !root.join("pyvenv.cfg").is_file() {
            return Err(lacks("it has no pyvenv.cfg"));
        }
        let lock = File::open(&root).map_err(ShimError::io("open", &root))?;
        rustix::fs::flock(&lock, FlockOperation::LockExclusive)
            .map_err(|error| ShimError::io("lock", &root)(error.into()))?;
        let mut found =
            VirtualEnvironment { root, interpreters: Vec::new(), aliases: Vec::new(), _lock: lock };
        found.look()?;
        if found.interpreters.is_empty() {
            return Err(lacks("it has no bin/python"));
        }
        Ok(found)
    }

    fn look(&mut self) -> Result<(), ShimError> {
        let bin = self.bin();
        let entries = fs::read_dir(&bin).map_err(ShimError::io("list", &bin))?;
        for entry in entries {
            let name = entry.map_err(ShimError::io("list", &bin))?.file_name();
            if !is_interpreter_name(name.as_bytes()) {
                continue;
            }
            match fs::read_link(bin.join(&name)) {
                Ok(target) if target.parent() == Some(Path::new("")) => {
                    self.aliases.push((name, target.into_os_string()));
                }
                _ => self.interpreters.push(name),
            }
        }
        self.interpreters.sort();
        self.aliases.sort();
        Ok(())
    }

    /// The environment's own folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where its commands lie.
    pub fn bin(&self) -> PathBuf {
        self.root.join("bin")
    }

    /// The folder of the shim.
    pub fn folder(&self) -> PathBuf {
        self.root.join(FOLDER)
    }

    /// The folder of the starters.
    pub fn starters(&self) -> PathBuf {
        self.folder().join(STARTERS)
    }

    /// What the link in `bin` to a starter says.
    pub fn link_to_starter(name: &OsStr) -> PathBuf {
        Path::new("..").join(FOLDER).join(STARTERS).join(name)
    }

    /// Whether the interpreter of this name is a shim's.
    pub fn is_shimmed(&self, name: &OsStr) -> bool {
        fs::read_link(self.bin().join(name))
            .is_ok_and(|link| link == VirtualEnvironment::link_to_starter(name))
    }
}
