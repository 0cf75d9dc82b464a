//! Where Glowplug's own parts lie: the restorer, the recorder and the extensions.

use crate::settings::Environment;
use std::ffi::{CString, NulError, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What `LD_PRELOAD` has to be for a library to stand in front of libc, and of what the user preloads.
pub fn in_front_of_libc(library: &Path, environment: &Environment) -> OsString {
    let mut value = library.as_os_str().to_owned();
    if let Some(own) = environment.non_empty("LD_PRELOAD") {
        value.push(":");
        value.push(own);
    }
    value
}

/// The folder of the parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runtime {
    folder: PathBuf,
}

impl Runtime {
    /// `GLOWPLUG_RUNTIME`, else `../lib/glowplug` beside the folder of this program.
    pub fn find(environment: &Environment) -> Option<Runtime> {
        if let Some(folder) = environment.non_empty("GLOWPLUG_RUNTIME") {
            return Some(Runtime { folder: folder.into() });
        }
        let program = std::fs::read_link("/proc/self/exe").ok()?;
        let folder = program.parent()?.parent()?.join("lib/glowplug");
        Some(Runtime { folder })
    }

    /// The variables that put the recorder in front of libc: `NAME=value`. It takes them out of the environment again.
    ///
    /// # Errors
    /// Where the path of the runtime holds a zero byte.
    pub fn preload(&self, environment: &Environment) -> Result<Vec<CString>, NulError> {
        let preload = in_front_of_libc(&self.recorder(), environment);
        let mut variables =
            vec![CString::new([b"LD_PRELOAD=", preload.as_os_str().as_bytes()].concat())?];
        if let Some(own) = environment.non_empty("LD_PRELOAD") {
            variables.push(CString::new([b"GLOWPLUG_LD_PRELOAD=", own.as_bytes()].concat())?);
        }
        Ok(variables)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The restorer.
    pub fn restorer(&self) -> PathBuf {
        self.folder.join("glowplug-thaw")
    }

    /// The program that all starters are.
    pub fn starter(&self) -> PathBuf {
        self.folder.join("glowplug-starter")
    }

    /// The library in front of libc.
    pub fn recorder(&self) -> PathBuf {
        self.folder.join("recorder.so")
    }

    /// The library that is preloaded into a profiled Python.
    pub fn collector(&self) -> PathBuf {
        self.folder.join("collector.so")
    }

    /// The extension for CPython 3.`minor`.
    pub fn extension(&self, minor: u8) -> PathBuf {
        self.folder.join(format!("python-3.{minor}.so"))
    }

    /// Whether the parts are there that a recorded start needs, and a thaw after it. A library that is to be preloaded and is missing
    /// would make the dynamic linker complain to the program's user.
    pub fn can_record(&self) -> bool {
        self.recorder().is_file() && self.restorer().is_file()
    }

    /// All parts that an image of CPython 3.`minor` rests on.
    pub fn files(&self, minor: u8) -> Vec<PathBuf> {
        vec![self.restorer(), self.recorder(), self.extension(minor)]
    }
}
