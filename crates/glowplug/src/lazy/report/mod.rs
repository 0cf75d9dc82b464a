//! What lazy imports have brought to a run.

mod measure;
mod text;

pub use measure::{Cost, measure};
pub use text::text;

use crate::lazy::record::{Load, Record};
use std::collections::{BTreeMap, BTreeSet};

/// What a first use must cost to be named among what a first request pays, nanoseconds.
const WORTH_NAMING_NS: u64 = 1_000_000;

/// A module whose import was lazy in vain or for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unused {
    /// The module.
    pub module: String,
    /// Who imports it, and on which line.
    pub importers: Vec<(String, u32)>,
}

/// What a record shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many modules were loaded.
    pub loaded: usize,
    /// First uses, the dearest first.
    pub loads: Vec<Load>,
    /// First uses by code that runs while a module is imported: their imports might as well be eager.
    pub pointless: Vec<Load>,
    /// Lazy imports of modules that were never loaded.
    pub unused: Vec<Unused>,
    /// First uses in functions that took long: somebody's first request pays for them.
    pub first_calls: Vec<Load>,
}

impl Report {
    /// Sums up a record.
    pub fn of(record: &Record) -> Report {
        let mut loads = record.loads.clone();
        loads.sort_by_key(|load| std::cmp::Reverse(load.ns));
        let pointless = loads.iter().filter(|load| load.is_at_import()).cloned().collect();
        let dear = |load: &&Load| load.depth == 0 && load.ns >= WORTH_NAMING_NS;
        let first_calls =
            loads.iter().filter(|load| !load.is_at_import()).filter(dear).cloned().collect();
        Report { loaded: loaded(record), pointless, unused: unused(record), first_calls, loads }
    }

    /// The modules of first calls, for `warm`.
    pub fn warm(&self) -> Vec<&str> {
        let mut seen = BTreeSet::new();
        self.first_calls
            .iter()
            .map(|load| load.module.as_str())
            .filter(|name| seen.insert(*name))
            .collect()
    }
}

fn loaded(record: &Record) -> usize {
    record.loaded.len()
}

/// Modules that were pending and never loaded, by name. An attribute that a `from` import names is no module of its own unless it was
/// loaded as one, so that the module that it is imported from stands for it.
fn unused(record: &Record) -> Vec<Unused> {
    let used: BTreeSet<&str> = record.loads.iter().map(|load| load.module.as_str()).collect();
    let mut unused: BTreeMap<&str, Vec<(String, u32)>> = BTreeMap::new();
    for pending in &record.pending {
        let module = pending.module.as_str();
        if !used.contains(module) && !record.loaded.contains_key(module) {
            unused.entry(module).or_default().push((pending.importer.clone(), pending.line));
        }
    }
    unused
        .into_iter()
        .map(|(module, importers)| Unused { module: module.to_owned(), importers })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lazy::record::Pending;

    fn load(module: &str, ns: u64, function: &str, depth: u32) -> Load {
        Load {
            importer: "app".into(),
            module: module.into(),
            name: module.into(),
            depth,
            modules: 3,
            ns,
            file: Some("/x/app.py".into()),
            line: 7,
            function: Some(function.into()),
            stack: vec![],
        }
    }

    fn record() -> Record {
        let pending = |module: &str| Pending {
            importer: "app".into(),
            module: module.into(),
            names: vec![],
            line: 1,
        };
        Record {
            pending: ["json", "numpy", "pandas", "never", "eager"].map(pending).into(),
            loads: vec![
                load("json", 2_000_000, "<module>", 0),
                load("numpy", 90_000_000, "view", 1),
                load("pandas", 200_000_000, "view", 0),
                load("small", 1000, "view", 0),
            ],
            loaded: ["json", "numpy", "pandas", "eager"].map(|name| (name.to_owned(), None)).into(),
        }
    }

    #[test]
    fn loads_are_told_apart() {
        let report = Report::of(&record());
        let names =
            |loads: &[Load]| loads.iter().map(|load| load.module.clone()).collect::<Vec<_>>();
        assert_eq!(names(&report.loads), ["pandas", "numpy", "json", "small"]);
        assert_eq!(names(&report.pointless), ["json"]);
        assert_eq!(names(&report.first_calls), ["pandas"]);
        assert_eq!(report.warm(), ["pandas"]);
        assert_eq!(
            report.unused.iter().map(|one| one.module.as_str()).collect::<Vec<_>>(),
            ["never"]
        );
    }

    #[test]
    fn the_text_says_all_of_it() {
        let cost =
            Cost { module: "never".into(), ns: 3_000_000, modules: 5, bytes: 2 << 20, error: None };
        let text = text(&Report::of(&record()), &[cost]);
        for line in [
            "4 modules loaded, 9 if all imports were eager",
            "saved: 3.0 ms, 2.0 MiB",
            "  200.0 ms  3 modules  pandas  first used by view (/x/app.py:7)",
            "always loaded at start-up",
            "never used",
            "  3.0 ms  5 modules  never  imported by app:1",
            "the first call of `view` (/x/app.py:7) pays 200.0 ms for `pandas`",
            "warm = [\"pandas\"]",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn a_run_without_anything_lazy_has_a_short_report() {
        let text = text(&Report::default(), &[]);
        assert!(text.contains("no import was lazy"), "{text}");
    }
}
