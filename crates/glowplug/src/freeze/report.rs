//! What the interpreter that is frozen says about its imports.

use super::conversation::Note;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// What a preloading interpreter told the freezer.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Reasons of its own to refuse.
    pub refused: Vec<String>,
    /// Where hooks were called: bytes that the imports had printed until then.
    pub printed: Option<usize>,
    /// Modules that were loaded, in order.
    pub modules: Vec<String>,
    /// Folders in which finders looked, and the stems that they looked for.
    pub lookups: BTreeMap<PathBuf, BTreeSet<String>>,
    /// Environment variables that were read through `os.environ`.
    pub names: BTreeSet<Vec<u8>>,
    /// Modules that took the environment as a whole.
    pub copied: Vec<String>,
    /// Modules after whose import there were more descriptors.
    pub opened: Vec<String>,
    /// Modules after whose import there were more threads.
    pub started: Vec<String>,
    /// Modules after whose import there were more child processes.
    pub spawned: Vec<String>,
    /// Modules after whose import there was more shared, writable memory.
    pub shared: Vec<String>,
}

impl Report {
    /// Sorts notes into a report.
    pub fn parse(notes: &[Note]) -> Report {
        let mut report = Report::default();
        for note in notes {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            match note.kind.as_str() {
                "refused" => report.refused.push(text(&note.a)),
                "module" => report.modules.push(text(&note.a)),
                "lookup" => {
                    let folder = PathBuf::from(OsString::from_vec(note.a.clone()));
                    report.lookups.entry(folder).or_default().insert(text(&note.b));
                }
                "name" => {
                    report.names.insert(note.a.clone());
                }
                "printed" => report.printed = text(&note.a).parse().ok(),
                "copied" => report.copied.push(text(&note.a)),
                "grew" if note.a == b"descriptor" => report.opened.push(text(&note.b)),
                "grew" if note.a == b"thread" => report.started.push(text(&note.b)),
                "grew" if note.a == b"child" => report.spawned.push(text(&note.b)),
                "grew" if note.a == b"shared" => report.shared.push(text(&note.b)),
                _ => {}
            }
        }
        report
    }

    /// Why the interpreter itself refuses, or what it did that cannot be repeated.
    pub fn refusal(&self) -> Option<String> {
        if let Some(reason) = self.refused.first() {
            return Some(reason.clone());
        }
        let module = self.copied.first()?;
        Some(format!("module `{module}` reads the whole environment when it is imported"))
    }
}
