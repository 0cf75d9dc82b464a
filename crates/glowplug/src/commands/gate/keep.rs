//! `glowplug gate record` and `glowplug gate history`: figures that are kept.

use super::{Watched, Where};
use crate::commands::profile::outputs;
use crate::explain;
use crate::gate::{self, Baseline, GateError, history};
use crate::settings::Environment;
use glowplug_profile::gate::history as trend;
use std::io::Write;
use std::path::PathBuf;

/// Records the figures of now.
#[derive(Debug, clap::Args)]
pub struct Record {
    #[command(flatten)]
    place: Where,
}

/// Shows the figures of past commits.
#[derive(Debug, clap::Args)]
pub struct History {
    #[command(flatten)]
    place: Where,
    /// Write a page that shows the trend and needs nothing else; `-` is standard output
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Show at most so many commits
    #[arg(long, value_name = "N", default_value_t = 60)]
    commits: usize,
}

/// Runs `glowplug gate record`.
pub fn record(options: &Record, environment: &Environment) -> Result<u8, GateError> {
    let config = options.place.find()?;
    let report = {
        let watched = Watched::new();
        gate::figures(&config, environment, &|what| watched.say(what))?
    };
    Baseline::of(&report).write(&config.baseline).map_err(|error| {
        GateError::Usage(format!("cannot write {}: {error}", config.baseline.display()))
    })?;
    explain::note(format_args!("figures were recorded in {}", config.baseline.display()));
    Ok(0)
}

/// Runs `glowplug gate history`.
pub fn history(options: &History, _environment: &Environment) -> Result<u8, GateError> {
    let config = options.place.find()?;
    let mut records = history::read(&config)?;
    if records.is_empty() {
        return Err(GateError::Usage(
            "there is no history yet\nhelp: `glowplug gate --keep` adds to it".to_owned(),
        ));
    }
    let surplus = records.len().saturating_sub(options.commits);
    records.drain(..surplus);
    outputs::write(options.html.as_deref(), || trend::html(&records))
        .map_err(|error| GateError::Usage(error.to_string()))?;
    if options.html.is_none() {
        let text = trend::text(&records, options.commits);
        let _ = std::io::stdout().write_all(text.as_bytes());
    }
    Ok(0)
}
