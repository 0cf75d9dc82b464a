//! `cargo xtask clippy` and `cargo xtask tools`: what checks the sources, beside the tests.

use std::fs;

use anyhow::{Context, Result, ensure};
use glowplug_pythons::Minor;
use lexopt::prelude::*;

use crate::{cargo, python, venv::Venv, workspace};

/// Clippy over everything; over the extension once per CPython minor, as each has code of its own. With `--fuzz` over the fuzz targets
/// alone, whose dependencies take a minute to compile.
///
/// # Errors
/// Another option is given, or Clippy finds something.
pub fn clippy_task(mut args: lexopt::Parser) -> Result<()> {
    match args.next()? {
        None => {}
        Some(Long("fuzz")) => return fuzz_target("glowplug-profile"),
        Some(argument) => return Err(argument.unexpected().into()),
    }
    let mut command = cargo::command();
    command.args(["clippy", "--workspace", "--exclude", "glowplug-python", "--all-targets"]);
    run(command)?;
    for minor in Minor::all() {
        extension(minor, python::features(minor))?;
    }
    // What an extension is where programs cannot be frozen, whether or not there is such a minor now.
    let newest = Minor::all().next_back().context("no minors")?;
    extension(newest, python::WITHOUT_FREEZING)
}

/// The fuzz targets are workspaces of their own, and are only checked here: to build them takes a nightly compiler.
fn fuzz_target(package: &str) -> Result<()> {
    let manifest = workspace::root().join("crates").join(package).join("fuzz/Cargo.toml");
    let mut command = cargo::command();
    command.args(["clippy", "--locked", "--manifest-path"]).arg(manifest);
    // Whatever is named here: nothing is linked, and without it libFuzzer's C++ would be compiled.
    command.env("CUSTOM_LIBFUZZER_PATH", workspace::root().join("Cargo.toml"));
    run(command).with_context(|| format!("for the fuzz target of {package}"))
}

fn extension(minor: Minor, features: &[&str]) -> Result<()> {
    let mut command = cargo::command();
    command.args(["clippy", "--package", "glowplug-python"]).args(features);
    // In the folder of all others, whose dependencies are checked already: a minor has only pyo3-ffi and the extension to itself.
    command.env("PYO3_CONFIG_FILE", python::write_config(minor, &workspace::target_dir())?);
    run(command).with_context(|| format!("for Python {minor}"))
}

fn run(mut command: std::process::Command) -> Result<()> {
    let status =
        command.args(["--", "--deny", "warnings"]).status().context("cannot start cargo")?;
    ensure!(status.success(), "clippy is not content ({status})");
    Ok(())
}

/// Makes target/tools, a virtual environment with the `dev` group of pyproject.toml.
///
/// # Errors
/// An option is given, the environment cannot be made, or pip fails.
pub fn tools_task(mut args: lexopt::Parser) -> Result<()> {
    if let Some(argument) = args.next()? {
        return Err(argument.unexpected().into());
    }
    let text = fs::read_to_string(workspace::root().join("pyproject.toml"))?;
    let group = development_group(&text).context("pyproject.toml")?;
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let venv = Venv::ensure(&python, &workspace::target_dir().join("tools"))?;
    venv.install(&group.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Older pips cannot install a dependency group themselves.
fn development_group(pyproject: &str) -> Result<Vec<String>> {
    let table: toml::Table = pyproject.parse()?;
    let group = table.get("dependency-groups").and_then(|groups| groups.get("dev"));
    group.cloned().context("no dependency group dev")?.try_into().context("dependency group dev")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_development_group_is_a_list_of_requirements() {
        let text = "[dependency-groups]\ndev = ['pytest>=8', 'ruff']\n";
        assert_eq!(development_group(text).unwrap(), ["pytest>=8", "ruff"]);
        assert!(development_group("[project]\n").is_err());
        assert!(development_group("[dependency-groups]\ndev = [{ include-group = 'x' }]").is_err());
    }
}
