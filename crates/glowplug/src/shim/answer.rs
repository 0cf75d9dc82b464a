//! What an interpreter of an environment says about itself, and what has it say the same through a shim.
//!
//! From 3.11 on `sys._base_executable`, by which `venv` makes environments, is what the interpreter's path leads to: that is a starter
//! then, which would not outlive the shim. A `.pth` file puts it right.

use super::ShimError;
use super::environment::VirtualEnvironment;
use super::files;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The file among an environment's packages.
const FILE: &str = "glowplug-shim.pth";

/// Prints the fields of [`Answer`].
const QUESTION: &str = "\
import json, sys, sysconfig
base = getattr(sys, '_base_executable', None)
home = [sys.executable, sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix]
print(json.dumps(dict(base=base, home=home, version=sys.version, path=sys.path,
                      packages=sysconfig.get_path('purelib'))))
";

/// What an interpreter says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Answer {
    /// `sys._base_executable`
    base: Option<String>,
    /// `sys.executable` and the prefixes.
    home: Vec<String>,
    /// `sys.version`
    version: String,
    /// `sys.path`
    path: Vec<String>,
    /// Where the environment has its packages.
    pub packages: PathBuf,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl Answer {
    /// Asks an interpreter, by whatever stands in its place; nothing is frozen for that.
    ///
    /// # Errors
    /// Where it does not start or gives no answer.
    pub fn of(python: &Path) -> Result<Answer, ShimError> {
        let output = Command::new(python)
            .args(["-I", "-c", QUESTION])
            .current_dir("/")
            .env("GLOWPLUG_FREEZE", "0")
            .stdin(Stdio::null())
            .output()
            .map_err(ShimError::io("start", python))?;
        let last = output.stdout.trim_ascii_end().rsplit(|&byte| byte == b'\n').next();
        serde_json::from_slice(last.unwrap_or_default()).map_err(|_| {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.lines().last().unwrap_or("nothing").to_owned();
            ShimError::Differs(format!("{} says: {said}", python.display()))
        })
    }
}

/// Writes the file that puts `sys._base_executable` right, where it is not the same without that.
///
/// # Errors
/// Where it cannot be written.
pub fn correct_base(
    venv: &VirtualEnvironment,
    plain: &BTreeMap<PathBuf, Answer>,
    shimmed: &BTreeMap<PathBuf, Answer>,
) -> Result<(), ShimError> {
    let wrong: BTreeMap<&str, &str> = plain
        .iter()
        .filter_map(|(path, answer)| {
            let (is, should) = (shimmed.get(path)?.base.as_deref()?, answer.base.as_deref()?);
            (is != should).then_some((is, should))
        })
        .collect();
    let Some(packages) = plain.values().next().map(|answer| &answer.packages) else {
        return Ok(());
    };
    if wrong.is_empty() || !packages.starts_with(venv.root()) {
        return Ok(());
    }
    // A JSON object of strings is a Python dict.
    let table = serde_json::json!(wrong);
    let line = format!(
        "import sys; sys._base_executable = {table}.get(sys._base_executable, sys._base_executable)\n"
    );
    let path = packages.join(FILE);
    fs::write(&path, line).map_err(ShimError::io("write", path))
}

/// Removes the file again.
///
/// # Errors
/// Where it is there and cannot be removed.
pub fn remove_correction(venv: &VirtualEnvironment) -> Result<(), ShimError> {
    packages_of(venv).iter().try_for_each(|folder| files::remove(&folder.join(FILE)))
}

/// Where an environment may have its packages.
pub fn packages_of(venv: &VirtualEnvironment) -> Vec<PathBuf> {
    let entries = fs::read_dir(venv.root().join("lib")).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path().join("site-packages"))).collect()
}
