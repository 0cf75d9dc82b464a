//! Putting a shim into an environment.

use super::answer::{self, Answer};
use super::environment::VirtualEnvironment;
use super::files::{self, KeptTimes};
use super::{ShimError, remove};
use crate::interpreter::Interpreter;
use crate::runtime::Runtime;
use crate::settings::Environment;
use glowplug_starter::{Kind, Starter};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

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
/// See [`ShimError`]; an environment that had no shim has none then.
pub fn install(path: &Path, environment: &Environment) -> Result<Installed, ShimError> {
    let venv = VirtualEnvironment::open(path)?;
    for name in &venv.interpreters {
        require_useful(venv.bin().join(name))?;
    }
    let program = program(environment)?;
    let glowplug = own_program()?;
    let missing: Vec<&OsStr> =
        venv.interpreters.iter().map(OsString::as_os_str).filter(|n| !venv.is_shimmed(n)).collect();
    let plain = if missing.is_empty() { BTreeMap::new() } else { answers(&venv)? };
    let packages = plain.values().map(|answer| answer.packages.as_path()).collect::<Vec<_>>();
    let _times = KeptTimes::of(&[&[venv.root(), &venv.bin()][..], &packages].concat());
    let put = || {
        put_starters(&venv, &glowplug, &program)?;
        missing.iter().try_for_each(|name| replace(&venv, name))?;
        make_same(&venv, &plain)
    };
    match put() {
        Ok(()) if missing.is_empty() => Ok(Installed::Again),
        Ok(()) => Ok(Installed::New),
        Err(error) => {
            if !missing.is_empty() {
                // What led here says more than what comes of it.
                let _ = remove::put_back(&venv);
            }
            Err(error)
        }
    }
}

/// Writes a starter for each interpreter, and a second name for each of its aliases.
fn put_starters(
    venv: &VirtualEnvironment,
    glowplug: &Path,
    program: &[u8],
) -> Result<(), ShimError> {
    files::make_folder(&venv.folder())?;
    files::make_folder(&venv.starters())?;
    for name in &venv.interpreters {
        let starter = Starter {
            glowplug: glowplug.to_owned(),
            python: fallback(venv, name),
            kind: Kind::Shim(name.clone()),
        };
        let bytes = starter.append_to(program.to_vec());
        let bytes = bytes.map_err(ShimError::io("name", &starter.python))?;
        files::write_program(&venv.starters().join(name), &bytes)?;
    }
    for (alias, name) in &venv.aliases {
        let second = venv.folder().join(alias);
        if !fs::read_link(&second).is_ok_and(|target| target == Path::new(name)) {
            files::link(Path::new(name), &second, &unfinished_link(venv))?;
        }
    }
    Ok(())
}

/// Puts an interpreter aside, by a second name, and then the link to the starter in its place.
fn replace(venv: &VirtualEnvironment, name: &OsStr) -> Result<(), ShimError> {
    let (place, aside) = (venv.bin().join(name), venv.folder().join(name));
    // That of an installation that was interrupted.
    files::remove(&aside)?;
    fs::hard_link(&place, &aside).map_err(ShimError::io("put aside", &place))?;
    files::link(&VirtualEnvironment::link_to_starter(name), &place, &unfinished_link(venv))
}

/// Sees to it that the interpreters are through the shim what they are without it.
fn make_same(
    venv: &VirtualEnvironment,
    plain: &BTreeMap<PathBuf, Answer>,
) -> Result<(), ShimError> {
    if plain.is_empty() {
        return Ok(());
    }
    answer::correct_base(venv, plain, &answers(venv)?)?;
    let shimmed = answers(venv)?;
    match plain.iter().find(|(path, answer)| shimmed.get(*path) != Some(answer)) {
        None => Ok(()),
        Some((path, answer)) => {
            let path = path.display();
            Err(ShimError::Differs(format!("{path}: {answer} became {:?}", shimmed.values())))
        }
    }
}

/// What the interpreters and their aliases say, by path.
fn answers(venv: &VirtualEnvironment) -> Result<BTreeMap<PathBuf, Answer>, ShimError> {
    let names = venv.interpreters.iter().chain(venv.aliases.iter().map(|(alias, _)| alias));
    let paths = names.map(|name| venv.bin().join(name));
    paths.map(|path| Ok((path.clone(), Answer::of(&path)?))).collect()
}

/// The name of a link before it is in its place.
fn unfinished_link(venv: &VirtualEnvironment) -> PathBuf {
    venv.folder().join("link.part")
}

/// Where the interpreter really lies: what is executed should the environment lose what was put aside.
fn fallback(venv: &VirtualEnvironment, name: &OsStr) -> PathBuf {
    let path = Interpreter::of_program(venv.bin().join(name)).program;
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
///
/// # Errors
/// Where it is missing.
pub fn program(environment: &Environment) -> Result<Vec<u8>, ShimError> {
    let runtime = Runtime::find(environment).ok_or_else(|| ShimError::Runtime("lib".into()))?;
    fs::read(runtime.starter()).map_err(|_| ShimError::Runtime(runtime.starter()))
}

/// Where this Glowplug lies.
///
/// # Errors
/// Where there is no /proc.
pub fn own_program() -> Result<PathBuf, ShimError> {
    std::env::current_exe().map_err(ShimError::io("find", "/proc/self/exe"))
}
