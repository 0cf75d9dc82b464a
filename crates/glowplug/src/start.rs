//! A start of a program: all that is known about it before a way is chosen.

use crate::commandline::{CommandLine, Obstacle, RunOptions, Target};
use crate::interpreter::{Interpreter, NotFound};
use crate::key::{self, Digest, KeyParts, Purpose};
use crate::privilege;
use crate::script::{NotSource, Script};
use crate::settings::{
    Environment, ModuleEntry, PreloadSet, SetName, Settings, SettingsError, sets,
};
use std::ffi::CStr;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// A start that `glowplug run` or `glowplug freeze` was asked for.
#[derive(Debug)]
pub struct Start<'a> {
    /// The command line.
    pub command: CommandLine<'a>,
    /// The environment that the program gets.
    pub environment: &'a Environment,
    /// The settings.
    pub settings: Settings,
    /// The interpreter.
    pub interpreter: Interpreter,
    /// The working directory; `None` where it has been removed.
    pub folder: Option<PathBuf>,
    /// When it began, `CLOCK_MONOTONIC` in nanoseconds.
    pub began_ns: u64,
    /// What is to be said where the program starts plainly, asked or not.
    pub notice: Option<String>,
    /// The program's `argv[0]`, where it is another than the interpreter's path.
    pub name: Option<&'a CStr>,
}

/// Why a start cannot be from an image, whatever the cache holds.
#[derive(Debug, thiserror::Error)]
pub enum PlainOnly {
    /// The command line or the environment asks for something that only a fresh interpreter does.
    #[error("{0}")]
    Obstacle(Obstacle),
    /// The process has more rights than its user.
    #[error("{0}")]
    Privileged(&'static str),
    /// The interpreter is started by a script.
    #[error("{} is a wrapper script, not an interpreter; name the interpreter with --python", .0.display())]
    Wrapper(PathBuf),
    /// The script is something else than source code.
    #[error("{0}")]
    NotSource(NotSource),
}

/// Where a program that can be frozen lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freezable {
    /// The key.
    pub key: Digest,
    /// The script's path without symbolic links; `None` for other targets.
    pub script: Option<PathBuf>,
}

impl<'a> Start<'a> {
    /// Finds the interpreter for a command line.
    ///
    /// # Errors
    /// Where there is none.
    pub fn new(
        command: CommandLine<'a>,
        environment: &'a Environment,
        settings: Settings,
        folder: Option<PathBuf>,
        began_ns: u64,
    ) -> Result<Start<'a>, NotFound> {
        let interpreter = Interpreter::find(&settings, environment, folder.as_deref())?;
        Ok(Start {
            command,
            environment,
            settings,
            interpreter,
            folder,
            began_ns,
            notice: None,
            name: None,
        })
    }

    /// Whether the program can be frozen at all, and under which key.
    ///
    /// # Errors
    /// The reason why it can only be started plainly.
    pub fn freezable(&self) -> Result<Freezable, PlainOnly> {
        let obstacle =
            self.command.thaw_obstacle(self.environment, || std::io::stdin().is_terminal());
        if let Some(obstacle) = obstacle {
            return Err(PlainOnly::Obstacle(obstacle));
        }
        if let Some(obstacle) = privilege::obstacle() {
            return Err(PlainOnly::Privileged(obstacle));
        }
        if self.interpreter.is_wrapper {
            return Err(PlainOnly::Wrapper(self.interpreter.path.clone()));
        }
        let script = match self.command.target {
            Target::Script(path) => {
                Some(Script::inspect(path).map_err(PlainOnly::NotSource)?.real_path)
            }
            _ => None,
        };
        let key = match self.shared_set() {
            Some((set, _)) => self.set_key(set),
            None => self.key(Purpose::Program, script.as_deref()),
        };
        Ok(Freezable { key, script })
    }

    /// The key of the server of a preload set that may start the program.
    pub fn set_key(&self, set: &str) -> Digest {
        self.key(Purpose::Set(set), None)
    }

    /// The preload set whose image is for any program, and its modules; `None` where the image is for this program.
    pub fn shared_set(&self) -> Option<(&'a str, Vec<String>)> {
        let name = self.command.options.shared_set()?;
        Some((name, sets::modules(&self.settings.sets, name)?))
    }

    fn key(&self, purpose: Purpose<'_>, script: Option<&Path>) -> Digest {
        key::of_start(&KeyParts {
            purpose,
            interpreter: &self.absolute(&self.interpreter.path),
            command: &self.command,
            script,
            preload: &self.settings.preload,
            allowed_secrets: &self.settings.allow_secrets,
            folder: self.folder.as_deref(),
            environment: self.environment,
        })
    }

    /// Whether this start may have an image made in the background.
    pub fn may_freeze(&self) -> bool {
        // Nobody has asked for it, and most of such code is made for one start alone.
        if self.name.is_some() && matches!(self.command.target, Target::Command(_)) {
            return false;
        }
        // As process 1 it would have to reap the freezer, which plain python would not know of.
        self.settings.freeze && std::process::id() != 1
    }

    /// A path as seen from the root.
    pub fn absolute(&self, path: &Path) -> PathBuf {
        match &self.folder {
            Some(folder) => folder.join(path),
            None => path.to_owned(),
        }
    }
}

/// The working directory of this process; `None` where it has been removed.
pub fn working_directory() -> Option<PathBuf> {
    std::env::current_dir().ok()
}

/// The settings of a command line.
///
/// # Errors
/// Where a file or variable is wrong.
pub fn settings_of(
    command: &CommandLine<'_>,
    environment: &Environment,
    folder: Option<&Path>,
) -> Result<Settings, SettingsError> {
    let root = Path::new("/");
    let folder = folder.unwrap_or(root);
    let begin = match command.target {
        Target::Script(path) => folder.join(path.parent().unwrap_or(Path::new(""))),
        _ => folder.to_owned(),
    };
    let mut settings = Settings::load(&command.options, environment, &begin)?;
    let RunOptions { preload, .. } = &command.options;
    if let Some(name) = command.options.shared_set().filter(|_| !preload.is_empty()) {
        let preload = preload.iter().map(|&module| ModuleEntry(module.to_owned())).collect();
        let set = PreloadSet { preload, ..PreloadSet::default() };
        settings.sets.insert(SetName(name.to_owned()), set);
    }
    Ok(settings)
}

/// Where CPython 3.`minor` looks for the user's own packages (site.getusersitepackages); `None` without a home.
pub fn packages_of_user(minor: u8, environment: &Environment) -> Option<PathBuf> {
    let home = environment.non_empty("HOME")?;
    Some(Path::new(home).join(format!(".local/lib/python3.{minor}/site-packages")))
}
