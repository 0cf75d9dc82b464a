//! `glowplug as-python`: what a starter executes. Nobody types it.
//!
//! The arguments are python's: none of them is Glowplug's. What stands in the way of starting the program otherwise ends in a start by
//! the interpreter that the starter stands for, under the very name that the starter was given.

use super::run;
use crate::interpreter::{Interpreter, python_path};
use crate::settings::Environment;
use crate::shim::bundle;
use crate::{commandline, exit, explain, launch};
use glowplug_starter::{Kind, Starter};
use std::ffi::{CStr, CString, NulError, OsStr};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Starts what the starter at `place` was asked for under `name`. Returns only on failure: the exit status.
pub fn run(place: &CStr, name: &CStr, arguments: &[&CStr], environment: &Environment) -> u8 {
    let place = Path::new(OsStr::from_bytes(place.to_bytes()));
    let Some(starter) = File::open(place).ok().and_then(|file| Starter::read(&file)) else {
        explain::error(format_args!("{} is no starter", place.display()));
        return exit::STARTER;
    };
    let call = Call { starter: &starter, place, name, arguments, environment };
    let line = call.line();
    let line: Vec<&CStr> = line.iter().flatten().map(CString::as_c_str).collect();
    if line.is_empty() || !call.is_for_python_alone(&line) {
        return call.plainly();
    }
    let known_as = matches!(starter.kind, Kind::Shim(_)).then_some(name);
    run::run_as(known_as, &line, environment)
}

/// What a starter was asked for.
struct Call<'a> {
    starter: &'a Starter,
    place: &'a Path,
    name: &'a CStr,
    arguments: &'a [&'a CStr],
    environment: &'a Environment,
}

impl Call<'_> {
    /// The command line of `glowplug run` that does the same; `None` where there is none.
    fn line(&self) -> Option<Vec<CString>> {
        let own = self.own_options()?.ok()?;
        Some(own.into_iter().chain(self.arguments.iter().map(|&word| word.to_owned())).collect())
    }

    fn own_options(&self) -> Option<Result<Vec<CString>, NulError>> {
        // A profiler starts what it profiles itself.
        if self.environment.non_empty("GLOWPLUG_COLLECT").is_some() {
            return None;
        }
        let mut words = vec![b"--python".to_vec()];
        match &self.starter.kind {
            Kind::Shim(_) => {
                words.push(self.path_of_shim()?.into_os_string().into_encoded_bytes());
            }
            Kind::Bundle(modules) => {
                words.push(self.starter.python.as_os_str().as_bytes().to_vec());
                words.extend(bundle::options(modules).map(String::into_bytes));
            }
        }
        Some(words.into_iter().map(CString::new).collect())
    }

    /// As what python would know itself. Where that is not the shim, an unusual name was given, and python finds out itself.
    fn path_of_shim(&self) -> Option<PathBuf> {
        let path = python_path(OsStr::from_bytes(self.name.to_bytes()), self.environment)?;
        let [one, other] = [&path, self.place].map(rustix::fs::stat);
        let (one, other) = (one.ok()?, other.ok()?);
        ((one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)).then_some(path)
    }

    /// Whether all of the arguments are python's. What looks like one of Glowplug's is an option that python does not know.
    fn is_for_python_alone(&self, line: &[&CStr]) -> bool {
        commandline::parse(line).is_ok_and(|parsed| parsed.python_argv == self.arguments)
    }

    fn plainly(&self) -> u8 {
        let name = OsStr::from_bytes(self.name.to_bytes());
        let candidates = self.starter.interpreters(self.place, name);
        let program = candidates.into_iter().find(|candidate| candidate.exists());
        let program = program.unwrap_or_else(|| self.starter.python.clone());
        let known_as = PathBuf::from(self.starter.name_of_interpreter(name));
        let interpreter = Interpreter { path: known_as, program, is_wrapper: false };
        launch::plain(&interpreter, None, self.arguments, self.environment, &[])
    }
}
