//! What a run with lazy imports has noted: what became pending, what was loaded by whose first use, and what was there at the end.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// An import statement whose names became pending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The module that the statement stands in.
    pub importer: String,
    /// The module that it names, absolute.
    pub module: String,
    /// The names behind `from … import`.
    pub names: Vec<String>,
    /// The line of the statement, from 1; 0 where it is not known.
    pub line: u32,
}

impl Pending {
    /// The modules that it may load: the one that it names and, as each name may be a submodule, those.
    pub fn targets(&self) -> Vec<String> {
        let submodules = self.names.iter().map(|name| format!("{}.{name}", self.module));
        std::iter::once(self.module.clone()).chain(submodules).collect()
    }
}

/// The record of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Statements whose names became pending, in order.
    pub pending: Vec<Pending>,
    /// The modules that were loaded in the end, with their files.
    pub loaded: BTreeMap<String, Option<PathBuf>>,
}
