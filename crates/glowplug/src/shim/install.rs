//! Putting a shim into an environment.

use super::environment::VirtualEnvironment;
use super::files::{self, KeptTimes};
use super::{ShimError, remove};
use crate::interpreter::{self, Interpreter};
use crate::runtime::Runtime;
use crate::settings::Environment;
use glowplug_starter::{Kind, Starter};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What must be the same through a shim. Without what the environment's own packages may add to it.
const QUESTION: &str = "import sys; print((sys.version, sys.executable, getattr(sys, '_base_executable', None), \
                        sys.prefix, sys.base_prefix, sys.exec_prefix, sys.path))";

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Installed {
    /// There was no shim before.
    New,
    /// There was one, which now leads to this Glowplug.
    Again,
}

/// Lets the interpreters of an environment start through the Glowplug that this process is.
///
/// # Errors
/// See [`ShimError`]; the environment's interpreters are then what they were.
pub fn install(path: &Path, environment: &Environment) -> Result<Installed, ShimError> {
    let venv = VirtualEnvironment::open(path)?;
    let missing: Vec<&OsStr> =
        venv.interpreters.iter().map(OsString::as_os_str).filter(|n| !venv.is_shimmed(n)).collect();
    for name in &venv.interpreters {
        require_useful(venv.bin().join(name))?;
    }
    let program = program(environment)?;
    let glowplug = own_program()?;
    let (bin, times) = (venv.bin(), KeptTimes::of(&[venv.root(), &venv.bin()]));
    let before = answer(&bin.join(&venv.interpreters[0]))?;
    files::make_folder(&venv.folder())?;
    files::make_folder(&venv.starters())?;
    for name in &venv.interpreters {
        let starter = Starter {
            glowplug: glowplug.clone(),
            python: fallback(&venv, name),
            kind: Kind::Shim(name.clone()),
        };
        let bytes = starter.append_to(program.clone());
        let bytes = bytes.map_err(ShimError::io("name", &starter.python))?;
        files::write_program(&venv.starters().join(name), &bytes)?;
    }
    for (alias, name) in &venv.aliases {
        files::link(Path::new(name), &venv.folder().join(alias), &unfinished_link(&venv))?;
    }
    for &name in &missing {
        replace(&venv, name)?;
    }
    let after = answer(&bin.join(&venv.interpreters[0]));
    if !missing.is_empty() && !after.as_ref().is_ok_and(|after| *after == before) {
        remove::put_back(&venv)?;
        drop(times);
        return Err(ShimError::Differs(format!("{before} became {}", after?)));
    }
    Ok(if missing.is_empty() { Installed::Again } else { Installed::New })
}

/// Puts an interpreter aside, by a second name, and then the link to the starter in its place.
fn replace(venv: &VirtualEnvironment, name: &OsStr) -> Result<(), ShimError> {
    let (place, aside) = (venv.bin().join(name), venv.folder().join(name));
    // That of an installation that was interrupted.
    files::remove(&aside)?;
    fs::hard_link(&place, &aside).map_err(ShimError::io("put aside", &place))?;
    files::link(&VirtualEnvironment::link_to_starter(name), &place, &unfinished_link(venv))
}

/// The name of a link before it is in its place.
fn unfinished_link(venv: &VirtualEnvironment) -> PathBuf {
    venv.folder().join("link.part")
}

/// Where the interpreter really lies: what is executed should the environment lose what was put aside.
fn fallback(venv: &VirtualEnvironment, name: &OsStr) -> PathBuf {
    let aside = venv.folder().join(name);
    let path = if venv.is_shimmed(name) { aside } else { venv.bin().join(name) };
    // A copy is put aside itself, and nowhere else.
    let path = interpreter::Interpreter::of_program(path).program;
    fs::canonicalize(&path).unwrap_or(path)
}

/// Fails where every program would be started plainly.
fn require_useful(path: PathBuf) -> Result<(), ShimError> {
    let interpreter = Interpreter::of_program(path);
    let reason = interpreter.probe(None)?.unsupported_reason();
    reason.map_or(Ok(()), |reason| {
        let path = interpreter.path.display();
        Err(ShimError::Pointless(format!("{path} gains nothing by a shim: {reason}")))
    })
}

/// The program that all starters are.
pub fn program(environment: &Environment) -> Result<Vec<u8>, ShimError> {
    let runtime = Runtime::find(environment).ok_or_else(|| ShimError::Runtime("lib".into()))?;
    fs::read(runtime.starter()).map_err(|_| ShimError::Runtime(runtime.starter()))
}

/// Where this Glowplug lies.
pub fn own_program() -> Result<PathBuf, ShimError> {
    std::env::current_exe().map_err(ShimError::io("find", "/proc/self/exe"))
}

/// What the interpreter of an environment says about itself.
fn answer(python: &Path) -> Result<String, ShimError> {
    let output = Command::new(python)
        .args(["-I", "-S", "-c", QUESTION])
        .current_dir("/")
        .env("GLOWPLUG_FREEZE", "0")
        .stdin(Stdio::null())
        .output()
        .map_err(ShimError::io("start", python))?;
    Ok(format!("{}{}", String::from_utf8_lossy(&output.stdout), output.status))
}
