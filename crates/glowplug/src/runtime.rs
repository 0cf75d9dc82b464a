//! Where Glowplug's own parts lie: the restorer, the recorder and the extensions.

use crate::settings::Environment;
use std::ffi::{CString, NulError};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// CPython minors that an extension is built for.
pub const MINORS: std::ops::RangeInclusive<u8> = 10..=13;

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

    /// CPython minors that run with lazy imports.
    pub const LAZY_MINORS: std::ops::RangeInclusive<u32> = 9..=14;

    /// The variables that put the recorder in front of libc: `NAME=value`. It takes them out of the environment again.
    ///
    /// # Errors
    /// Where the path of the runtime holds a zero byte.
    pub fn preload(&self, environment: &Environment) -> Result<Vec<CString>, NulError> {
        let mut preload = [b"LD_PRELOAD=", self.recorder().as_os_str().as_bytes()].concat();
        let mut variables = Vec::new();
        if let Some(own) = environment.non_empty("LD_PRELOAD") {
            preload.push(b':');
            preload.extend_from_slice(own.as_bytes());
            variables.push(CString::new([b"GLOWPLUG_LD_PRELOAD=", own.as_bytes()].concat())?);
        }
        variables.push(CString::new(preload)?);
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

    /// The library in front of libc.
    pub fn recorder(&self) -> PathBuf {
        self.folder.join("recorder.so")
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
