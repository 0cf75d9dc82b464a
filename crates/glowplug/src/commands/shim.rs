//! `glowplug shim`: lets an environment's own `python` and commands start through Glowplug.

use crate::settings::Environment;
use crate::shim::install::{self, Installed};
use crate::shim::{ShimError, remove};
use crate::{exit, explain};
use std::path::PathBuf;

/// Puts shims into environments, and takes them out.
#[derive(Debug, clap::Subcommand)]
pub enum Shim {
    /// Start what this environment's python and commands start through Glowplug
    Install(Place),
    /// Undo that
    Remove(Place),
}

/// An environment.
#[derive(Debug, clap::Args)]
pub struct Place {
    /// The folder of the virtual environment
    #[arg(value_name = "VENV")]
    path: PathBuf,
}

/// Runs the command and returns the exit status.
pub fn run(shim: &Shim, environment: &Environment) -> u8 {
    let done = match shim {
        Shim::Install(place) => install(place, environment),
        Shim::Remove(place) => remove(place),
    };
    match done {
        Ok(()) => 0,
        Err(error) => report(&error),
    }
}

fn install(place: &Place, environment: &Environment) -> Result<(), ShimError> {
    let path = place.path.display();
    match install::install(&place.path, environment)? {
        Installed::New => explain::note(format_args!("{path} starts through Glowplug now")),
        Installed::Again => {
            explain::note(format_args!("{path} had a shim, which leads to this Glowplug now"));
        }
    }
    Ok(())
}

fn remove(place: &Place) -> Result<(), ShimError> {
    let path = place.path.display();
    let removed = remove::remove(&place.path)?;
    for name in &removed.replaced {
        let name = name.display();
        explain::note(format_args!("{path}/bin/{name} was replaced meanwhile, and stays"));
    }
    for name in &removed.lost {
        let name = name.display();
        explain::warning(format_args!(
            "what {path}/bin/{name} was is lost; it is a link to its interpreter now"
        ));
    }
    if !removed.any {
        explain::note(format_args!("{path} has no shim"));
    }
    Ok(())
}

/// Reports why a starter was not made or removed; returns the exit status.
pub fn report(error: &ShimError) -> u8 {
    explain::error(error);
    match error {
        ShimError::NoEnvironment { .. } | ShimError::NoModule { .. } => exit::USAGE,
        ShimError::Interpreter(_) => exit::NOT_FOUND,
        ShimError::Pointless(_) => exit::REFUSED,
        ShimError::Io { .. }
        | ShimError::Probe(_)
        | ShimError::Runtime(_)
        | ShimError::Differs(_) => exit::STARTER,
    }
}
