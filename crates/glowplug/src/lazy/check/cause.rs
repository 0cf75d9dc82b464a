//! Why an importer has to stay eager, told from evidence: what its lazy run complained of, which modules were missing in it, and what
//! importing those does.

use crate::lazy::lint::{self, Effect, EffectKind};
use crate::lazy::record::{Pending, Record};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

/// What it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CauseKind {
    /// A handler of events, signals or hooks is registered by an import.
    Event,
    /// A class makes itself known by being defined.
    Class,
    /// An import fills somebody else's table.
    Registration,
    /// An import replaces a part of another module.
    MonkeyPatch,
    /// An import registers a codec.
    Codec,
    /// An extension module needs others to be loaded.
    Extension,
    /// Modules import each other, and the order matters.
    Cycle,
    /// An import edits the search path.
    SearchPath,
    /// An import changes the process.
    Process,
    /// The importer looks into its own names, or at the loaded modules.
    Inspection,
    /// A module is missing, which whoever imports the importer expects and goes on without it.
    Absence,
    /// The order of imports matters, and nothing says why.
    Order,
}

/// Why an importer has to stay eager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// The importer.
    pub importer: String,
    /// What it is about.
    pub kind: CauseKind,
    /// The module whose import has the effect.
    pub module: Option<String>,
    /// What has the effect, and where, as `name (file:line)`.
    pub what: Option<String>,
    /// What the lazy run complained of.
    pub symptom: Option<String>,
}

/// What is known about one importer.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The importer.
    pub importer: &'a str,
    /// The record of a run in which only this importer was lazy among those that must not be.
    pub lazily: &'a Record,
    /// The record of a run that went well.
    pub well: &'a Record,
    /// What the former complained of.
    pub symptom: Option<&'a str>,
}

/// Tells the cause.
pub fn cause(evidence: &Evidence<'_>) -> Cause {
    let (kind, module, what) = told(evidence);
    Cause {
        importer: evidence.importer.to_owned(),
        kind,
        module,
        what,
        symptom: evidence.symptom.map(str::to_owned),
    }
}

type Told = (CauseKind, Option<String>, Option<String>);

fn told(evidence: &Evidence<'_>) -> Told {
    let symptom = evidence.symptom.unwrap_or_default();
    let missing = missing(evidence);
    let mut effects: Vec<Candidate> =
        missing.iter().flat_map(|module| candidates(module)).collect();
    effects.sort_by_key(|candidate| (candidate.score(symptom), candidate.distance));
    if let Some(extension) =
        missing.iter().find(|module| module.is_extension() && module.distance == 0)
        && speaks_of_attribute(symptom)
    {
        return (CauseKind::Extension, Some(extension.name.clone()), None);
    }
    if symptom.contains("ModuleNotFoundError") {
        return (CauseKind::Absence, quoted(symptom, "named '"), None);
    }
    if speaks_of_cycle(symptom) {
        return (CauseKind::Cycle, quoted(symptom, "module '"), None);
    }
    if let Some(inspection) = inspection(evidence)
        && !effects.iter().any(|candidate| candidate.effect.certain && candidate.distance == 0)
    {
        return (CauseKind::Inspection, None, Some(inspection));
    }
    if let Some(candidate) = effects.into_iter().next() {
        return (
            kind_of(candidate.effect.kind),
            Some(candidate.module.clone()),
            Some(candidate.place()),
        );
    }
    match missing.iter().find(|module| module.is_extension()) {
        Some(extension) => (CauseKind::Extension, Some(extension.name.clone()), None),
        None => (CauseKind::Order, missing.first().map(|module| module.name.clone()), None),
    }
}

/// A module that the good run has loaded, and the bad one has not.
struct Missing<'a> {
    name: String,
    file: Option<&'a Path>,
    /// 0 for what the importer itself imports.
    distance: usize,
}

impl Missing<'_> {
    fn is_extension(&self) -> bool {
        self.file.is_some_and(|file| file.extension().is_some_and(|extension| extension == "so"))
    }
}

/// The missing modules that hang on the importer, those that it imports itself first.
fn missing<'a>(evidence: &Evidence<'a>) -> Vec<Missing<'a>> {
    let (lazily, well) = (&evidence.lazily.loaded, &evidence.well.loaded);
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut found: Vec<Missing<'a>> = Vec::new();
    let mine =
        evidence.lazily.pending.iter().filter(|pending| pending.importer == evidence.importer);
    let mut next: Vec<String> = mine.flat_map(Pending::targets).collect();
    for distance in 0..4 {
        let mut further = Vec::new();
        for name in std::mem::take(&mut next) {
            let Some(file) = well.get(&name) else { continue };
            if !seen.insert(name.clone()) {
                continue;
            }
            let file = file.as_deref();
            let imports = file.map(imports_of).unwrap_or_default();
            further.extend(imports.into_iter().flat_map(|import| absolute(&name, file, &import)));
            if !lazily.contains_key(&name) {
                found.push(Missing { name, file, distance });
            }
        }
        next = further;
    }
    found
}

fn imports_of(file: &Path) -> Vec<(u32, String)> {
    if file.extension().is_none_or(|extension| extension != "py") {
        return Vec::new();
    }
    std::fs::read(file).map(|bytes| lint::imports(&bytes)).unwrap_or_default()
}

/// The names that an import with `level` dots in the module `name` may mean.
fn absolute(name: &str, file: Option<&Path>, import: &(u32, String)) -> Vec<String> {
    let (level, module) = import;
    if *level == 0 {
        return vec![module.clone()];
    }
    let is_package =
        file.is_some_and(|file| file.file_stem().is_some_and(|stem| stem == "__init__"));
    let up = *level as usize - usize::from(is_package);
    let parts: Vec<&str> = name.split('.').collect();
    let Some(kept) = parts.len().checked_sub(up) else { return Vec::new() };
    let parent = parts[..kept].join(".");
    vec![if module.is_empty() { parent } else { format!("{parent}.{module}") }]
}

struct Candidate {
    module: String,
    file: PathBuf,
    distance: usize,
    effect: Effect,
}

impl Candidate {
    /// Smaller is likelier.
    fn score(&self, symptom: &str) -> u8 {
        let symptom = symptom.to_lowercase();
        let fits = match self.effect.kind {
            EffectKind::Event => symptom.contains("event") || symptom.contains("signal"),
            EffectKind::Codec => symptom.contains("encoding") || symptom.contains("codec"),
            EffectKind::Registration => {
                symptom.contains("keyerror")
                    || symptom.contains("lookup")
                    || symptom.contains("regist")
            }
            EffectKind::MonkeyPatch => symptom.contains("attribute"),
            EffectKind::Class => symptom.contains("mapper") || symptom.contains("subclass"),
            EffectKind::SearchPath => symptom.contains("modulenotfound"),
            EffectKind::Process => false,
        };
        match (fits, self.effect.certain, self.distance) {
            (true, true, _) => 0,
            (false, true, 0) => 1,
            (true, false, _) => 2,
            (false, true, _) => 3,
            (false, false, _) => 4,
        }
    }

    fn place(&self) -> String {
        format!("`{}` ({}:{})", self.effect.what, short(&self.module, &self.file), self.effect.line)
    }
}

/// The file of a module from its outermost package on: what is above differs from machine to machine.
fn short(module: &str, file: &Path) -> String {
    let is_package = file.file_stem().is_some_and(|stem| stem == "__init__");
    let parts = module.split('.').count() + usize::from(is_package);
    let kept: Vec<_> = file.iter().rev().take(parts).collect();
    kept.into_iter().rev().collect::<PathBuf>().display().to_string()
}

fn candidates(module: &Missing<'_>) -> Vec<Candidate> {
    let Some(file) = module.file.filter(|file| file.extension().is_some_and(|e| e == "py")) else {
        return Vec::new();
    };
    let Ok(bytes) = std::fs::read(file) else { return Vec::new() };
    let of = |effect| Candidate {
        module: module.name.clone(),
        file: file.to_owned(),
        distance: module.distance,
        effect,
    };
    lint::effects(&bytes).into_iter().map(of).collect()
}

fn kind_of(kind: EffectKind) -> CauseKind {
    match kind {
        EffectKind::Codec => CauseKind::Codec,
        EffectKind::Event => CauseKind::Event,
        EffectKind::Registration => CauseKind::Registration,
        EffectKind::MonkeyPatch => CauseKind::MonkeyPatch,
        EffectKind::SearchPath => CauseKind::SearchPath,
        EffectKind::Process => CauseKind::Process,
        EffectKind::Class => CauseKind::Class,
    }
}

/// What stands in quotes behind some words: `a.b` in `… from partially initialized module 'a.b' …`.
fn quoted(symptom: &str, words: &str) -> Option<String> {
    let (_, behind) = symptom.split_once(words)?;
    behind.split_once('\'').map(|(name, _)| name.to_owned())
}

fn speaks_of_cycle(symptom: &str) -> bool {
    ["partially initialized module", "circular import", "cannot import name", "RecursionError"]
        .iter()
        .any(|words| symptom.contains(words))
}

fn speaks_of_attribute(symptom: &str) -> bool {
    symptom.contains("AttributeError")
        || symptom.contains("ImportError")
        || symptom.contains("SystemError")
}

/// Where the importer looks into its own names or at the loaded modules.
fn inspection(evidence: &Evidence<'_>) -> Option<String> {
    let file = evidence.well.loaded.get(evidence.importer)?.as_deref()?;
    let bytes = std::fs::read(file).ok()?;
    let findings = lint::lint(&bytes, &lint::Context::default()).ok()?;
    let finding = findings.into_iter().find(|finding| {
        matches!(finding.rule, lint::Rule::NamespaceLookup | lint::Rule::LoadedModules)
    })?;
    Some(format!("{}:{}", short(evidence.importer, file), finding.line))
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = self.what.as_deref().unwrap_or_default();
        match &self.module {
            Some(module) => write!(f, "`{}` imports `{module}`, ", self.importer)?,
            None => write!(f, "`{}` ", self.importer)?,
        }
        match self.kind {
            CauseKind::Event => write!(f, "whose import registers an event handler: {what}")?,
            CauseKind::Class => write!(f, "whose import makes a class known to its base: {what}")?,
            CauseKind::Registration => write!(f, "whose import registers something: {what}")?,
            CauseKind::MonkeyPatch => {
                write!(f, "whose import replaces a part of another module: {what}")?
            }
            CauseKind::Codec => write!(f, "whose import registers a codec: {what}")?,
            CauseKind::SearchPath => write!(f, "whose import edits the search path: {what}")?,
            CauseKind::Process => write!(f, "whose import changes the process: {what}")?,
            CauseKind::Extension => {
                f.write_str("an extension module that others in C need loaded")?
            }
            CauseKind::Cycle if self.module.is_some() => {
                f.write_str("which takes part in a cycle of imports that works in one order only")?;
            }
            CauseKind::Cycle => {
                f.write_str("takes part in a cycle of imports that works in one order only")?;
            }
            CauseKind::Inspection => {
                write!(
                    f,
                    "asks which names or modules are there, and pending ones are not: {what}"
                )?;
            }
            CauseKind::Absence => {
                f.write_str(
                    "which is missing: others expect its own import to fail then, and go on",
                )?;
            }
            CauseKind::Order if self.module.is_some() => {
                f.write_str("which the program needs before it names it")?;
            }
            CauseKind::Order => {
                f.write_str("imports something that the program needs before it names it")?
            }
        }
        match &self.symptom {
            Some(symptom) => write!(f, "; lazily: {symptom}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A program of some modules: importer `app`, which imports `target` in vain; says the cause.
    fn cause_of(target: &str, source: &str, symptom: &str) -> Cause {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            Some(path)
        };
        let name = target.split('.').next().unwrap().to_owned();
        let app = write("app.py", &format!("import {name}\n"));
        let file = write(target, source);
        let deeper = write("deeper.py", "import codecs\ncodecs.register(f)\n");
        let well = Record {
            loaded: [
                ("app".to_owned(), app.clone()),
                (name.clone(), file),
                ("deeper".to_owned(), deeper),
            ]
            .into(),
            ..Record::default()
        };
        let lazily = Record {
            loaded: [("app".to_owned(), app)].into(),
            pending: vec![Pending { importer: "app".into(), module: name, names: vec![], line: 1 }],
            ..Record::default()
        };
        cause(&Evidence { importer: "app", lazily: &lazily, well: &well, symptom: Some(symptom) })
    }

    #[test]
    fn effects_of_what_was_not_loaded() {
        let source = "from sqlalchemy import event\n@event.listens_for(X, 'load')\ndef f(): ...\n";
        let cause = cause_of("handlers.py", source, "InvalidRequestError: No such event");
        assert_eq!(cause.kind, CauseKind::Event);
        let text = cause.to_string();
        assert!(
            text.starts_with("`app` imports `handlers`, whose import registers an event handler: "),
            "{text}"
        );
        assert!(
            text.ends_with("handlers.py:2); lazily: InvalidRequestError: No such event"),
            "{text}"
        );
        let kind = |source, symptom| cause_of("m.py", source, symptom).kind;
        assert_eq!(
            kind("import codecs\ncodecs.register(f)\n", "LookupError: unknown encoding: x"),
            CauseKind::Codec
        );
        assert_eq!(
            kind("import mpmath\nmpmath.zeta = f\n", "AttributeError: no zeta"),
            CauseKind::MonkeyPatch
        );
        assert_eq!(kind("from base import Plugin\nclass A(Plugin): ...\n", ""), CauseKind::Class);
        assert_eq!(
            kind("from r import table\ntable['x'] = 1\n", "KeyError: 'x'"),
            CauseKind::MonkeyPatch
        );
        assert_eq!(
            kind("import r\n@r.register\ndef f(): ...\n", "KeyError: 'x'"),
            CauseKind::Registration
        );
        assert_eq!(kind("x = 1\n", "KeyError: 'x'"), CauseKind::Order);
    }

    #[test]
    fn effects_further_down() {
        let cause = cause_of("m.py", "import deeper\n", "LookupError: unknown encoding: x");
        assert_eq!((cause.kind, cause.module.as_deref()), (CauseKind::Codec, Some("deeper")));
    }

    #[test]
    fn extension_modules_and_cycles() {
        let symptom =
            "AttributeError: partially initialized module 'pandas' has no attribute '_CAPI'";
        let cause = cause_of("fast.cpython-311-x86_64-linux-gnu.so", "", symptom);
        assert_eq!((cause.kind, cause.module.as_deref()), (CauseKind::Extension, Some("fast")));
        let cause = cause_of("m.py", "", symptom);
        assert_eq!((cause.kind, cause.module.as_deref()), (CauseKind::Cycle, Some("pandas")));
    }

    #[test]
    fn importers_that_look_at_themselves() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.py");
        fs::write(&path, "from a import b\ndef f(): return globals()['b']\n").unwrap();
        let well = Record { loaded: [("app".to_owned(), Some(path))].into(), ..Record::default() };
        let evidence = Evidence {
            importer: "app",
            lazily: &well,
            well: &well,
            symptom: Some("KeyError: 'b'"),
        };
        assert_eq!(cause(&evidence).kind, CauseKind::Inspection);
    }

    #[test]
    fn modules_that_are_missing() {
        let cause = cause_of("m.py", "", "ModuleNotFoundError: No module named 'olefile'");
        assert_eq!((cause.kind, cause.module.as_deref()), (CauseKind::Absence, Some("olefile")));
    }

    #[test]
    fn files_are_named_from_their_package_on() {
        assert_eq!(short("a.b", Path::new("/x/site-packages/a/b.py")), "a/b.py");
        assert_eq!(short("a.b", Path::new("/x/site-packages/a/b/__init__.py")), "a/b/__init__.py");
        assert_eq!(short("__main__", Path::new("/x/app.py")), "app.py");
    }

    #[test]
    fn relative_imports_are_resolved_as_python_does() {
        let package = Some(Path::new("a/b/__init__.py"));
        assert_eq!(absolute("a.b", package, &(1, "c".into())), ["a.b.c"]);
        assert_eq!(absolute("a.b", Some(Path::new("a/b.py")), &(1, "c".into())), ["a.c"]);
        assert_eq!(absolute("a.b.c", None, &(2, String::new())), ["a"]);
        assert!(absolute("a", None, &(3, "x".into())).is_empty());
    }
}
