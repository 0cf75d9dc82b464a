//! `glowplug gate inside`: the small process around a program that is measured.

use crate::gate::config::{Ready, Sign};
use crate::gate::inside;
use crate::{exit, explain};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Runs a command line to its end, or until a service is ready.
#[derive(Debug, clap::Args)]
pub struct Inside {
    #[arg(long, value_name = "FILE")]
    usage: Option<PathBuf>,
    #[arg(long, value_name = "TEXT", group = "sign")]
    ready_output: Option<String>,
    #[arg(long, value_name = "PORT", group = "sign")]
    ready_port: Option<u16>,
    #[arg(long, value_name = "FILE", group = "sign")]
    ready_file: Option<String>,
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    timeout: f64,
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// Runs the command.
pub fn run(options: &Inside) -> u8 {
    let sign = (options.ready_output.clone().map(Sign::Output))
        .or(options.ready_port.map(Sign::Port))
        .or(options.ready_file.clone().map(Sign::File));
    let timeout = Duration::try_from_secs_f64(options.timeout).unwrap_or(Duration::MAX);
    let ready = sign.map(|sign| Ready { sign, timeout });
    inside::run(&options.command, ready.as_ref(), options.usage.as_deref()).unwrap_or_else(
        |error| {
            explain::error(format_args!("cannot run {}: {error}", options.command[0].display()));
            exit::NOT_FOUND
        },
    )
}
