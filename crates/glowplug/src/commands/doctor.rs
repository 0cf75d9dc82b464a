//! `glowplug doctor`: says what works on this machine.

use crate::commandline::RunOptions;
use crate::doctor;
use crate::settings::{Environment, Settings};
use crate::start::working_directory;
use crate::{exit, explain};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The arguments of `glowplug doctor`.
#[derive(Debug, clap::Args)]
pub struct Doctor {
    /// The interpreter [default: that of the active virtual environment, else python3 on PATH]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Do not freeze and thaw a program for a trial
    #[arg(long)]
    quick: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command and returns the exit status.
pub fn run(options: &Doctor, environment: &Environment) -> u8 {
    let folder = working_directory();
    let run_options = RunOptions {
        python: options.python.as_ref().map(|path| path.as_os_str()),
        ..Default::default()
    };
    let root = Path::new("/");
    let settings =
        match Settings::load(&run_options, environment, folder.as_deref().unwrap_or(root)) {
            Ok(settings) => settings,
            Err(error) => {
                explain::error(error);
                return exit::USAGE;
            }
        };
    let report = doctor::examine(&settings, environment, folder.as_deref(), options.quick);
    let text = if options.json {
        serde_json::to_string_pretty(&report).map(|text| text + "\n").unwrap_or_default()
    } else {
        doctor::text(&report)
    };
    // A reader that has gone away has the status all the same.
    let _ = std::io::stdout().write_all(text.as_bytes());
    report.status
}
