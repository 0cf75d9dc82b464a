//! What the sources of a process's modules say about their imports.

use crate::learn::names_used;
use glowplug_profile::facts::{Facts, ImportFact};
use glowplug_profile::model::Process;
use std::collections::HashSet;

/// Reads the sources that hold the imports which could be worth changing.
pub fn of(process: &Process) -> Facts {
    let total = process.cpu_ns.max(1);
    let worth = |module: u32| process.modules[module as usize].exclusive.cpu_ns * 200 >= total;
    let files: HashSet<&str> = process
        .edges
        .iter()
        .filter(|edge| worth(edge.module) && edge.file.ends_with(".py"))
        .map(|edge| edge.file.as_str())
        .collect();
    let mut facts = Facts::default();
    for file in files {
        let Ok(source) = std::fs::read(file) else { continue };
        let imports: Vec<ImportFact> = names_used(&source, file.ends_with("/__init__.py"));
        facts.add(file, imports);
    }
    facts
}
