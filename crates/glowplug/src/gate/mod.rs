//! `glowplug gate`: holds programs to their budgets. See docs/gate.md.

mod base;
mod baseline;
mod blame;
mod bytecode;
pub mod config;
mod git;
pub mod history;
pub mod init;
pub mod inside;
mod instructions;
mod judge;
mod measure;
mod path_watch;
mod places;
pub mod reports;
mod side;
mod yardstick;

pub use baseline::Baseline;
pub use measure::Failure;

use crate::commandline::RunOptions;
use crate::interpreter::Interpreter;
use crate::settings::{Environment, Settings};
use base::Both;
use config::{BadConfig, Config, ConfigError, Entry, Mistake};
use glowplug_profile::gate::report::{EntryReport, Report, Verdict};
use side::Side;
use std::path::{Path, PathBuf};

/// What all runs of a gate share.
pub struct Context<'a> {
    /// The environment that programs get, without Python's own variables.
    pub environment: &'a Environment,
    /// Glowplug itself, to put a small process around programs.
    pub program: PathBuf,
    /// A folder for files that are not kept.
    pub scratch: PathBuf,
}

/// What a gate is asked to do.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The revision to compare with.
    pub base: Option<String>,
    /// The entry points to judge; all where there are none.
    pub entries: Vec<String>,
    /// Whether to leave a recorded baseline alone.
    pub no_baseline: bool,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// The configuration is wrong, or what it asks for is not there.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The command line names something that is not there.
    #[error("{0}")]
    Usage(String),
    /// Nothing can be measured at all.
    #[error("{0}")]
    Unmeasured(String),
}

impl From<BadConfig> for GateError {
    fn from(error: BadConfig) -> GateError {
        GateError::Config(ConfigError::Bad(error))
    }
}

/// What a gate is about to do, for who watches.
pub type Progress<'a> = &'a dyn Fn(&str);

/// Measures the entry points of a configuration and judges them.
///
/// # Errors
/// Where the configuration is wrong, or nothing can be measured at all.
pub fn check(
    config: &Config,
    options: &Options,
    environment: &Environment,
    progress: Progress<'_>,
) -> Result<Report, GateError> {
    let entries = chosen(config, &options.entries)?;
    let scratch = scratch()?;
    let context = context(environment, scratch.path())?;
    let folder = folder_of(config);
    let python = interpreter(config, environment, &folder)?;
    let both = match &options.base {
        Some(revision) => {
            Some(Both::build(config, &folder, revision, &python, &context, progress)?)
        }
        None => None,
    };
    let baseline = match &both {
        None if !options.no_baseline => {
            Baseline::read(&config.baseline).map_err(GateError::Usage)?
        }
        _ => None,
    };
    let here = Side { folder: folder.clone(), python };
    let mut reports = Vec::new();
    for entry in entries {
        progress(&format!("measuring {}", entry.name));
        let head = both.as_ref().map_or(&here, |both| &both.head);
        let judge = judge::Judge {
            config,
            entry,
            context: &context,
            head,
            both: both.as_ref(),
            baseline: baseline.as_ref(),
            progress,
        };
        let mut report = judge.report()?;
        report.rename_files(|file| places::in_checkout(file, &head.folder));
        reports.push(report);
    }
    let mut report = Report::new(reports);
    report.commit = git::commit(&folder, "HEAD");
    if let Some(both) = both {
        report.base = Some(both.base_commit.clone());
        report.commit = Some(both.head_commit.clone());
        report.notes.extend(both.notes.clone());
    }
    Ok(report)
}

/// Measures the exact figures of all entry points, for a baseline or a history.
///
/// # Errors
/// As [`check`]; and where an entry point cannot be measured.
pub fn figures(
    config: &Config,
    environment: &Environment,
    progress: Progress<'_>,
) -> Result<Report, GateError> {
    let options = Options { no_baseline: true, ..Options::default() };
    let report = check(config, &options, environment, progress)?;
    let unmeasured = report.entries.iter().find(|entry| entry.verdict == Verdict::NotMeasured);
    match unmeasured {
        Some(EntryReport { name, problems, .. }) => {
            let why = problems.first().map_or("", |problem| problem.message.as_str());
            Err(GateError::Unmeasured(format!("`{name}` cannot be measured: {why}")))
        }
        None => Ok(report),
    }
}

fn context<'a>(environment: &'a Environment, scratch: &Path) -> Result<Context<'a>, GateError> {
    let program = std::env::current_exe()
        .map_err(|error| GateError::Unmeasured(format!("Glowplug cannot find itself: {error}")))?;
    Ok(Context { environment, program, scratch: scratch.to_owned() })
}

fn scratch() -> Result<tempfile::TempDir, GateError> {
    tempfile::Builder::new().prefix("glowplug-gate-").tempdir().map_err(|error| {
        GateError::Unmeasured(format!(
            "cannot make a temporary folder: {error}\nhelp: set TMPDIR to a folder that can be written to"
        ))
    })
}

/// The folder that paths in a configuration are relative to.
fn folder_of(config: &Config) -> PathBuf {
    let folder = config.source.path.parent().unwrap_or(Path::new(""));
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned())
}

fn chosen<'a>(config: &'a Config, names: &[String]) -> Result<Vec<&'a Entry>, GateError> {
    let known = || config.entries.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>();
    if let Some(unknown) = names.iter().find(|name| !known().contains(&name.as_str())) {
        let all = known().join(", ");
        return Err(GateError::Usage(format!(
            "there is no entry point `{unknown}`\nhelp: {} has {all}",
            config.source.path.display()
        )));
    }
    let is_chosen = |entry: &&Entry| names.is_empty() || names.contains(&entry.name);
    Ok(config.entries.iter().filter(is_chosen).collect())
}

/// The interpreter that the configuration names, else the one that `glowplug run` would take.
fn interpreter(
    config: &Config,
    environment: &Environment,
    folder: &Path,
) -> Result<PathBuf, GateError> {
    let options = RunOptions::default();
    let mut settings = Settings::load(&options, environment, folder)
        .unwrap_or_else(|_| Settings::without_sources(&options, environment));
    if let Some(python) = &config.python {
        let is_path = python.contains('/');
        settings.python = Some(if is_path { folder.join(python) } else { python.into() });
    }
    let found = Interpreter::find(&settings, environment, Some(folder));
    found.map(|found| found.path).map_err(|error| match &config.python {
        Some(python) => {
            let help = "install it, or name another one by `python`".to_owned();
            let message = format!("there is no interpreter {python}");
            BadConfig::one(&config.source, config.python_span.clone(), message, help).into()
        }
        None => GateError::Unmeasured(error.to_string()),
    })
}

/// What an entry point names is not there.
fn missing(config: &Config, entry: &Entry, message: String, help: String) -> GateError {
    let mistake = Mistake { message, span: entry.span.clone(), help };
    BadConfig { source: config.source.clone(), mistakes: vec![mistake] }.into()
}
