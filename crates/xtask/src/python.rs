//! How the extension is built for a CPython minor that need not be present.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use glowplug_pythons::Minor;

/// The minor that a user names, `3.N`.
///
/// # Errors
/// There is no extension for it; the error names those that there are.
pub fn named(text: &str) -> Result<Minor> {
    Minor::all().find(|minor| minor.to_string() == text).with_context(|| {
        let all: Vec<String> = Minor::all().map(|minor| minor.to_string()).collect();
        format!("there is no extension for Python {text:?}, only for {}", all.join(", "))
    })
}

/// Cargo's options for the features that the extension has on this minor.
pub fn features(minor: Minor) -> &'static [&'static str] {
    if minor.freezes() { &[] } else { WITHOUT_FREEZING }
}

/// Cargo's options for an extension of a minor on which programs are not frozen.
pub const WITHOUT_FREEZING: &[&str] = &["--no-default-features"];

/// Writes the description of this CPython that pyo3's build scripts read instead of asking an interpreter, so
/// that none of this minor has to be present. The file is only touched where it changes.
///
/// # Errors
/// The file cannot be written.
pub fn write_config(minor: Minor, folder: &Path) -> Result<PathBuf> {
    let path = folder.join(format!("pyo3-{minor}.txt"));
    let text = config(minor);
    if fs::read_to_string(&path).is_ok_and(|old| old == text) {
        return Ok(path);
    }
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&path, text))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// The release build of CPython with a GIL. The extension links to no libpython: it is loaded into a process that
/// has the symbols, be they the executable's own or its libpython's.
fn config(minor: Minor) -> String {
    format!(
        "implementation=CPython\nversion={minor}\nshared=true\npointer_width=64\nbuild_flags=\n\
         suppress_build_script_link_lines=true\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_names_its_minor_and_is_left_alone_when_it_is_right() {
        let folder = tempfile::tempdir().unwrap();
        let minor = named("3.12").unwrap();
        let path = write_config(minor, folder.path()).unwrap();
        assert!(fs::read_to_string(&path).unwrap().contains("\nversion=3.12\n"));
        let written = fs::metadata(&path).unwrap().modified().unwrap();
        write_config(minor, folder.path()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), written);
    }

    #[test]
    fn an_unknown_minor_is_answered_with_the_known_ones() {
        let error = named("3.8").unwrap_err().to_string();
        assert!(error.contains("3.9, 3.10, 3.11, 3.12, 3.13, 3.14, 3.15"), "{error}");
    }
}
