//! A starter: executes Glowplug, or the interpreter that it stands for where there is no Glowplug any more.
#![forbid(unsafe_code)]

use glowplug_linux::{exec, startup};
use glowplug_starter::{COMMAND, Starter, own_path};
use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// As in shells: there is no such program.
const NOT_FOUND: u8 = 127;
/// As in shells: it cannot be executed.
const NOT_EXECUTABLE: u8 = 126;

fn main() -> ExitCode {
    let (arguments, environment) = (startup::arguments(), startup::environment());
    let (name, rest) = arguments.split_first().map_or((c"python", &[][..]), |(n, r)| (*n, r));
    let place = own_path(OsStr::from_bytes(name.to_bytes()));
    let Some(starter) = File::open(&place).ok().and_then(|file| Starter::read(&file)) else {
        say(format_args!("error: {} does not say what it starts", place.display()));
        return ExitCode::from(NOT_FOUND);
    };
    let call = Call { starter: &starter, place, name, rest, environment: &environment };
    if call.variable("GLOWPLUG_VIA") != Some(b"plain") {
        let error = call.by_glowplug();
        if call.explains() {
            let glowplug = starter.glowplug.display();
            say(format_args!("glowplug: plain: {glowplug} cannot be executed: {error}"));
        }
    }
    ExitCode::from(call.plainly())
}

/// What a starter is asked for.
struct Call<'a> {
    starter: &'a Starter,
    place: PathBuf,
    name: &'a CStr,
    rest: &'a [&'static CStr],
    environment: &'a [&'static CStr],
}

impl Call<'_> {
    /// Executes Glowplug. Returns only on failure.
    fn by_glowplug(&self) -> io::Error {
        let strings = (c_string(&self.starter.glowplug), c_string(&self.place));
        let (Ok(glowplug), Ok(place)) = strings else { return io::ErrorKind::InvalidInput.into() };
        let Ok(command) = CString::new(COMMAND) else { return io::ErrorKind::InvalidInput.into() };
        let head = [glowplug.as_c_str(), &command, &place, self.name];
        exec(&glowplug, &[&head, self.rest].concat(), self.environment)
    }

    /// Executes the interpreter. Returns only on failure: the exit status.
    fn plainly(&self) -> u8 {
        let name = OsStr::from_bytes(self.name.to_bytes());
        let Ok(known_as) = CString::new(self.starter.name_of_interpreter(name).as_bytes()) else {
            return NOT_FOUND;
        };
        let arguments = [&[known_as.as_c_str()], self.rest].concat();
        let mut last: Option<(PathBuf, io::Error)> = None;
        for interpreter in self.starter.interpreters(&self.place, name) {
            let Ok(path) = c_string(&interpreter) else { continue };
            last = Some((interpreter, exec(&path, &arguments, self.environment)));
        }
        let Some((interpreter, error)) = last else { return NOT_FOUND };
        say(format_args!("error: cannot execute {}: {error}", interpreter.display()));
        if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_EXECUTABLE }
    }

    /// Whether it is to be said why a start is plain.
    fn explains(&self) -> bool {
        let off: [&[u8]; 5] = [b"", b"0", b"false", b"no", b"off"];
        self.variable("GLOWPLUG_EXPLAIN").is_some_and(|value| !off.contains(&value))
    }

    fn variable(&self, name: &str) -> Option<&[u8]> {
        self.environment
            .iter()
            .find_map(|string| string.to_bytes().strip_prefix(name.as_bytes())?.strip_prefix(b"="))
    }
}

fn c_string(path: &Path) -> Result<CString, std::ffi::NulError> {
    CString::new(path.as_os_str().to_owned().into_vec())
}

/// Says something on standard error, which need not be open.
fn say(text: std::fmt::Arguments<'_>) {
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}
