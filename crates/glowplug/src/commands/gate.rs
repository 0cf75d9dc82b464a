//! `glowplug gate`: holds programs to their start-up budgets.

mod check;
mod init;
mod inside;
mod keep;

use crate::gate::GateError;
use crate::gate::config::{self, Config, ConfigError};
use crate::settings::Environment;
use crate::{exit, explain};
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Holds programs to their start-up budgets.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Gate {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    check: check::Check,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Propose budgets from what is measured, with headroom, and explain each
    Init(init::Init),
    /// Record the figures of now, to be compared with later
    Record(keep::Record),
    /// Show the figures of past commits as a trend
    History(keep::History),
    #[command(hide = true)]
    Inside(inside::Inside),
}

/// Which configuration is used.
#[derive(Debug, clap::Args)]
struct Where {
    /// The file with the budgets [default: the nearest glowplug.toml or pyproject.toml that has some]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Where {
    fn find(&self) -> Result<Config, GateError> {
        let Some(path) = &self.config else {
            let folder = std::env::current_dir().unwrap_or_default();
            return Ok(config::find(&folder)?);
        };
        let none = || ConfigError::None(path.parent().unwrap_or(Path::new(".")).to_owned());
        Ok(config::read(path)?.ok_or_else(none)?)
    }
}

/// Runs a command and returns its exit status.
pub fn run(gate: &Gate, environment: &Environment) -> u8 {
    let outcome = match &gate.command {
        None => check::run(&gate.check, environment),
        Some(Command::Init(options)) => init::run(options, environment),
        Some(Command::Record(options)) => keep::record(options, environment),
        Some(Command::History(options)) => keep::history(options, environment),
        Some(Command::Inside(options)) => Ok(inside::run(options)),
    };
    outcome.unwrap_or_else(|error| {
        explain::error(&error);
        status(&error)
    })
}

fn status(error: &GateError) -> u8 {
    match error {
        GateError::Config(_) | GateError::Usage(_) => exit::USAGE,
        GateError::Unmeasured(_) => exit::UNMEASURED,
    }
}

/// Shows in the terminal, if somebody watches, what is being done.
struct Watched(ProgressBar);

impl Watched {
    fn new() -> Watched {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Watched(bar)
    }

    fn say(&self, what: &str) {
        self.0.set_message(what.to_owned());
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
