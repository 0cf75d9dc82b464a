//! `glowplug profile`: what a program's start costs, and what dropping each import would save.

pub mod outputs;
pub mod saved;

use crate::settings::Environment;
use crate::{exit, explain};
use glowplug_profile::figures::{time, visible};
use glowplug_profile::model;
use std::ffi::{CStr, OsString};
use std::fmt::Write;

/// Only describes the command for its help.
#[derive(Debug, clap::Args)]
#[command(
    disable_help_flag = true,
    override_usage = "glowplug profile --from FILE | --from-importtime FILE [OPTIONS]\n       \
                      glowplug profile diff A B [--html FILE] [--limit N]"
)]
pub struct Profile {
    /// Show a profile that `--json` wrote
    #[arg(long, value_name = "FILE")]
    from: Option<OsString>,
    /// Show a log of `python -X importtime`
    #[arg(long, value_name = "FILE")]
    from_importtime: Option<OsString>,
    #[command(flatten)]
    outputs: outputs::Outputs,
    /// What python would be given
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

/// Runs the command line behind `glowplug profile` and returns the exit status.
pub fn run(arguments: &[&CStr], _environment: &Environment) -> u8 {
    saved::run(arguments, show).unwrap_or_else(|| {
        explain::error("name a profile or a log\nhelp: see `glowplug help profile`");
        exit::USAGE
    })
}

/// The modules with the greatest own cost.
fn show(profile: &model::Profile) -> String {
    let mut modules: Vec<_> =
        profile.main().map_or_else(Vec::new, |process| process.modules.iter().skip(1).collect());
    modules.sort_by_key(|module| std::cmp::Reverse(module.own.cpu_ns.max(module.own.wall_ns)));
    let mut text = format!("{:>11}{:>11}  MODULE\n", "SELF", "TOTAL");
    for module in modules.iter().take(30) {
        let cost = |cost: model::Cost| time(cost.cpu_ns.max(cost.wall_ns));
        let name: String = visible(&module.name).chars().take(76).collect();
        let _ = writeln!(text, "{:>11}{:>11}  {name}", cost(module.own), cost(module.cumulative));
    }
    for note in &profile.run.notes {
        let _ = writeln!(text, "note: {note}");
    }
    text
}
