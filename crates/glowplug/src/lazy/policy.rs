//! The shipped policy: importers of popular packages that must stay eager.

use serde::Deserialize;
use std::sync::LazyLock;

/// The data file. Python's side is generated from it: [`python_source`].
const SOURCE: &str = include_str!("policy.toml");

/// An importer or several of one package, and why they stay eager.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The package.
    pub package: String,
    /// Its importers: names that stand for what is in them as well, or `=name` for a module alone.
    pub importers: Vec<String>,
    /// What kind of thing goes wrong.
    pub kind: crate::lazy::check::CauseKind,
    /// What goes wrong without the entry.
    pub reason: String,
    /// The name of the test that shows it.
    pub test: String,
    /// The CPython on which it shows it, where that is not 3.11.
    pub python: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Policy {
    version: u32,
    #[serde(default)]
    entry: Vec<Entry>,
}

static SHIPPED: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let policy: Policy = toml::from_str(SOURCE).unwrap_or(Policy { version: 0, entry: Vec::new() });
    debug_assert_eq!(policy.version, 1, "policy.toml cannot be read");
    policy.entry
});

/// The entries.
pub fn shipped() -> &'static [Entry] {
    &SHIPPED
}

/// The importers of all entries.
pub fn importers() -> impl Iterator<Item = &'static str> {
    shipped().iter().flat_map(|entry| &entry.importers).map(String::as_str)
}

/// Whether an entry of a policy covers a module.
pub fn covers(entry: &str, module: &str) -> bool {
    match entry.strip_prefix('=') {
        Some(exact) => exact == module,
        None => {
            module.strip_prefix(entry).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        }
    }
}

/// The policy as a Python module, for `glowplug.lazy.install` and for the filter of CPython 3.15: one source for all.
pub fn python_source() -> String {
    let mut source = String::from(
        "\"\"\"Importers that stay eager; generated from crates/glowplug/src/lazy/policy.toml.\"\"\"\n\nEAGER = (\n",
    );
    for importer in importers() {
        source.push_str(&format!("    \"{importer}\",\n"));
    }
    source.push_str(")\n");
    source
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn every_entry_is_whole() {
        assert!(!shipped().is_empty());
        let mut seen = BTreeSet::new();
        for entry in shipped() {
            assert!(entry.reason.ends_with('.') && entry.reason.len() > 40, "{entry:?}");
            assert!(!entry.importers.is_empty(), "{entry:?}");
            for importer in &entry.importers {
                assert!(seen.insert(importer), "{importer} stands there twice");
                assert!(
                    importer.trim_start_matches('=').split('.').next() == Some(&entry.package),
                    "{entry:?}"
                );
            }
        }
    }

    #[test]
    fn every_entry_has_its_test() {
        let tests = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests"));
        for entry in shipped() {
            let is_there = ["lazy/packages/programs", "packages/programs"]
                .iter()
                .any(|folder| tests.join(folder).join(format!("{}.py", entry.test)).is_file());
            assert!(is_there, "no program {}.py for {}", entry.test, entry.package);
        }
    }

    #[test]
    fn entries_cover_what_is_in_them() {
        assert!(covers("a.b", "a.b") && covers("a.b", "a.b.c"));
        assert!(!covers("a.b", "a.bc") && !covers("a.b", "a"));
        assert!(covers("=a.b", "a.b") && !covers("=a.b", "a.b.c"));
    }

    #[test]
    fn the_python_side_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../python/glowplug/lazy/_policy.py");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(
            text,
            python_source(),
            "run `cargo run -p glowplug --example lazy_policy > {path}`"
        );
    }
}
