//! pyenv puts shell scripts called `python` on PATH that ask which version is meant; here the question is answered without a
//! shell.
//!
//! Only versions that are named by their folder are resolved. Whatever else pyenv knows (prefixes like `3.11`, versions that are
//! not installed, hooks) is left to pyenv: `None`, and the program starts through the shim.

use super::search::{is_executable, on_path};
use crate::settings::Environment;
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Shims are a few hundred bytes; anything longer is none.
const SHIM_MAX: u64 = 4096;
const VERSION_FILE: &str = ".python-version";

/// The interpreter that the shim at `path` would execute.
pub fn resolve(path: &Path, environment: &Environment, folder: Option<&Path>) -> Option<PathBuf> {
    let program = path.file_name()?;
    let shims = path.parent()?;
    let shim = read_short(path)?;
    if !is_shim(&shim) {
        return None;
    }
    let root = match environment.non_empty("PYENV_ROOT") {
        Some(root) => PathBuf::from(root),
        None => shims.parent()?.to_owned(),
    };
    // The shim states its root itself; where that is another one, the variables and the place deceive.
    let stated = [b"PYENV_ROOT=\"", root.as_os_str().as_bytes(), b"\""].concat();
    if !contains(&shim, &stated) {
        return None;
    }
    for version in versions(&root, environment, folder)? {
        let candidate = if version.as_bytes() == b"system" {
            on_path(program, environment, folder, |entry| entry != root.join("shims"))?
        } else {
            let home = root.join("versions").join(&version);
            // A prefix of a version, or one that is missing: pyenv knows what to make of it.
            if version.as_bytes().contains(&b'/') || !home.is_dir() {
                return None;
            }
            home.join("bin").join(program)
        };
        if is_executable(&candidate) {
            return Some(candidate).filter(|candidate| super::is_elf(candidate));
        }
    }
    None
}

/// A shim executes `pyenv exec`. Older kinds look at the arguments as well, which only they can do.
fn is_shim(text: &[u8]) -> bool {
    text.starts_with(b"#!")
        && contains(text, b"/pyenv\" exec ")
        && !contains(text, b"PYENV_FILE_ARG")
        && !contains(text, b"PYENV_DIR")
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// The versions that are selected, in order; the system's comes last, as pyenv has it.
fn versions(
    root: &Path,
    environment: &Environment,
    folder: Option<&Path>,
) -> Option<Vec<std::ffi::OsString>> {
    let mut versions: Vec<_> = match environment.non_empty("PYENV_VERSION") {
        Some(list) => split(list.as_bytes(), |b| b == b':'),
        None => {
            let start = environment.non_empty("PYENV_DIR").map(Path::new).or(folder)?;
            let file = local_file(start)
                .or_else(|| folder.filter(|folder| *folder != start).and_then(local_file))
                .unwrap_or_else(|| root.join("version"));
            match read_short(&file) {
                Some(text) => of_file(&text),
                None => Vec::new(),
            }
        }
    };
    versions.push("system".into());
    Some(versions)
}

fn local_file(start: &Path) -> Option<PathBuf> {
    start.ancestors().map(|folder| folder.join(VERSION_FILE)).find(|file| file.is_file())
}

/// One or more versions on a line; `#` begins a comment.
fn of_file(text: &[u8]) -> Vec<std::ffi::OsString> {
    text.split(|&b| b == b'\n')
        .flat_map(|line| {
            let code = line.split(|&b| b == b'#').next().unwrap_or_default();
            split(code, |b| b.is_ascii_whitespace())
        })
        .collect()
}

fn split(text: &[u8], separator: impl Fn(u8) -> bool) -> Vec<std::ffi::OsString> {
    text.split(|&b| separator(b))
        .filter(|word| !word.is_empty())
        .map(|word| OsStr::from_bytes(word).to_owned())
        .collect()
}

fn read_short(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(SHIM_MAX + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= SHIM_MAX).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CString;
    use std::os::unix::fs::PermissionsExt;

    /// A pyenv with these versions, its global version, and a project folder.
    struct Pyenv(tempfile::TempDir);

    impl Pyenv {
        fn with(versions: &[&str], global: &str) -> Pyenv {
            let pyenv = Pyenv(tempfile::tempdir().expect("tempdir"));
            let root = pyenv.root();
            for version in versions {
                pyenv.write(&format!("versions/{version}/bin/python3"), "\x7fELF…");
            }
            pyenv.write("version", global);
            let root = root.display().to_string();
            pyenv.write(
                "shims/python3",
                &format!(
                    "#!/usr/bin/env bash\nset -e\nexport PYENV_ROOT=\"{root}\"\n\
                     exec \"{root}/libexec/pyenv\" exec \"$program\" \"$@\"\n"
                ),
            );
            fs::create_dir_all(pyenv.root().join("project/deep")).expect("mkdir");
            pyenv
        }

        fn root(&self) -> PathBuf {
            self.0.path().to_owned()
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.root().join(name);
            fs::create_dir_all(path.parent().expect("parent")).expect("mkdir");
            fs::write(&path, text).expect("write");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("chmod");
        }

        fn resolve(&self, variables: &[&str]) -> Option<String> {
            let environment = Environment::from_strings(
                variables.iter().map(|variable| CString::new(*variable).expect("no NUL")),
            );
            let folder = self.root().join("project/deep");
            let shim = self.root().join("shims/python3");
            let path = resolve(&shim, &environment, Some(&folder))?;
            Some(path.strip_prefix(self.root()).expect("inside").display().to_string())
        }
    }

    #[test]
    fn the_variable_beats_the_project_beats_the_global_version() {
        let pyenv = Pyenv::with(&["3.10.1", "3.11.7", "3.12.1"], "3.11.7\n");
        assert_eq!(pyenv.resolve(&[]).as_deref(), Some("versions/3.11.7/bin/python3"));
        pyenv.write("project/.python-version", "# comment\n3.12.1 3.10.1\n");
        assert_eq!(pyenv.resolve(&[]).as_deref(), Some("versions/3.12.1/bin/python3"));
        let variable = ["PYENV_VERSION=3.10.1:3.11.7"];
        assert_eq!(pyenv.resolve(&variable).as_deref(), Some("versions/3.10.1/bin/python3"));
    }

    #[test]
    fn a_version_without_the_program_is_passed_over() {
        let pyenv = Pyenv::with(&["3.11.7"], "empty\n3.11.7\n");
        fs::create_dir_all(pyenv.root().join("versions/empty/bin")).expect("mkdir");
        assert_eq!(pyenv.resolve(&[]).as_deref(), Some("versions/3.11.7/bin/python3"));
    }

    #[test]
    fn what_only_pyenv_knows_is_left_to_it() {
        let pyenv = Pyenv::with(&["3.11.7"], "3.11\n");
        assert_eq!(pyenv.resolve(&[]), None);
        assert_eq!(pyenv.resolve(&["PYENV_VERSION=../../x"]), None);
        assert_eq!(pyenv.resolve(&["PYENV_VERSION=3.11.7", "PYENV_ROOT=/elsewhere"]), None);
        pyenv.write("shims/python3", "#!/bin/sh\nexec python3.11 \"$@\"\n");
        assert_eq!(pyenv.resolve(&["PYENV_VERSION=3.11.7"]), None);
    }

    #[test]
    fn the_systems_python_is_looked_up_without_the_shims() {
        let pyenv = Pyenv::with(&[], "system\n");
        pyenv.write("bin/python3", "\x7fELF…");
        let root = pyenv.root().display().to_string();
        let path = format!("PATH={root}/shims:{root}/bin");
        assert_eq!(pyenv.resolve(&[&path]).as_deref(), Some("bin/python3"));
    }
}
