//! Taking a shim out of an environment.

use super::environment::VirtualEnvironment;
use super::files::{self, KeptTimes};
use super::{ShimError, answer};
use glowplug_starter::Starter;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// There was a shim.
    pub any: bool,
    /// Interpreters that somebody else has replaced meanwhile, and that were left as they are.
    pub replaced: Vec<OsString>,
    /// Interpreters that were put aside and are not there any more: links to where they really lay were made.
    pub lost: Vec<OsString>,
}

/// Undoes what the installation of a shim has done, as far as it came.
///
/// # Errors
/// See [`ShimError`]; what is left can be removed by doing it again.
pub fn remove(path: &Path) -> Result<Removed, ShimError> {
    let venv = VirtualEnvironment::open(path)?;
    if !files::exists(&venv.folder()) {
        return Ok(Removed::default());
    }
    let packages = answer::packages_of(&venv);
    let packages: Vec<&Path> = packages.iter().map(PathBuf::as_path).collect();
    let _times = KeptTimes::of(&[&[venv.root(), &venv.bin()][..], &packages].concat());
    put_back(&venv)
}

/// The same for an environment whose folders' times somebody keeps.
pub fn put_back(venv: &VirtualEnvironment) -> Result<Removed, ShimError> {
    let mut removed = Removed { any: true, ..Removed::default() };
    for name in &venv.interpreters {
        put_one_back(venv, name, &mut removed)?;
    }
    answer::remove_correction(venv)?;
    let folder = venv.folder();
    fs::remove_dir_all(&folder).map_err(ShimError::io("remove", &folder))?;
    Ok(removed)
}

fn put_one_back(
    venv: &VirtualEnvironment,
    name: &OsStr,
    removed: &mut Removed,
) -> Result<(), ShimError> {
    let (place, aside) = (venv.bin().join(name), venv.folder().join(name));
    if !venv.is_shimmed(name) {
        if files::exists(&aside) && !files::is_same(&place, &aside) {
            removed.replaced.push(name.to_owned());
        }
        return Ok(());
    }
    if files::exists(&aside) {
        return files::rename(&aside, &place);
    }
    removed.lost.push(name.to_owned());
    let starter = venv.starters().join(name);
    let starter = File::open(&starter).ok().and_then(|file| Starter::read(&file));
    match starter {
        Some(starter) => files::link(&starter.python, &place, &aside),
        None => Err(ShimError::NoEnvironment {
            path: venv.root().to_owned(),
            why: "its interpreter is lost",
        }),
    }
}
