//! The commands: each parses, calls and prints.

pub mod as_python;
pub mod bundle;
pub mod doctor;
pub mod freeze;
pub mod gate;
pub mod images;
pub mod lazy;
pub mod profile;
pub mod run;
pub mod serve;
pub mod shim;
pub mod status;
pub mod stop;
pub mod thaw;

use crate::exit;
use crate::settings::Environment;
use clap::{Parser, Subcommand};
use glowplug_starter::COMMAND as COMMAND_OF_STARTERS;
use std::ffi::{CStr, OsString};

/// Starts Python programs as if they were already running.
#[derive(Debug, Parser)]
#[command(name = "glowplug", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a program by the fastest sound way
    ///
    /// Takes what `python` takes. The first start is plain Python; meanwhile an image is made in the background, and later starts
    /// are thawed from it as long as nothing that the imports read has changed.
    Run(Run),
    /// Make an image on purpose
    Freeze(freeze::Freeze),
    /// Start a program from an image file
    Thaw(Thaw),
    /// Show what a program's start-up costs, and what dropping each import would save
    Profile(Box<profile::Profile>),
    /// Hold programs to their start-up budgets
    ///
    /// Exit status: 0 passed, 1 a budget is violated, 2 the configuration is wrong, 3 something could not be measured.
    Gate(Box<gate::Gate>),
    /// List, explain, check and remove images
    Images(images::Images),
    /// Lazy imports on every CPython
    Lazy(lazy::Lazy),
    /// Keep a warm process that programs are forked from
    Serve(serve::Serve),
    /// Tell which servers run, and what they have started
    Status(status::Status),
    /// End servers, with all that they have started
    Stop(stop::Stop),
    /// Let an environment's own `python` and commands start through Glowplug
    #[command(subcommand)]
    Shim(shim::Shim),
    /// Write a `python` that has modules preloaded
    Bundle(bundle::Bundle),
    /// Say what works on this machine and what does not, and why
    Doctor(doctor::Doctor),
}

/// Only describes the command for its help: the command line itself is read by `commandline`, as python would read it.
#[derive(Debug, clap::Args)]
#[command(
    disable_help_flag = true,
    override_usage = "glowplug run [OPTIONS] [python options] SCRIPT | -m MODULE | -c CODE | - [ARGUMENTS]"
)]
struct Run {
    /// The interpreter [default: that of the active virtual environment, else python3 on PATH]
    #[arg(long, value_name = "PATH")]
    python: Option<OsString>,
    /// The way to start: auto, plain, or thaw, fork or pool (or fail)
    #[arg(long, value_name = "WAY")]
    via: Option<OsString>,
    /// Say on standard error which way was taken and why
    #[arg(long)]
    explain: bool,
    /// Modules to preload beside those that were learned; with a leading `-`, not to preload
    #[arg(long, value_name = "MODULES")]
    preload: Option<OsString>,
    /// The preload set whose server starts the program
    #[arg(long, value_name = "NAME")]
    set: Option<OsString>,
    /// Take one image for any program of that set
    #[arg(long)]
    shared: bool,
    /// What python would be given
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

/// Only describes the command for its help, as `Run`.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "glowplug thaw FILE [python options] SCRIPT | -m MODULE | -c CODE | - [ARGUMENTS]"
)]
struct Thaw {
    /// The image
    file: OsString,
    /// What python would be given
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

/// Runs a whole command line and returns the exit status.
pub fn main(arguments: &[&'static CStr]) -> u8 {
    let environment = Environment::capture();
    match arguments {
        [_, command, rest @ ..] if command.to_bytes() == b"run" => {
            return run::run(rest, &environment);
        }
        [_, command, starter, name, rest @ ..]
            if command.to_bytes() == COMMAND_OF_STARTERS.as_bytes() =>
        {
            return as_python::run(starter, name, rest, &environment);
        }
        [_, command, rest @ ..]
            if command.to_bytes() == b"profile" && !matches!(rest, [a] if is_help(a)) =>
        {
            return profile::run(rest, &environment);
        }
        [_, command, rest @ ..]
            if command.to_bytes() == b"thaw" && !matches!(rest, [a] if is_help(a)) =>
        {
            return thaw::run(rest, &environment);
        }
        [_, command, run, rest @ ..]
            if command.to_bytes() == b"lazy"
                && run.to_bytes() == b"run"
                && !matches!(rest, [a] if is_help(a)) =>
        {
            return lazy::run::run(rest, &environment);
        }
        _ => {}
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(message) => {
            // To standard output for `--help`, to standard error otherwise; neither being open is no reason to panic.
            let _ = message.print();
            return if message.use_stderr() { exit::USAGE } else { 0 };
        }
    };
    match cli.command {
        Command::Run(_) => run::run(arguments.get(2..).unwrap_or_default(), &environment),
        Command::Freeze(options) => freeze::run(&options, &environment),
        Command::Thaw(_) => thaw::run(arguments.get(2..).unwrap_or_default(), &environment),
        Command::Profile(_) => profile::run(arguments.get(2..).unwrap_or_default(), &environment),
        Command::Gate(gate) => gate::run(&gate, &environment),
        Command::Images(images) => images::run(&images, &environment),
        Command::Serve(options) => serve::run(&options, &environment),
        Command::Status(options) => status::run(&options, &environment),
        Command::Stop(options) => stop::run(&options, &environment),
        Command::Shim(shim) => shim::run(&shim, &environment),
        Command::Bundle(options) => bundle::run(&options, &environment),
        Command::Doctor(options) => doctor::run(&options, &environment),
        Command::Lazy(lazy) => {
            lazy::run(&lazy, arguments.get(3..).unwrap_or_default(), &environment)
        }
    }
}

fn is_help(argument: &CStr) -> bool {
    matches!(argument.to_bytes(), b"-h" | b"--help")
}
