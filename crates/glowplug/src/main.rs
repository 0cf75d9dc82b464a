//! The binary: hands its arguments to the library.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(glowplug::commands::main(&glowplug_linux::startup::arguments()))
}
