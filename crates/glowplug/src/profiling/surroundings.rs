//! Where a program runs that is measured: its folder, its environment and its output.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Where a program runs. The default is this process's own folder, environment and streams.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The working directory.
    pub folder: Option<PathBuf>,
    /// Variables that it does not get.
    pub without: Vec<OsString>,
    /// Variables that it gets.
    pub variables: Vec<(OsString, OsString)>,
    /// A file that its output and its errors are appended to; it then reads nothing from standard input.
    pub output: Option<PathBuf>,
}

impl Surroundings {
    /// Has a command start there.
    ///
    /// # Errors
    /// The file for its output cannot be opened.
    pub fn apply(&self, command: &mut Command) -> io::Result<()> {
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        for name in &self.without {
            command.env_remove(name);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        if let Some(path) = &self.output {
            let file = File::options().create(true).append(true).open(path)?;
            command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        }
        Ok(())
    }
}
