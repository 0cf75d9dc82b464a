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
    /// How the names of variables begin that were looked for among all.
    pub prefixes: BTreeSet<Vec<u8>>,
    /// Modules and what their import did: the kind of an act.
    pub acts: Vec<(String, String)>,
    /// The working directory before the imports.
    pub folder: Option<PathBuf>,
    /// Modules that let go of what they hold before a freeze, by hooks.
    pub hooked: BTreeSet<String>,
    /// Modules that set the file mode mask without looking at what it was.
    pub umasks: Vec<String>,
    /// Modules and the one that is kept apart that they need.
    pub needs: Vec<(String, String)>,
    /// Modules that can be imported before those that are kept apart, in order.
    pub roots: Vec<String>,
    /// The module that changed what others see before the last of them, and what it changed.
    pub changed: Option<(String, String)>,
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
                "prefix" => {
                    report.prefixes.insert(note.a.clone());
                }
                "folder" => {
                    report.folder = Some(PathBuf::from(OsString::from_vec(note.a.clone())));
                }
                "hooked" => {
                    report.hooked.insert(text(&note.a));
                }
                "umask" => report.umasks.push(text(&note.a)),
                "act" => report.acts.push((text(&note.a), text(&note.b))),
                "needs" => report.needs.push((text(&note.a), text(&note.b))),
                "root" => report.roots.push(text(&note.a)),
                "entangled" => report.changed = Some((text(&note.a), text(&note.b))),
                _ => {}
            }
        }
        report
    }

    /// The first module that did something of this kind.
    pub fn first(&self, kind: &str) -> Option<&str> {
        let act = self.acts.iter().find(|(module, what)| what == kind && !module.is_empty())?;
        Some(&act.0)
    }

    /// Why the interpreter itself refuses.
    pub fn refusal(&self) -> Option<String> {
        self.refused.first().cloned()
    }
}
