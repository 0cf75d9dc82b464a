//! Becoming the program.

pub mod thaw;

use crate::interpreter::Interpreter;
use crate::settings::Environment;
use crate::{exit, explain};
use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Executes plain python in place of this process: the same process id, parent, descriptors and limits.
///
/// `arguments` are python's, without its own name, which is `name` or else the interpreter's path. `changes` are strings `NAME=value` that replace or join those of
/// `environment`. Returns only on failure: the exit status, after the error was reported.
pub fn plain(
    interpreter: &Interpreter,
    name: Option<&CStr>,
    arguments: &[&CStr],
    environment: &Environment,
    changes: &[CString],
) -> u8 {
    let paths = [&interpreter.program, &interpreter.path]
        .map(|path| CString::new(path.as_os_str().as_bytes()));
    let [Ok(program), Ok(path)] = paths else {
        let path = &interpreter.path;
        explain::error(format_args!("the interpreter's path {path:?} holds a zero byte"));
        return exit::NOT_FOUND;
    };
    let mut argv = Vec::with_capacity(arguments.len() + 1);
    argv.push(name.unwrap_or(&path));
    argv.extend_from_slice(arguments);
    let error = glowplug_linux::exec(&program, &argv, &changed(environment, changes));
    report(&interpreter.program, &error)
}

/// Executes a program in place of this process, with the arguments that a shell would give it. Returns only on failure: the exit status,
/// after the error was reported.
pub fn command(program: &CStr, argv: &[&CStr], environment: &Environment) -> u8 {
    let error = glowplug_linux::exec(program, argv, environment.strings());
    report(Path::new(OsStr::from_bytes(program.to_bytes())), &error)
}

/// The strings of an environment after some changes; the rest keeps its order.
fn changed<'a>(environment: &Environment, changes: &'a [CString]) -> Vec<&'a CStr> {
    let replaced = |string: &CStr| changes.iter().any(|change| name(change) == name(string));
    environment
        .strings()
        .iter()
        .copied()
        .filter(|string| !replaced(string))
        .chain(changes.iter().map(CString::as_c_str))
        .collect()
}

/// The name in `NAME=value`; the whole string where there is no value.
fn name(string: &CStr) -> &[u8] {
    let bytes = string.to_bytes();
    bytes.split(|&b| b == b'=').next().unwrap_or(bytes)
}

fn report(interpreter: &Path, error: &io::Error) -> u8 {
    explain::error(format_args!(
        "cannot execute {}: {error}\nhelp: name another interpreter with --python PATH",
        interpreter.display()
    ));
    match error.kind() {
        io::ErrorKind::NotFound => exit::NOT_FOUND,
        _ => exit::NOT_EXECUTABLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_replace_variables_of_the_same_name_only() {
        let strings = [c"A=1", c"AB=2", c"odd", c"A=3", c"C=4"];
        let environment = Environment::from_strings(strings.map(CStr::to_owned));
        let changes = [c"A=9".to_owned(), c"D=5".to_owned()];
        assert_eq!(changed(&environment, &changes), [c"AB=2", c"odd", c"C=4", c"A=9", c"D=5"]);
    }
}
