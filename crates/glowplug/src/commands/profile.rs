//! `glowplug profile`: shows what a program's start-up costs.

mod options;
pub mod outputs;
pub mod saved;

use crate::commandline::{self, Target};
use crate::interpreter::Interpreter;
use crate::profiling::{self, Plan, ProfilingError, Surroundings};
use crate::settings::{Environment, Settings};
use crate::start;
use crate::{exit, explain};
use glowplug_linux::limits::Wanted;
use glowplug_profile::model::{Exit, Profile as Report};
use glowplug_profile::terminal::{self, View};
use indicatif::{ProgressBar, ProgressStyle};
use options::{Asked, Options};
use outputs::WriteError;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;

pub use options::Profile;

/// Runs the command line behind `glowplug profile`; returns the program's exit status.
pub fn run(arguments: &[&CStr], environment: &Environment) -> u8 {
    if let Some(code) = saved::run(arguments, |report| terminal::render(report, &View::default())) {
        return code;
    }
    let options = match options::parse(arguments) {
        Ok(options) => options,
        Err(error) => return usage(error),
    };
    let plan = match plan(&options, environment) {
        Ok(plan) => plan,
        Err(code) => return code,
    };
    let bar = progress(plan.runs);
    let outcome = profiling::profile(&plan, environment, |run| bar.set_position(u64::from(run)));
    bar.finish_and_clear();
    let report = match outcome {
        Ok(report) => report,
        Err(error) => {
            explain::error(&error);
            return match error {
                ProfilingError::Start { .. } => exit::NOT_FOUND,
                _ => exit::PROFILE,
            };
        }
    };
    if let Err(error) = give_out(&report, &options) {
        explain::error(error);
        return exit::PROFILE;
    }
    end_as(&report)
}

/// Writes what was asked for; where nothing was, the report to standard error, now that the program does not use it any more.
fn give_out(report: &Report, options: &Options<'_>) -> Result<(), WriteError> {
    options.outputs.write(report)?;
    let text = || terminal::render(report, &options.view);
    match &options.report {
        Some(_) => outputs::write(options.report.as_deref(), text),
        None => {
            if options.outputs.is_empty() {
                // That standard error is closed or full must not change how the program ended.
                let _ = std::io::stderr().write_all(text().as_bytes());
            }
            Ok(())
        }
    }
}

fn usage(error: impl std::fmt::Display) -> u8 {
    explain::error(format_args!("{error}\nhelp: see `glowplug help profile`"));
    exit::USAGE
}

/// Ends as the program ended.
fn end_as(report: &Report) -> u8 {
    match report.run.exit {
        Exit::Status(status) => status as u8,
        Exit::Signal(signal) => {
            glowplug_linux::supervise::die_by(signal);
            128_u8.wrapping_add(signal as u8)
        }
        Exit::Unknown => 0,
    }
}

/// A bar where there are several runs and somebody watches.
fn progress(runs: u32) -> ProgressBar {
    if runs < 2 {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(u64::from(runs));
    if let Ok(style) = ProgressStyle::with_template("{bar:30} run {pos} of {len}, {eta} left") {
        bar.set_style(style);
    }
    bar
}

fn plan(options: &Options<'_>, environment: &Environment) -> Result<Plan, u8> {
    let shown = |line: &[&CStr]| {
        profiling::shown(
            &line.iter().map(|argument| OsStr::from_bytes(argument.to_bytes())).collect::<Vec<_>>(),
        )
    };
    let plan = |command, shown, interpreter, follow| Plan {
        command,
        shown,
        interpreter,
        runs: options.runs(),
        limits: Wanted { cpus: options.cpus, memory: options.memory },
        cold: options.cold,
        follow,
        surroundings: Surroundings::default(),
        usage: !options.no_usage,
    };
    match &options.asked {
        Asked::Command(line) => {
            let command = line.iter().map(|argument| os(argument)).collect();
            Ok(plan(command, shown(line), None, true))
        }
        Asked::Python(line) => {
            let (interpreter, command) = python(line, environment)?;
            Ok(plan(command, shown(line), Some(interpreter), options.children))
        }
        Asked::Imports(modules) => {
            let code: Vec<String> =
                modules.iter().map(|module| format!("import {module}")).collect();
            let code = CString::new(code.join("\n"))
                .map_err(|_| usage("a module's name holds a zero byte"))?;
            let mut line = options.python.clone();
            line.extend([c"-c", code.as_c_str()]);
            let (interpreter, command) = python(&line, environment)?;
            Ok(plan(
                command,
                vec!["--import".to_owned(), modules.join(",")],
                Some(interpreter),
                options.children,
            ))
        }
    }
}

/// The interpreter, and the whole command line that starts it.
fn python(line: &[&CStr], environment: &Environment) -> Result<(Interpreter, Vec<OsString>), u8> {
    let command = commandline::parse(line).map_err(usage)?;
    if matches!(command.target, Target::Interactive) {
        return Err(usage("no program is named"));
    }
    let folder = start::working_directory();
    let settings =
        start::settings_of(&command, environment, folder.as_deref()).unwrap_or_else(|error| {
            explain::warning(error);
            Settings::without_sources(&command.options, environment)
        });
    let interpreter =
        Interpreter::find(&settings, environment, folder.as_deref()).map_err(|error| {
            explain::error(error);
            exit::NOT_FOUND
        })?;
    let mut whole = vec![interpreter.path.clone().into_os_string()];
    whole.extend(command.python_argv.iter().map(|argument| os(argument)));
    Ok((interpreter, whole))
}

fn os(argument: &CStr) -> OsString {
    OsStr::from_bytes(argument.to_bytes()).to_owned()
}
