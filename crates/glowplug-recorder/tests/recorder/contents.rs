//! What is in a record.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::start::{Recorded, Start, folder, program, pythons};

#[test]
fn every_operation_is_noted_in_order() {
    let place = folder("operations");
    let recorded = Start::of(program("operations", &place)).folder(&place).run().successful();
    let temporary = recorded
        .entries
        .iter()
        .find_map(|entry| entry.strip_prefix(&format!("W{}/temporary-", place.display())))
        .expect("the temporary file is noted");
    let expected = "Wnew Onew Onew Wnew Snew Nabsent Onew Onew Wnew Nabsent Wmade \
         Wtemporary-TEMPORARY Wtemporary-TEMPORARY \
         Wfolder Sfolder Ofolder Wfolder/inner Ofolder/inner Nfolder/nothing Dfolder Dfolder \
         Dfolder Nabsent Wmade Wfolder/moved Nabsent \
         Snew Nnew/below S/ Snew Nabsent Wlink Llink Llink Snew EA_VARIABLE ENO_VARIABLE \
         Bsocket Csocket X/bin/true X=true X=/bin/sh N/absent/library.so N/absent/program \
         Ffolder Dfolder"
        .replace("TEMPORARY", temporary);
    let expected: Vec<_> = expected.split_whitespace().map(|word| absolute(word, &place)).collect();
    assert_eq!(recorded.entries, expected);
    assert_eq!(recorded.flags, 0);
}

/// Puts the folder into an entry: relative names are paths, those after `=`, variables and sockets
/// are as they are.
fn absolute(word: &str, place: &Path) -> String {
    let (op, name) = word.split_at(1);
    match name.strip_prefix('=') {
        Some(name) => format!("{op}{name}"),
        None if name.starts_with('/') || "EBC".contains(op) => word.to_owned(),
        None => format!("{op}{}/{name}", place.display()),
    }
}

#[test]
fn light_notes_code_alone() {
    let place = folder("light");
    let names = ["a.py", "a.pyc", "b.so", "b.so.1", "c.cpython-311-x.tmp", "data.json", "py"];
    for name in names {
        fs::write(place.join(name), "text").expect("a file");
    }
    let recorded =
        Start::of("cat").arguments(names).arguments(["absent.py"]).folder(&place).light().run();
    let expected: Vec<_> =
        names[..5].iter().map(|name| format!("O{}/{name}", place.display())).collect();
    assert_eq!(recorded.entries, expected);
    assert_eq!(recorded.output.stdout, b"text".repeat(names.len()));
}

const IMPORTS: &str = "
import sys, asyncio, json, ctypes, decimal, package.module
for module in list(sys.modules.values()):
    spec = getattr(module, '__spec__', None)
    if spec is not None and spec.has_location:
        print(spec.cached or spec.origin)
";

/// A folder with a package, and a python's answer to where the modules of `IMPORTS` come from.
fn imported(python: &Path, name: &str, light: bool) -> (Recorded, BTreeSet<String>) {
    let place = folder(name);
    fs::create_dir(place.join("package")).expect("a package");
    fs::write(place.join("package/__init__.py"), "").expect("a package");
    fs::write(place.join("package/module.py"), "answer = 42").expect("a module");
    let start = Start::of(python).arguments(["-c", IMPORTS]).folder(&place);
    let recorded = if light { start.light() } else { start }.run().successful();
    let modules = recorded.text().lines().map(str::to_owned).collect();
    (recorded, modules)
}

#[test]
fn every_imported_module_is_noted() {
    for (number, python) in pythons().iter().enumerate() {
        for light in [true, false] {
            let (recorded, modules) = imported(python, &format!("imports-{number}-{light}"), light);
            assert!(modules.len() > 50, "{modules:?}");
            let missing: Vec<_> = modules
                .iter()
                .filter(|module| !recorded.has(&format!("O{module}")))
                // Bytecode that was only written now: the source has been read.
                .filter(|module| !module.contains("/package/__pycache__/"))
                .collect();
            assert!(missing.is_empty(), "{python:?} light {light}: {missing:?}");
            let source = recorded.entries.iter().filter(|e| e.ends_with("/package/module.py"));
            assert!(source.count() > 0, "the source of a module without bytecode is noted");
            let others = recorded.entries.iter().filter(|entry| !entry.starts_with('O')).count();
            assert_eq!(others == 0, light, "{:?}", recorded.entries);
        }
    }
}

/// The kernel's side of the same start: what is opened without going through a hook is what the
/// loader and libc open by themselves.
#[test]
fn nothing_that_the_kernel_opened_is_missing() {
    let place = folder("kernel");
    let log = place.join("strace");
    if Command::new("strace").arg("-V").output().is_err() {
        eprintln!("strace is not installed: the record is not compared with what it shows");
        return;
    }
    for python in pythons() {
        let script = "import asyncio, json, zoneinfo; open('/etc/passwd').read()";
        let recorded = Start::of(&python).arguments(["-c", script]).strace(&log).run().successful();
        let text = fs::read_to_string(&log).expect("strace leaves a log");
        let opened: BTreeSet<_> = text.lines().filter_map(opened_for_reading).collect();
        let own = ["ld.so.", "locale", "gconv", "localtime"];
        let missing: Vec<_> = opened
            .iter()
            .filter(|path| !own.iter().any(|part| path.contains(part)) && !path.contains(".so"))
            .filter(|path| !recorded.has(&format!("O{path}")))
            .filter(|path| !recorded.has(&format!("D{path}")))
            .collect();
        assert!(opened.len() > 100, "{text}");
        assert!(missing.is_empty(), "{python:?}: {missing:?}");
    }
}

/// The path of a line like `12 openat(AT_FDCWD, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 3`.
fn opened_for_reading(line: &str) -> Option<&str> {
    let (call, result) = line.rsplit_once(" = ")?;
    let mut quoted = call.split('"');
    let path = quoted.nth(1)?;
    let reads = quoted.next()?.contains("O_RDONLY");
    (reads && !result.starts_with('-') && path.starts_with('/')).then_some(path)
}

#[test]
fn what_does_not_fit_is_flagged() {
    let place = folder("overflow");
    let names: Vec<_> = (0..50).map(|number| format!("/absent/{number:04}")).collect();
    // Room for two entries of 14 bytes, and a half.
    let recorded = Start::of("cat").arguments(&names).folder(&place).size(64 + 35).run();
    assert_eq!(recorded.entries, ["N/absent/0000", "N/absent/0001"]);
    assert_eq!(recorded.flags, 2);
    assert_eq!(recorded.used, 50 * 14);
}

#[test]
fn threads_do_not_tear_each_others_entries() {
    let place = folder("threads");
    let recorded = Start::of(program("threads", &place)).size(1 << 22).run().successful();
    let mut noted: Vec<_> = recorded.entries.iter().filter(|e| e.starts_with("N/absent")).collect();
    noted.sort_unstable();
    let expected: BTreeSet<_> = (0..8)
        .flat_map(|thread| (0..2000).map(move |n| format!("N/absent/{thread}/{n}")))
        .collect();
    assert_eq!(noted.len(), expected.len());
    assert!(noted.into_iter().eq(&expected));
}
