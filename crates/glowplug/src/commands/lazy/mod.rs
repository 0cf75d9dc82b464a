//! `glowplug lazy`: lazy imports on every CPython.

pub mod check;
pub mod lint;
pub mod report;
pub mod run;

use crate::settings::Environment;
use clap::Subcommand;
use std::ffi::CStr;

/// Lazy imports with the semantics of PEP 810.
#[derive(Debug, clap::Args)]
pub struct Lazy {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a program with lazy imports
    ///
    /// Takes what `python` takes. A module is loaded when a name that was imported from it is used first.
    Run(run::Run),
    /// Find the importers that must stay eager for a program to do the same
    ///
    /// Runs it twice eagerly and once lazily. Where that differs, runs it again with some importers eager until the fewest are found
    /// that mend it, says why, and writes them to `exclude` of `[tool.glowplug.lazy]`.
    Check(check::Check),
    /// Warn of patterns that defeat or break lazy imports
    Lint(lint::Lint),
    #[command(hide = true)]
    Report(report::ReportOptions),
}

/// Runs a command; `arguments` are those behind `glowplug lazy run`.
pub fn run(lazy: &Lazy, arguments: &[&CStr], environment: &Environment) -> u8 {
    match &lazy.command {
        Command::Run(_) => run::run(arguments, environment),
        Command::Check(options) => check::run(options, environment),
        Command::Lint(options) => lint::run(options, environment),
        Command::Report(options) => report::run(options),
    }
}
