//! Starting a program with lazy imports: the job that the extension finds in the environment, and takes out of it again.

use crate::runtime::Runtime;
use crate::settings::Environment;
use rustix::fs::MemfdFlags;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;

/// Whether imports are lazy that nothing marks as such.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// All imports
    #[default]
    All,
    /// Those that `__lazy_modules__` or the settings name
    Normal,
}

/// How a program is started with lazy imports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LazyStart {
    /// Which imports are lazy.
    pub mode: Mode,
    /// Importers whose imports stay eager: names, which stand for their submodules as well, or patterns with `*`.
    pub eager: Vec<String>,
    /// Modules that are lazy whatever the mode, written likewise.
    pub modules: Vec<String>,
    /// An inherited descriptor that the log of the run goes to.
    pub events: Option<RawFd>,
}

impl LazyStart {
    /// The variables that make a start lazy: `NAME=value`. The descriptor of the job is left open for the program to be.
    ///
    /// # Errors
    /// Where no memory can be had, or a path holds a zero byte.
    pub fn variables(
        &self,
        runtime: &Runtime,
        minor: u8,
        environment: &Environment,
    ) -> io::Result<Vec<CString>> {
        // Without close-on-exec: the extension reads it, and closes it before the program runs.
        let mut job = File::from(rustix::fs::memfd_create("glowplug-lazy", MemfdFlags::empty())?);
        job.write_all(&self.job())?;
        job.rewind()?;
        let mut variables = runtime.preload(environment)?;
        let extension = runtime.extension(minor);
        let main = [b"GLOWPLUG_MAIN=", extension.as_os_str().as_bytes()].concat();
        variables.push(CString::new(main)?);
        variables.push(CString::new(format!("GLOWPLUG_JOB={}", job.as_raw_fd()))?);
        std::mem::forget(job);
        Ok(variables)
    }

    /// The job as the extension reads it: its length, then names and values that end with a zero byte.
    fn job(&self) -> Vec<u8> {
        let mode = match self.mode {
            Mode::All => "all",
            Mode::Normal => "normal",
        };
        let mut pairs = vec![("lazy", mode.to_owned())];
        pairs.extend(self.eager.iter().map(|importer| ("eager", importer.clone())));
        pairs.extend(self.modules.iter().map(|module| ("module", module.clone())));
        pairs.extend(self.events.map(|descriptor| ("events", descriptor.to_string())));
        let body: String = pairs.iter().map(|(name, value)| format!("{name}\0{value}\0")).collect();
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
        [&length.to_le_bytes(), body.as_bytes()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_a_length_and_pairs() {
        let start = LazyStart {
            mode: Mode::Normal,
            eager: vec!["a".to_owned(), "b.*".to_owned()],
            events: Some(7),
            ..LazyStart::default()
        };
        let body = b"lazy\0normal\0eager\0a\0eager\0b.*\0events\x007\0";
        let length = u32::try_from(body.len()).unwrap();
        assert_eq!(start.job(), [&length.to_le_bytes()[..], body].concat());
    }
}
