//! The interpreter, and what Glowplug has for it.

use super::{Check, Part};
use crate::interpreter::{Interpreter, NotFound, Probe, ProbeError};
use crate::privilege;
use crate::runtime::Runtime;
use glowplug_pythons::Minor;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Says which hooks run before every program: those of `site`, and lines of `.pth` files that import.
const HOOKS: &str = r#"
import os, site, sys
found = [name for name in ("sitecustomize", "usercustomize") if name in sys.modules]
for folder in dict.fromkeys([*site.getsitepackages(), site.getusersitepackages()]):
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        if name.endswith(".pth"):
            with open(os.path.join(folder, name), errors="replace") as lines:
                if any(line.startswith(("import ", "import\t")) for line in lines):
                    found.append(name)
print(*found, sep="\n")
"#;

/// What an interpreter answered when it was asked about itself.
pub struct Asked<'i> {
    interpreter: Result<&'i Interpreter, &'i NotFound>,
    probe: Option<Result<Probe, ProbeError>>,
}

impl<'i> Asked<'i> {
    /// Asks it.
    pub fn of(interpreter: Result<&'i Interpreter, &'i NotFound>) -> Asked<'i> {
        let probe = interpreter.ok().map(|interpreter| interpreter.probe(None));
        Asked { interpreter, probe }
    }

    /// The interpreter's path where programs can be frozen with it.
    pub fn freezable(&self) -> Option<&'i Path> {
        let probe = self.probe.as_ref()?.as_ref().ok()?;
        let interpreter = self.interpreter.ok().filter(|found| !found.is_wrapper)?;
        probe.unsupported_reason().is_none().then_some(&interpreter.path)
    }

    /// The checks of the interpreter and of Glowplug's parts for it.
    pub fn checks(&self, runtime: Option<&Runtime>) -> Vec<Check> {
        let mut checks = vec![self.interpreter()];
        checks.push(self.parts(runtime));
        checks.extend(self.freezable().map(hooks));
        checks
    }

    fn interpreter(&self) -> Check {
        let interpreter = match self.interpreter {
            Ok(interpreter) => interpreter,
            Err(error) => {
                let error = error.to_string();
                let first = error.lines().next().unwrap_or_default();
                return Check::fails("interpreter", first)
                    .so("no program can be started")
                    .help("install Python, or name an interpreter with --python PATH")
                    .affecting(&Part::ALL);
            }
        };
        let path = interpreter.path.display();
        let probe = match &self.probe {
            Some(Ok(probe)) => probe,
            Some(Err(error)) => {
                return Check::fails("interpreter", error.to_string())
                    .so("no program can be started with it")
                    .help("name another interpreter with --python PATH")
                    .affecting(&Part::ALL);
            }
            None => return Check::fails("interpreter", format!("{path}")).affecting(&Part::ALL),
        };
        let found = format!("{} {probe}, {path}", probe.implementation);
        let plainly = |reason: String| {
            Check::fails("interpreter", found.clone())
                .so(format!("programs start plainly: {reason}"))
                .help("name another interpreter with --python PATH")
                .affecting(&[Part::Run, Part::Freeze])
        };
        if interpreter.is_wrapper {
            return plainly("it is a wrapper script, not an interpreter".to_owned());
        }
        match probe.unsupported_reason() {
            Some(reason) => plainly(reason),
            None => match privilege::of_interpreter(&interpreter.program) {
                Some(reason) => plainly(reason.to_owned()),
                None => Check::works("interpreter", found).affecting(&Part::ALL),
            },
        }
    }

    /// Whether Glowplug's own files are there.
    fn parts(&self, runtime: Option<&Runtime>) -> Check {
        let Some(runtime) = runtime else {
            return Check::fails("installation", "the program's own path is not known")
                .so("programs start plainly")
                .help("mount /proc")
                .affecting(&Part::ALL);
        };
        let needed = |path: PathBuf, parts: &'static [Part]| (path, parts);
        let mut files = vec![
            needed(runtime.restorer(), &[Part::Run, Part::Freeze]),
            needed(runtime.recorder(), &[Part::Run, Part::Freeze, Part::Lazy]),
            needed(runtime.collector(), &[Part::Profile]),
        ];
        let extension = self.minor().map(|minor| runtime.extension(minor.number()));
        files.extend(extension.map(|path| needed(path, &[Part::Run, Part::Freeze, Part::Lazy])));
        let missing: Vec<_> = files.iter().filter(|(path, _)| !path.is_file()).collect();
        if missing.is_empty() {
            return Check::works("installation", runtime.folder().display().to_string())
                .affecting(&Part::ALL);
        }
        let names: Vec<String> =
            missing.iter().map(|(path, _)| path.display().to_string()).collect();
        let hit = |part: &Part| missing.iter().any(|(_, parts)| parts.contains(part));
        let parts: Vec<Part> = Part::ALL.into_iter().filter(hit).collect();
        Check::fails("installation", format!("missing: {}", names.join(", ")))
            .so("what needs them starts plainly or not at all")
            .help("install Glowplug again")
            .affecting(&parts)
    }

    fn minor(&self) -> Option<Minor> {
        let probe = self.probe.as_ref()?.as_ref().ok()?;
        let (3, minor, _) = probe.version else { return None };
        Minor::all().find(|known| u32::from(known.number()) == minor)
    }
}

fn hooks(interpreter: &Path) -> Check {
    let output = Command::new(interpreter)
        .args(["-c", HOOKS])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let names: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    let found = match names.as_slice() {
        [] => "none before a program".to_owned(),
        names => format!("{}, in each image", names.join(", ")),
    };
    Check::works("site hooks", found).affecting(&[Part::Run, Part::Freeze])
}
