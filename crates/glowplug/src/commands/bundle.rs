//! `glowplug bundle`: writes a `python` that has modules preloaded.

use super::shim::report;
use crate::commandline::RunOptions;
use crate::settings::{Environment, ModuleEntry, Settings};
use crate::shim::bundle;
use crate::{exit, explain, start};
use std::path::{Path, PathBuf};

/// Writes a starter.
#[derive(Debug, clap::Args)]
pub struct Bundle {
    /// The modules to preload
    #[arg(value_name = "MODULES", value_delimiter = ',', required = true, value_parser = module)]
    modules: Vec<String>,
    /// The file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The interpreter [default: that of the active virtual environment, else python3 on PATH]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
}

fn module(name: &str) -> Result<String, String> {
    let ModuleEntry(name) = ModuleEntry::try_from(name.to_owned())?;
    if name.starts_with('-') { Err(format!("`{name}` names nothing to preload")) } else { Ok(name) }
}

/// Runs the command and returns the exit status.
pub fn run(options: &Bundle, environment: &Environment) -> u8 {
    let named = RunOptions {
        python: options.python.as_ref().map(|path| path.as_os_str()),
        ..RunOptions::default()
    };
    let folder = start::working_directory();
    let folder = folder.as_deref().unwrap_or(Path::new("/"));
    let settings = match Settings::load(&named, environment, folder) {
        Ok(settings) => settings,
        Err(error) => {
            explain::error(error);
            return exit::USAGE;
        }
    };
    match bundle::write(&options.modules, &options.output, &settings, environment) {
        Ok(python) => {
            let (file, python) = (options.output.display(), python.display());
            explain::note(format_args!("{file} is {python} with its modules preloaded"));
            0
        }
        Err(error) => report(&error),
    }
}
