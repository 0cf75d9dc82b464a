//! Bundles: a starter that is a `python` with modules preloaded.

use super::{ShimError, files, install};
use crate::interpreter::Interpreter;
use crate::settings::{Environment, Settings};
use glowplug_starter::{Kind, Starter};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Prints the first of its arguments that is no module.
const QUESTION: &str = "\
import importlib.util, sys
def is_there(name):
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:
        return False
for name in sys.argv[1:]:
    if not is_there(name):
        print(name)
        break
";

/// The options of `glowplug run` for the programs of a bundle.
pub fn options(modules: &[String]) -> impl Iterator<Item = String> {
    let modules = modules.join(",");
    [format!("--set=bundle:{modules}"), "--shared".to_owned(), format!("--preload={modules}")]
        .into_iter()
}

/// Writes a bundle of the interpreter that the settings name.
///
/// # Errors
/// See [`ShimError`]; `output` is then what it was.
pub fn write(
    modules: &[String],
    output: &Path,
    settings: &Settings,
    environment: &Environment,
) -> Result<PathBuf, ShimError> {
    let folder = crate::start::working_directory();
    let interpreter = Interpreter::find(settings, environment, folder.as_deref())?;
    let python = folder.map_or(interpreter.path.clone(), |folder| folder.join(&interpreter.path));
    let interpreter = Interpreter::of_program(python.clone());
    if let Some(reason) = interpreter.probe(None)?.unsupported_reason() {
        return Err(ShimError::Pointless(format!("nothing can be preloaded: {reason}")));
    }
    require_modules(modules, &python)?;
    let starter = Starter {
        glowplug: install::own_program()?,
        python: python.clone(),
        kind: Kind::Bundle(modules.to_vec()),
    };
    let bytes = starter.append_to(install::program(environment)?);
    let bytes = bytes.map_err(ShimError::io("name", &python))?;
    files::write_program(output, &bytes)?;
    Ok(python)
}

fn require_modules(modules: &[String], python: &Path) -> Result<(), ShimError> {
    let output = crate::interpreter::command(python)
        .args(["-c", QUESTION])
        .args(modules)
        .current_dir("/")
        .stdin(Stdio::null())
        .output()
        .map_err(ShimError::io("start", python))?;
    let missing = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(ShimError::NoModule { python: python.to_owned(), module: missing }),
    }
}
