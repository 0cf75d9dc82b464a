//! What real interpreters say about themselves.

mod support;

use glowplug::cache::Cache;
use glowplug::interpreter::Interpreter;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

fn interpreter(path: &Path) -> Interpreter {
    Interpreter::of_program(path.to_owned())
}

#[test]
fn every_supported_interpreter_says_what_it_is() {
    for python in support::interpreters() {
        let probe = interpreter(&python).probe(None).expect("an answer");
        let output = Command::new(&python).arg("-V").output().expect("python starts");
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), format!("Python {probe}"));
        assert_eq!(probe.unsupported_reason(), None, "{}", python.display());
        assert!(probe.extension_suffix.contains(&probe.minor().replace('.', "")), "{probe:?}");
        assert!(probe.library.is_none_or(|library| library.is_file()));
    }
}

#[test]
fn the_answer_is_kept_until_the_interpreter_changes() {
    let folder = tempfile::tempdir().expect("tempdir");
    let cache = Cache::create(&folder.path().join("cache")).expect("create");
    let log = folder.path().join("log");
    let python = folder.path().join("python");
    let write = |comment: &str| {
        let real = support::interpreters().remove(0);
        let (log, real) = (log.display(), real.display());
        let script = format!("#!/bin/sh\n# {comment}\necho >> {log}\nexec {real} \"$@\"\n");
        std::fs::write(&python, script).expect("write");
        std::fs::set_permissions(&python, std::fs::Permissions::from_mode(0o755)).expect("chmod");
    };
    let asked = || std::fs::read(&log).map_or(0, |log| log.len());
    write("first");
    let first = interpreter(&python).probe(Some(&cache)).expect("an answer");
    assert_eq!(asked(), 1);
    assert_eq!(interpreter(&python).probe(Some(&cache)).expect("an answer"), first);
    assert_eq!(asked(), 1);
    write("longer than the first");
    assert_eq!(interpreter(&python).probe(Some(&cache)).expect("an answer"), first);
    assert_eq!(asked(), 2);
}

#[test]
fn what_is_no_interpreter_is_named() {
    let error = interpreter(Path::new("/bin/false")).probe(None).expect_err("no answer");
    assert!(error.to_string().contains("/bin/false"), "{error}");
    let error = interpreter(Path::new("/nonexistent/python")).probe(None).expect_err("no answer");
    assert!(error.to_string().starts_with("cannot start /nonexistent/python"), "{error}");
}
