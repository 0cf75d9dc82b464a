//! The usual command of a service, as it stands in a Dockerfile or a unit file, as arguments of python.

use crate::settings::Environment;
use glowplug_starter::is_interpreter_name;
use rustix::fs::Access;
use std::ffi::{CStr, CString, NulError, OsStr};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Python's arguments for a command, behind python's own name.
///
/// | the command begins with | it is |
/// |---|---|
/// | an option | the arguments of python itself: `-m uvicorn app:app` |
/// | an interpreter's name | the same behind it: `python3 -m uvicorn app:app` |
/// | the path of a file | a script |
/// | another name | a console script: beside `interpreter`, or on PATH: `uvicorn app:app` |
///
/// # Errors
/// Where a folder on PATH has a zero byte in its name, which no environment can hold.
pub fn python_arguments(
    command: &[&CStr],
    interpreter: &Path,
    environment: &Environment,
) -> Result<Vec<CString>, NulError> {
    let owned = |words: &[&CStr]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let Some((first, rest)) = command.split_first() else { return Ok(Vec::new()) };
    let name = first.to_bytes();
    if name.is_empty() || name.starts_with(b"-") {
        return Ok(owned(command));
    }
    // `python`, `/venv/bin/python3.11`
    if is_interpreter_name(name.rsplit(|&byte| byte == b'/').next().unwrap_or(name)) {
        return Ok(owned(rest));
    }
    let mut arguments = vec![match console_script(name, interpreter, environment) {
        Some(path) => CString::new(path.into_os_string().as_bytes())?,
        None => (*first).to_owned(),
    }];
    arguments.extend(owned(rest));
    Ok(arguments)
}

/// The program that a shell would start for a command whose first word is a name, such as an interpreter's or a console script's; `None`
/// where python itself is to make something of the words.
pub fn on_path(command: &[&CStr], environment: &Environment) -> Option<CString> {
    let name = command.first()?.to_bytes();
    if name.is_empty() || name.starts_with(b"-") {
        return None;
    }
    if name.contains(&b'/') {
        let last = name.rsplit(|&byte| byte == b'/').next().unwrap_or(name);
        return is_interpreter_name(last).then(|| command[0].to_owned());
    }
    let found = console_script(name, Path::new(""), environment)?;
    CString::new(found.into_os_string().into_vec()).ok()
}

/// Where the script of this name lies; `None` for a path, and where there is none.
fn console_script(name: &[u8], interpreter: &Path, environment: &Environment) -> Option<PathBuf> {
    if name.contains(&b'/') {
        return None;
    }
    let name = OsStr::from_bytes(name);
    let beside = interpreter.parent().filter(|folder| folder.is_absolute()).map(Path::to_owned);
    let path = environment.non_empty("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(path).collect::<Vec<_>>();
    let mut found = beside.into_iter().chain(on_path).map(|folder| folder.join(name));
    found.find(|path| path.is_file() && rustix::fs::access(path, Access::EXEC_OK).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn arguments(command: &[&CStr], interpreter: &Path, path: &str) -> Vec<CString> {
        let path = CString::new(format!("PATH={path}")).expect("no NUL");
        let environment = Environment::from_strings([path]);
        python_arguments(command, interpreter, &environment).expect("no NUL")
    }

    #[test]
    fn interpreters_are_left_out_and_options_are_kept() {
        let expected = [c"-m".to_owned(), c"uvicorn".to_owned()];
        for words in [
            &[c"-m", c"uvicorn"][..],
            &[c"python", c"-m", c"uvicorn"],
            &[c"/venv/bin/python3.11", c"-m", c"uvicorn"],
        ] {
            assert_eq!(arguments(words, Path::new("/nowhere/python"), ""), expected);
        }
        assert!(arguments(&[], Path::new("/nowhere/python"), "").is_empty());
    }

    #[test]
    fn console_scripts_are_found_beside_the_interpreter_and_on_path() {
        let folder = tempfile::tempdir().expect("a folder");
        let [beside, on_path] = ["venv", "other"].map(|name| folder.path().join(name));
        for (place, name) in [(&beside, "serve"), (&on_path, "serve"), (&on_path, "work")] {
            std::fs::create_dir_all(place).expect("a folder");
            let script = place.join(name);
            std::fs::write(&script, "").expect("a file");
            std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))
                .expect("mode");
        }
        let python = beside.join("python3");
        let path = on_path.to_str().expect("UTF-8");
        let found = |name| {
            PathBuf::from(OsStr::from_bytes(arguments(&[name], &python, path)[0].as_bytes()))
        };
        assert_eq!(found(c"serve"), beside.join("serve"));
        assert_eq!(found(c"work"), on_path.join("work"));
        assert_eq!(found(c"missing"), Path::new("missing"));
        assert_eq!(found(c"./serve"), Path::new("./serve"));
        assert_eq!(found(c"pythonic"), Path::new("pythonic"));
    }
}
