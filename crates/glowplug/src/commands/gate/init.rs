//! `glowplug gate init`: proposes budgets.

use super::Watched;
use crate::explain;
use crate::gate::config::{Entry, Target};
use crate::gate::{GateError, init};
use crate::settings::Environment;
use std::fs;
use std::path::PathBuf;

/// Proposes budgets from what is measured.
#[derive(Debug, clap::Args)]
pub struct Init {
    /// A script and its arguments, in quotes; may be given several times
    #[arg(long, value_name = "SCRIPT")]
    run: Vec<String>,
    /// A module to be run as a program
    #[arg(long, value_name = "MODULE")]
    module: Vec<String>,
    /// A module to be imported
    #[arg(long, value_name = "MODULE")]
    import: Vec<String>,
    /// A program that a package installs
    #[arg(long, value_name = "NAME")]
    console_script: Vec<String>,
    /// The interpreter
    #[arg(long, value_name = "PATH")]
    python: Option<String>,
    /// The file to write to
    #[arg(long, value_name = "FILE", default_value = "pyproject.toml")]
    config: PathBuf,
    /// Print what would be written, and write nothing
    #[arg(long)]
    print: bool,
}

/// Runs the command.
pub fn run(options: &Init, environment: &Environment) -> Result<u8, GateError> {
    let text = match fs::read_to_string(&options.config) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => {
            let path = options.config.display();
            return Err(GateError::Usage(format!("cannot read {path}: {error}")));
        }
    };
    let entries = entries(options, &text);
    if entries.is_empty() {
        return Err(GateError::Usage(
            "there is nothing to propose budgets for\nhelp: name entry points by --run, --module, --import or --console-script".to_owned(),
        ));
    }
    let proposals = {
        let watched = Watched::new();
        let say = |what: &str| watched.say(what);
        init::propose(&options.config, entries, options.python.clone(), environment, &say)?
    };
    let whole = init::write(&options.config, &text, &proposals).map_err(GateError::Usage)?;
    if options.print {
        print!("{whole}");
        return Ok(0);
    }
    fs::write(&options.config, whole).map_err(|error| {
        GateError::Usage(format!("cannot write {}: {error}", options.config.display()))
    })?;
    explain::note(format_args!("budgets were written to {}", options.config.display()));
    Ok(0)
}

fn entries(options: &Init, text: &str) -> Vec<Entry> {
    let words = |line: &String| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let named = |line: &String| {
        let first = line.split_whitespace().next().unwrap_or_default();
        let stem = std::path::Path::new(first).file_stem().unwrap_or_default();
        stem.to_string_lossy().replace('.', "-")
    };
    let mut entries = Vec::new();
    entries.extend(
        options.run.iter().map(|line| init::entry(&named(line), Target::Script(words(line)))),
    );
    entries.extend(
        options
            .module
            .iter()
            .map(|line| init::entry(&line.replace(['.', ' '], "-"), Target::Module(words(line)))),
    );
    entries.extend(options.import.iter().map(|name| {
        init::entry(
            &format!("import-{}", name.replace('.', "-")),
            Target::Import(vec![name.clone()]),
        )
    }));
    entries.extend(
        options
            .console_script
            .iter()
            .map(|line| init::entry(&named(line), Target::ConsoleScript(words(line)))),
    );
    if entries.is_empty() { init::discover(text) } else { entries }
}
