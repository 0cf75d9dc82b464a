//! The entries of `sys.path`: which of them slow imports down for nothing.

use crate::figures;
use crate::model::{PathEntry, Place};

/// An entry, as the program had it when its start was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// As it stands in `sys.path`.
    pub path: String,
    /// Whether there is such a folder or archive.
    pub exists: bool,
    /// Whether the interpreter itself puts it there, or it is the first, which is the program's own folder.
    pub is_usual: bool,
    /// Who added it; `None` for what was there before the program began.
    pub added: Option<Place>,
}

/// What is wrong with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// There is no such folder.
    Missing,
    /// It stands there twice.
    Duplicate,
    /// It belongs to tests.
    Tests,
    /// It holds copies of other people's packages.
    Vendored,
    /// No module came from it.
    Useless,
}

/// A fault and what it costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The entry.
    pub path: String,
    /// What is wrong with it.
    pub fault: Fault,
    /// What is wrong, in one sentence, with what it costs.
    pub message: String,
    /// Who added it.
    pub added: Option<Place>,
}

/// Names of folders that belong to tests.
const TESTS: [&str; 5] = ["tests", "test", "testing", "fixtures", "testdata"];
/// Names of folders that hold copies of packages.
const VENDORED: [&str; 6] =
    ["vendor", "_vendor", "vendored", "third_party", "third-party", "external"];

/// Judges entries by what was looked up in them. One fault for each entry: the first that applies.
pub fn findings(entries: &[Entry], lookups: &[PathEntry], root: &str) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for (index, entry) in entries.iter().enumerate().filter(|(_, entry)| !entry.path.is_empty()) {
        let stands_before = || entries[..index].iter().any(|other| other.path == entry.path);
        let looked_up = lookups.iter().find(|known| known.path == entry.path);
        let below_root = entry.path.strip_prefix(root).unwrap_or(&entry.path);
        let has_part = |names: &[&str]| below_root.split('/').any(|part| names.contains(&part));
        let fault = if stands_before() {
            Fault::Duplicate
        } else if entry.is_usual {
            continue;
        } else if !entry.exists {
            Fault::Missing
        } else if has_part(&TESTS) {
            Fault::Tests
        } else if has_part(&VENDORED) {
            Fault::Vendored
        } else if looked_up.is_some_and(|known| known.hits == 0) {
            Fault::Useless
        } else {
            continue;
        };
        let what = match fault {
            Fault::Duplicate => "stands on sys.path twice",
            Fault::Missing => "is on sys.path and does not exist",
            Fault::Tests => "is on sys.path and belongs to tests",
            Fault::Vendored => "is on sys.path and holds vendored packages",
            Fault::Useless => "is on sys.path and provides no module",
        };
        findings.push(Finding {
            path: entry.path.clone(),
            fault,
            message: format!("`{}` {what}; {}", entry.path, cost(fault, looked_up)),
            added: entry.added.clone(),
        });
    }
    findings
}

fn cost(fault: Fault, looked_up: Option<&PathEntry>) -> String {
    match looked_up {
        Some(known) if known.lookups > 0 => format!(
            "{} in it, {} of them in vain, cost {}",
            figures::counted(known.lookups, "lookup"),
            known.lookups - known.hits.min(known.lookups),
            figures::time(if fault == Fault::Vendored { known.wall_ns } else { known.miss_ns })
        ),
        _ => "it was not searched in this start, so it costs one look at the folder".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, exists: bool, is_usual: bool) -> Entry {
        Entry { path: path.to_owned(), exists, is_usual, added: None }
    }

    fn lookups(path: &str, lookups: u64, hits: u64) -> PathEntry {
        PathEntry { path: path.to_owned(), lookups, hits, miss_ns: 1_000_000, wall_ns: 2_000_000 }
    }

    #[test]
    fn each_fault_is_found_and_priced() {
        let entries = [
            entry("/app", true, true),
            entry("/usr/lib/python311.zip", false, true),
            entry("/gone", false, false),
            entry("/app/tests/data", true, false),
            entry("/app/vendor", true, false),
            entry("/srv/empty", true, false),
            entry("/srv/good", true, false),
            entry("/srv/good", true, false),
        ];
        let searched = [
            lookups("/srv/empty", 40, 0),
            lookups("/srv/good", 9, 8),
            lookups("/app/vendor", 3, 1),
        ];
        let found: Vec<(String, Fault)> = findings(&entries, &searched, "/app")
            .into_iter()
            .map(|finding| (finding.path, finding.fault))
            .collect();
        let wanted = [
            ("/gone", Fault::Missing),
            ("/app/tests/data", Fault::Tests),
            ("/app/vendor", Fault::Vendored),
            ("/srv/empty", Fault::Useless),
            ("/srv/good", Fault::Duplicate),
        ];
        assert_eq!(found, wanted.map(|(path, fault)| (path.to_owned(), fault)));
        let priced = findings(&entries, &searched, "/app").remove(3).message;
        assert!(priced.contains("40 lookups") && priced.contains("1.0 ms"), "{priced}");
    }

    #[test]
    fn the_folder_above_the_project_does_not_count() {
        let entries = [entry("/home/tests/app/src", true, false)];
        assert_eq!(findings(&entries, &[], "/home/tests/app"), []);
    }
}
