//! Build, demo and bench of Glowplug: `cargo xtask`.
#![forbid(unsafe_code)]

mod bench;
mod build;
mod cargo;
mod demo;
mod elf;
mod lint;
mod python;
mod seed;
mod venv;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};
use lexopt::prelude::*;

const HELP: &str = "\
Usage: cargo xtask <task> [options]

Tasks:
  build        lay out build/bin/glowplug and build/lib/glowplug
    --dev            without optimisation; the restorer and the recorder are optimised all the same
    --python 3.X     only the extension of this CPython minor; may be repeated
    --out DIR        instead of build/
    --locked         fail where Cargo.lock would have to change
  demo         install into .venv, run examples/data_script plainly and by Glowplug, compare
  clippy       Clippy over the workspace, over the extension for every CPython minor
  tools        make target/tools with what tests and checks the Python side
  bench        measure the cases of benches/cases.toml into benches/results
    [CASE…]          only these
    --samples N      samples of each side instead of the case's own number
    --list           name the cases and stop
  bench-table  write the table of benches/results into README.md
    --check          fail where README.md is out of date instead of writing it
";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut args = lexopt::Parser::from_env();
    match args.next()? {
        Some(Value(task)) => match task.to_str() {
            Some("build") => build::task(args),
            Some("demo") => demo::task(args),
            Some("clippy") => lint::clippy_task(args),
            Some("tools") => lint::tools_task(args),
            Some("bench") => bench::task(args),
            Some("bench-table") => bench::table_task(args),
            _ => bail!("no task {task:?}; `cargo xtask --help` names them"),
        },
        None | Some(Long("help") | Short('h')) => {
            print!("{HELP}");
            Ok(())
        }
        Some(other) => Err(other.unexpected().into()),
    }
}
