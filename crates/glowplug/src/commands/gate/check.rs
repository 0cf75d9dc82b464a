//! `glowplug gate`: measures, judges and reports.

use super::{Watched, Where};
use crate::commands::profile::outputs;
use crate::gate::{self, GateError, Options, history, reports};
use crate::settings::Environment;
use crate::{exit, explain};
use glowplug_profile::gate::history::Record;
use glowplug_profile::gate::report::{Report, Verdict};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Measures, judges and reports.
#[derive(Debug, clap::Args)]
pub struct Check {
    /// The entry points to judge [default: all]
    #[arg(value_name = "ENTRY")]
    entries: Vec<String>,
    #[command(flatten)]
    place: Where,
    /// Compare with this revision, built beside this one and run in turn with it
    #[arg(long, value_name = "REV")]
    base: Option<String>,
    /// Leave the recorded baseline alone
    #[arg(long)]
    no_baseline: bool,
    /// End with status 0 although something could not be measured
    #[arg(long)]
    allow_unmeasured: bool,
    /// Add the figures to the history
    #[arg(long)]
    keep: bool,
    /// Write the report as JSON; `-` is standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write it as Markdown, for a comment on a pull request
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Write it as JUnit's XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write it as SARIF 2.1.0
    #[arg(long, value_name = "FILE")]
    sarif: Option<PathBuf>,
    /// Write GitHub's annotations; `-` is standard output, where GitHub reads them
    #[arg(long, value_name = "FILE")]
    github: Option<PathBuf>,
}

/// Runs the command.
pub fn run(options: &Check, environment: &Environment) -> Result<u8, GateError> {
    let config = options.place.find()?;
    let asked = Options {
        base: options.base.clone(),
        entries: options.entries.clone(),
        no_baseline: options.no_baseline,
    };
    let report = {
        let watched = Watched::new();
        gate::check(&config, &asked, environment, &|what| watched.say(what))?
    };
    give_out(options, &report, &config.source.path, environment)?;
    if options.keep {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        history::add(&config, &Record::of(&report, now.as_secs()))?;
    }
    Ok(match report.verdict {
        Verdict::Passed => 0,
        Verdict::Violated => exit::FOUND,
        Verdict::NotMeasured if options.allow_unmeasured => {
            explain::warning("not everything could be measured; --allow-unmeasured lets that pass");
            0
        }
        Verdict::NotMeasured => exit::UNMEASURED,
    })
}

fn give_out(
    options: &Check,
    report: &Report,
    config: &Path,
    environment: &Environment,
) -> Result<(), GateError> {
    let root = config.parent().unwrap_or(Path::new(""));
    let here = std::env::current_dir().unwrap_or_default();
    let config = config.strip_prefix(&here).unwrap_or(config);
    let failed = |error: outputs::WriteError| GateError::Usage(error.to_string());
    outputs::write(options.json.as_deref(), || reports::json(report)).map_err(failed)?;
    outputs::write(options.markdown.as_deref(), || reports::markdown(report)).map_err(failed)?;
    outputs::write(options.junit.as_deref(), || reports::junit(report)).map_err(failed)?;
    let sarif = || format!("{:#}\n", reports::sarif(report, config));
    outputs::write(options.sarif.as_deref(), sarif).map_err(failed)?;
    outputs::write(options.github.as_deref(), || reports::github(report, config))
        .map_err(failed)?;
    // A report for programs on standard output is not mixed with the one for people.
    let all = [&options.json, &options.markdown, &options.junit, &options.sarif];
    let to_stdout = all.iter().any(|path| path.as_deref() == Some(Path::new("-")));
    if !to_stdout {
        let colour = std::io::stdout().is_terminal() && environment.non_empty("NO_COLOR").is_none();
        let text = reports::text(report, root, colour);
        // A reader that has gone away, as `head` does, is no error.
        let _ = std::io::stdout().write_all(text.as_bytes());
    }
    Ok(())
}
