//! Which Python program a command line starts, so that it can be started with lazy imports.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A Python program as a command line names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The interpreter that the command names; `None` leaves it to the settings.
    pub python: Option<PathBuf>,
    /// What python is given: its options, the script or module, and that one's arguments.
    pub arguments: Vec<OsString>,
    /// How many of `arguments` stand before the program's own ones, where the program is pytest.
    pytest: Option<usize>,
}

/// Why a command cannot be checked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// There is nothing to run.
    #[error(
        "no command to check\nhelp: write it behind `--`: `glowplug lazy check -- python -m pytest`"
    )]
    Empty,
    /// There is no such program.
    #[error("`{0}` is neither a file nor a program on PATH")]
    Missing(String),
    /// The program is not started by Python.
    #[error(
        "`{0}` is not a Python program\nhelp: name the Python program itself: `glowplug lazy check -- python script.py`"
    )]
    NotPython(String),
}

impl Program {
    /// Finds out what a command starts; `path` is the value of PATH.
    ///
    /// # Errors
    /// Where it is nothing that Python runs.
    pub fn of(command: &[OsString], path: Option<&OsStr>) -> Result<Program, CommandError> {
        let (first, rest) = command.split_first().ok_or(CommandError::Empty)?;
        if is_python(Path::new(first)) {
            let pytest = module_of(rest).filter(|(name, _)| is_pytest(name)).map(|(_, at)| at);
            return Ok(Program { python: Some(first.into()), arguments: rest.to_vec(), pytest });
        }
        let script = find(first, path)?;
        let python = match interpreter_of(&script) {
            Some(interpreter) => interpreter,
            None if script.extension().is_some_and(|extension| extension == "py") => None,
            None => return Err(CommandError::NotPython(first.to_string_lossy().into_owned())),
        };
        let pytest = script.file_name().is_some_and(is_pytest).then_some(1);
        let arguments = [&[script.into_os_string()], rest].concat();
        Ok(Program { python, arguments, pytest })
    }

    /// Whether the program is pytest, whose tests are compared one by one.
    pub fn is_pytest(&self) -> bool {
        self.pytest.is_some()
    }

    /// The arguments with others in front of the program's own, where the program is pytest.
    pub fn with_pytest_options(&self, options: &[OsString]) -> Vec<OsString> {
        let mut arguments = self.arguments.clone();
        if let Some(at) = self.pytest {
            arguments.splice(at..at, options.iter().cloned());
        }
        arguments
    }
}

fn is_python(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_bytes();
    let Some(version) = name.strip_prefix(b"python") else { return false };
    version.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
}

fn is_pytest(name: &OsStr) -> bool {
    name == "pytest" || name == "py.test"
}

/// The module behind `-m` among python's arguments, and the index behind it.
fn module_of(arguments: &[OsString]) -> Option<(&OsStr, usize)> {
    let mut at = 0;
    while let Some(argument) = arguments.get(at) {
        let bytes = argument.as_bytes();
        match bytes {
            b"-m" => return arguments.get(at + 1).map(|name| (name.as_os_str(), at + 2)),
            b"-W" | b"-X" | b"--check-hash-based-pycs" => at += 2,
            [b'-', letters @ ..] if letters.contains(&b'm') && !bytes.starts_with(b"--") => {
                let split = letters.iter().position(|b| *b == b'm').unwrap_or(0) + 2;
                let joined = OsStr::from_bytes(&bytes[split..]);
                return match joined.is_empty() {
                    true => arguments.get(at + 1).map(|name| (name.as_os_str(), at + 2)),
                    false => Some((joined, at + 1)),
                };
            }
            [b'-', b'c', ..] | [b'-'] => return None,
            [b'-', ..] => at += 1,
            _ => return None,
        }
    }
    None
}

fn find(name: &OsStr, path: Option<&OsStr>) -> Result<PathBuf, CommandError> {
    let file = Path::new(name);
    if file.is_file() && (name.as_bytes().contains(&b'/') || file.extension().is_some()) {
        return Ok(file.to_owned());
    }
    std::env::split_paths(path.unwrap_or_default())
        .map(|folder| folder.join(file))
        .find(|file| file.is_file())
        .ok_or_else(|| CommandError::Missing(name.to_string_lossy().into_owned()))
}

/// What starts a script by its first line: `Some(None)` for whatever python is on PATH, `None` where it is not python.
fn interpreter_of(script: &Path) -> Option<Option<PathBuf>> {
    let mut start = Vec::new();
    File::open(script).ok()?.take(1024).read_to_end(&mut start).ok()?;
    let mut lines = start.split(|byte| *byte == b'\n');
    let words = words_of(lines.next()?.strip_prefix(b"#!")?);
    let first = Path::new(OsStr::from_bytes(words.first()?));
    if is_python(first) {
        return Some(Some(first.to_owned()));
    }
    match first.file_name()?.as_bytes() {
        b"env" => words
            .iter()
            .skip(1)
            .find(|word| !word.starts_with(b"-"))
            .filter(|word| is_python(Path::new(OsStr::from_bytes(word))))
            .map(|_| None),
        // Where the path of the interpreter is too long for the kernel, pip writes: '''exec' "/path/python" "$0" "$@"
        b"sh" => {
            let line = lines.next()?.strip_prefix(b"'''exec' ")?;
            let quote = |byte: &u8| *byte == b'"';
            let path = match line.strip_prefix(b"\"") {
                Some(quoted) => quoted.split(quote).next()?,
                None => line.split(|byte| *byte == b' ').next()?,
            };
            let path = Path::new(OsStr::from_bytes(path));
            is_python(path).then(|| Some(path.to_owned()))
        }
        _ => None,
    }
}

fn words_of(line: &[u8]) -> Vec<&[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn os(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    fn program(words: &[&str], path: Option<&OsStr>) -> Result<Program, CommandError> {
        Program::of(&os(words), path)
    }

    #[test]
    fn interpreters_are_known_by_their_name() {
        let found = program(&["/v/bin/python3.11", "-X", "dev", "a.py"], None).unwrap();
        assert_eq!(found.python, Some("/v/bin/python3.11".into()));
        assert_eq!(found.arguments, os(&["-X", "dev", "a.py"]));
        assert!(!found.is_pytest());
        assert!(program(&["pythonw-config"], None).is_err());
    }

    #[test]
    fn pytest_is_seen_in_each_of_its_forms() {
        for words in [
            &["python", "-m", "pytest", "-q"][..],
            &["python3", "-W", "error", "-Bm", "pytest", "-q"],
            &["python", "-mpytest", "-q"],
        ] {
            let found = program(words, None).unwrap();
            let with = found.with_pytest_options(&os(&["--x"]));
            assert_eq!(&with[with.len() - 2..], os(&["--x", "-q"]), "{words:?}");
        }
        for words in [
            &["python", "x.py", "-m", "pytest"][..],
            &["python", "-m", "unittest"],
            &["python", "-c", "-m pytest"],
        ] {
            assert!(!program(words, None).unwrap().is_pytest(), "{words:?}");
        }
    }

    #[test]
    fn scripts_are_found_on_path_and_know_their_interpreter() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("pytest", "#!/v/bin/python\nimport sys\n");
        write("tool", "#!/usr/bin/env -S python3 -u\n");
        write("long", "#!/bin/sh\n'''exec' \"/a b/bin/python3\" \"$0\" \"$@\"\n' '''\n");
        write("shell", "#!/bin/sh\necho\n");
        write("plain.py", "import sys\n");
        let path = Some(folder.path().as_os_str());
        let found = program(&["pytest", "tests"], path).unwrap();
        assert_eq!(found.python, Some("/v/bin/python".into()));
        let script = folder.path().join("pytest").into_os_string();
        assert_eq!(found.with_pytest_options(&os(&["-x"])), [script, "-x".into(), "tests".into()]);
        assert_eq!(program(&["tool"], path).unwrap().python, None);
        assert_eq!(program(&["long"], path).unwrap().python, Some("/a b/bin/python3".into()));
        assert_eq!(program(&["shell"], path), Err(CommandError::NotPython("shell".into())));
        assert_eq!(program(&["none"], path), Err(CommandError::Missing("none".into())));
        let plain = folder.path().join("plain.py");
        assert_eq!(program(&[plain.to_str().unwrap()], None).unwrap().python, None);
        assert_eq!(program(&[], path), Err(CommandError::Empty));
    }
}
