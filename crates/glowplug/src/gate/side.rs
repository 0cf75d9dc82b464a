//! One side of a gate: a checkout and the interpreter that runs its programs.

use super::config::{Entry, Ready, Sign, Target};
use crate::profiling::Surroundings;
use crate::settings::Environment;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A checkout and its interpreter.
#[derive(Clone, Debug)]
pub struct Side {
    /// The folder of the checkout, in which programs run.
    pub folder: PathBuf,
    /// The interpreter.
    pub python: PathBuf,
}

/// What an entry point names is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Missing {
    /// What is missing, and where it was looked for.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// How an entry point is started.
#[derive(Clone, Debug)]
pub struct Start {
    /// The command line.
    pub command: Vec<OsString>,
    /// Its words as people read them.
    pub shown: Vec<String>,
    /// Whether it starts a Python whose imports can be seen.
    pub is_python: bool,
    /// For a service: what tells that it is ready.
    pub ready: Option<Ready>,
}

impl Side {
    /// How an entry point is started on this side.
    ///
    /// # Errors
    /// Where what it names is not there.
    pub fn start(&self, entry: &Entry, environment: &Environment) -> Result<Start, Missing> {
        let python = || vec![self.python.clone().into_os_string()];
        let behind = |mut line: Vec<OsString>, words: &[String]| {
            line.extend(words.iter().map(OsString::from));
            line
        };
        let (command, is_python, ready) = match &entry.target {
            Target::Script(words) => {
                self.require_file(&words[0])?;
                (behind(python(), words), true, None)
            }
            Target::BareStart => {
                let mut line = python();
                line.extend(["-I", "-S", "-c", "pass"].map(OsString::from));
                (line, true, None)
            }
            Target::Module(words) => {
                let mut line = python();
                line.push("-m".into());
                (behind(line, words), true, None)
            }
            Target::Import(modules) => {
                let code: Vec<String> =
                    modules.iter().map(|module| format!("import {module}")).collect();
                let mut line = python();
                line.extend(["-c".into(), code.join("\n").into()]);
                (line, true, None)
            }
            Target::ConsoleScript(words) => {
                let script = self.console_script(&words[0], environment)?;
                let is_python = is_python_script(&script);
                let mut line = if is_python { python() } else { Vec::new() };
                line.push(script.into_os_string());
                (behind(line, &words[1..]), is_python, None)
            }
            Target::Command(words) => {
                let program = self.program(&words[0])?;
                (behind(vec![program], &words[1..]), false, None)
            }
            Target::Service(words, ready) => (behind(python(), words), true, Some(ready.clone())),
        };
        Ok(Start { command, shown: shown(&entry.target), is_python, ready })
    }

    /// Where an entry point runs, with its output in a file.
    pub fn surroundings(
        &self,
        entry: &Entry,
        environment: &Environment,
        output: &Path,
    ) -> Surroundings {
        let mut variables: Vec<(OsString, OsString)> =
            vec![("PYTHONHASHSEED".into(), "0".into()), ("PWD".into(), self.folder.clone().into())];
        variables.extend(entry.variables.iter().map(|(name, value)| (name.into(), value.into())));
        let python = environment.python_variables();
        Surroundings {
            folder: Some(self.folder.clone()),
            without: python.map(|(name, _)| OsStr::from_bytes(name).to_owned()).collect(),
            variables,
            output: Some(output.to_owned()),
        }
    }

    /// A path as both sides have it: relative to the checkout, or to the environment, where it lies in one of them.
    pub fn relative(&self, path: &str) -> String {
        let environment = self.python.parent().and_then(Path::parent).unwrap_or(Path::new("/"));
        let path = Path::new(path);
        let inside = path.strip_prefix(&self.folder).or_else(|_| path.strip_prefix(environment));
        inside.unwrap_or(path).to_string_lossy().into_owned()
    }

    fn require_file(&self, path: &str) -> Result<(), Missing> {
        let whole = self.folder.join(path);
        if whole.exists() {
            return Ok(());
        }
        let help = "paths are relative to the folder of the configuration".to_owned();
        Err(Missing { message: format!("there is no script {path}"), help })
    }

    /// A path is one of the checkout; a bare name is left to PATH.
    fn program(&self, name: &str) -> Result<OsString, Missing> {
        if !name.contains('/') {
            return Ok(name.into());
        }
        let whole = self.folder.join(name);
        if whole.exists() {
            return Ok(whole.into_os_string());
        }
        let help = "paths are relative to the folder of the configuration".to_owned();
        Err(Missing { message: format!("there is no program {name}"), help })
    }

    /// The program that a package installs: beside the interpreter, else on PATH.
    fn console_script(&self, name: &str, environment: &Environment) -> Result<PathBuf, Missing> {
        let beside = self.python.parent().map(|folder| folder.join(name));
        if let Some(path) = beside.filter(|path| path.is_file()) {
            return Ok(path);
        }
        let path = environment.non_empty("PATH").unwrap_or_default();
        let on_path = std::env::split_paths(path).map(|folder| folder.join(name));
        let mut files = on_path.filter(|path| path.is_file());
        files.next().ok_or_else(|| Missing {
            message: format!(
                "there is no console script `{name}` beside {} or on PATH",
                self.python.display()
            ),
            help: "install the package that provides it, or name an interpreter by `python`"
                .to_owned(),
        })
    }
}

/// Whether a script's first line names a Python; or, as installers write where that line would be too long or have a space in it,
/// a shell, and the second has the shell start a Python, which takes that line for a text.
fn is_python_script(path: &Path) -> bool {
    let mut start = [0; 1024];
    let read = File::open(path).and_then(|mut file| file.read(&mut start)).unwrap_or(0);
    let mut lines = start[..read].split(|byte| *byte == b'\n');
    let (first, second) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let names_python = |line: &[u8]| line.windows(6).any(|word| word == b"python");
    first.starts_with(b"#!")
        && (names_python(first) || second.starts_with(b"'''exec'") && names_python(second))
}

fn shown(target: &Target) -> Vec<String> {
    let (first, words): (&[&str], &[String]) = match target {
        Target::Script(words) => (&["python"], words),
        Target::Module(words) => (&["python", "-m"], words),
        Target::BareStart => (&["python", "-c", "pass"], &[]),
        Target::Import(modules) => (&["import"], modules),
        Target::ConsoleScript(words) | Target::Command(words) => (&[], words),
        Target::Service(words, _) => (&["python"], words),
    };
    first.iter().map(|word| (*word).to_owned()).chain(words.iter().cloned()).collect()
}

impl Ready {
    /// The options of `glowplug gate inside` that wait for it.
    pub fn options(&self) -> Vec<OsString> {
        let (name, value) = match &self.sign {
            Sign::Output(text) => ("--ready-output", text.clone()),
            Sign::Port(port) => ("--ready-port", port.to_string()),
            Sign::File(path) => ("--ready-file", path.clone()),
        };
        let timeout = self.timeout.as_secs_f64().to_string();
        [name.to_owned(), value, "--timeout".to_owned(), timeout].map(OsString::from).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn paths_are_those_of_both_sides() {
        let side = Side { folder: "/s/head".into(), python: "/e/head-1/bin/python".into() };
        assert_eq!(side.relative("/s/head/vendor"), "vendor");
        assert_eq!(side.relative("/s/header"), "/s/header");
        assert_eq!(side.relative("/e/head-1/lib/x"), "lib/x");
    }

    #[test]
    fn scripts_of_python_are_told_from_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tool");
        let is_python = |text: &str| {
            fs::write(&path, text).unwrap();
            is_python_script(&path)
        };
        assert!(is_python("#!/venv/bin/python3.11\nimport sys\n"));
        assert!(is_python("#!/usr/bin/env python3\n"));
        let long = format!("/{}/bin/python3", "x".repeat(300));
        let by_shell = format!("#!/bin/sh\n'''exec' {long} \"$0\" \"$@\"\n' '''\nimport sys\n");
        assert!(is_python(&by_shell));
        assert!(!is_python("#!/bin/sh\nexec python3 -m tool\n"));
        assert!(!is_python("\x7fELF python"));
    }
}
