//! What the tests of whole processes share.

use glowplug_pythons::Minor;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The CPythons of a supported minor on this machine: on PATH, and those of pyenv. At least one.
#[allow(dead_code, reason = "not every test file uses all of this")]
pub fn interpreters() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let numbered = Minor::freezing().map(|minor| format!("python{minor}"));
    let names: Vec<String> = std::iter::once("python3".to_owned()).chain(numbered).collect();
    let mut candidates: Vec<PathBuf> = std::env::split_paths(&path)
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)).collect::<Vec<_>>())
        .collect();
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".pyenv"));
    let pyenv = std::env::var_os("PYENV_ROOT").map(PathBuf::from).or(home);
    if let Some(versions) = pyenv.and_then(|root| std::fs::read_dir(root.join("versions")).ok()) {
        candidates.extend(versions.flatten().map(|version| version.path().join("bin/python3")));
    }
    let mut found: Vec<(String, PathBuf)> = Vec::new();
    for candidate in candidates.iter().filter(|candidate| is_elf(candidate)) {
        let Some(version) = version(candidate) else { continue };
        if !found.iter().any(|(known, _)| *known == version) {
            found.push((version, candidate.clone()));
        }
    }
    assert!(!found.is_empty(), "these tests need a CPython on which programs are frozen");
    found.into_iter().map(|(_, path)| path).collect()
}

fn is_elf(path: &Path) -> bool {
    use std::io::Read;
    let mut start = [0; 4];
    std::fs::File::open(path).is_ok_and(|mut file| file.read_exact(&mut start).is_ok())
        && &start == b"\x7fELF"
}

/// The version of a supported CPython, as `3.11`.
fn version(python: &Path) -> Option<String> {
    let output = Command::new(python).args(["-I", "-S", "-V"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.strip_prefix("Python ")?.trim();
    let minor = version.rsplit_once('.')?.0.to_owned();
    Minor::freezing().any(|known| known.to_string() == minor).then_some(minor)
}
