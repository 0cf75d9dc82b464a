//! Where a profile goes beside the terminal.

use glowplug_profile::model::Profile;
use glowplug_profile::{export, html};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The files to write; `-` is standard output.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Outputs {
    /// Write a page that shows everything and needs nothing else
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write the profile as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write a profile for speedscope.app
    #[arg(long, value_name = "FILE")]
    pub speedscope: Option<PathBuf>,
    /// Write a trace for chrome://tracing and Perfetto
    #[arg(long, value_name = "FILE")]
    pub chrome_trace: Option<PathBuf>,
    /// Write collapsed stacks for flame graph tools
    #[arg(long, value_name = "FILE")]
    pub collapsed: Option<PathBuf>,
}

/// A file cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}", path.display())]
pub struct WriteError {
    /// Which one.
    path: PathBuf,
    /// What the system says.
    source: io::Error,
}

impl Outputs {
    /// The options that take a file, as they are written.
    pub const OPTIONS: [&str; 5] =
        ["--html", "--json", "--speedscope", "--chrome-trace", "--collapsed"];

    /// Whether nothing is to be written.
    pub fn is_empty(&self) -> bool {
        *self == Outputs::default()
    }

    /// Writes all of them.
    ///
    /// # Errors
    /// One cannot be written; those before it are there.
    pub fn write(&self, profile: &Profile) -> Result<(), WriteError> {
        write(self.html.as_deref(), || html::render(profile))?;
        write(self.json.as_deref(), || profile.to_json() + "\n")?;
        write(self.speedscope.as_deref(), || export::speedscope(profile).to_string())?;
        write(self.chrome_trace.as_deref(), || export::chrome_trace(profile).to_string())?;
        write(self.collapsed.as_deref(), || export::collapsed(profile))
    }
}

/// Writes what `make` makes to a file, or to standard output where that is `-`; does nothing without a path.
///
/// # Errors
/// It cannot be written.
pub fn write(path: Option<&Path>, make: impl FnOnce() -> String) -> Result<(), WriteError> {
    let Some(path) = path else { return Ok(()) };
    let text = make();
    let result = if path.as_os_str() == OsStr::new("-") {
        let mut stdout = io::stdout();
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
    } else {
        fs::write(path, text)
    };
    result.map_err(|source| WriteError { path: path.to_owned(), source })
}
