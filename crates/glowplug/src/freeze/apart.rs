//! Modules that are kept apart: imported at each start, as plain Python does, since their import acts on the world or keeps
//! something of the moment; and with them what needs them.
//!
//! Each pass starts another interpreter:
//!
//! ```text
//! Whole    everything is imported. If nothing acts, this is the process that is frozen
//! Needs    what acts is kept apart, and tells what needs it; again until nothing does
//! Order    everything is imported once more, to see what can be imported before what is kept apart
//! Rest     that alone is imported: the process that is frozen
//! ```

use super::acts::{Act, Cause};
use super::report::Report;
use crate::inputs::{self, Record};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Most passes for finding out what is to be kept apart.
const MAX_PASSES: usize = 16;

/// A module that is not preloaded, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptApart {
    /// Its name.
    pub module: String,
    /// What its import does, as in "prints".
    pub cause: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Whole,
    Needs,
    Order,
    Rest,
}

/// What is known so far about the modules that are kept apart.
#[derive(Debug, Default)]
pub struct Apart {
    phase: Phase,
    passes: usize,
    modules: BTreeMap<String, Cause>,
    /// All that they do themselves.
    causes: Vec<Cause>,
    /// What can be imported before them, in order; known after the phase `Order`.
    roots: Vec<String>,
    /// What the modules that are kept apart read in the phase `Order`: it decided what can be imported before them.
    read: Option<(Record, Report)>,
    changed: Option<(String, String)>,
    /// What any pass wrote: whether it is there says nothing about the next start.
    written: BTreeSet<PathBuf>,
}

impl Apart {
    /// What was found out by an earlier freeze whose inputs have not changed.
    pub fn known(modules: &[KeptApart], roots: Vec<String>) -> Apart {
        if modules.is_empty() {
            return Apart::default();
        }
        let modules = modules.iter();
        let modules = modules.map(|m| (m.module.clone(), Cause::Known(m.cause.clone()))).collect();
        Apart { phase: Phase::Rest, modules, roots, ..Apart::default() }
    }

    /// Modules that are to be imported at each start, whatever they do.
    pub fn left_out(modules: &[String]) -> Apart {
        let modules: BTreeMap<_, _> =
            modules.iter().map(|name| (name.clone(), Cause::LeftOut)).collect();
        let phase = if modules.is_empty() { Phase::Whole } else { Phase::Needs };
        Apart { phase, modules, ..Apart::default() }
    }

    /// What the modules that are kept apart do themselves.
    pub fn causes(&self) -> impl Iterator<Item = &Cause> {
        self.causes.iter()
    }

    /// The modules that are kept apart.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.modules.keys().map(String::as_str)
    }

    /// Whether they are not imported at all in the next pass.
    pub fn is_blocking(&self) -> bool {
        matches!(self.phase, Phase::Needs | Phase::Rest)
    }

    /// Whether the next pass may find more to keep apart, so that its process may not be the one that is frozen.
    pub fn is_looking(&self) -> bool {
        self.phase != Phase::Rest
    }

    /// What is imported in the next pass in place of the recipe's modules.
    pub fn roots(&self) -> Option<&[String]> {
        (self.phase == Phase::Rest).then_some(&self.roots)
    }

    /// Learns from a pass; `true` where another one is needed.
    pub fn learn(&mut self, acts: &[Act], report: &Report, record: &Record) -> bool {
        self.passes += 1;
        if self.passes > MAX_PASSES {
            return false;
        }
        let written = record.deeds.iter().filter(|deed| matches!(deed.op, b'W' | b'B'));
        self.written.extend(written.map(|deed| PathBuf::from(&deed.name)));
        let mut new = false;
        let acting: Vec<&Act> =
            acts.iter().filter(|act| is_module(&act.module) && !self.has(&act.module)).collect();
        for act in acting {
            self.modules.entry(act.module.clone()).or_insert_with(|| act.cause.clone());
            self.causes.push(act.cause.clone());
            new = true;
        }
        for (importer, module) in &report.needs {
            if !self.has(importer) {
                self.modules.insert(importer.clone(), Cause::Needs(module.clone()));
                new = true;
            }
        }
        if new {
            self.phase = Phase::Needs;
            return true;
        }
        match self.phase {
            Phase::Whole | Phase::Rest => false,
            Phase::Needs => {
                self.phase = Phase::Order;
                true
            }
            Phase::Order => {
                self.roots.clone_from(&report.roots);
                self.changed.clone_from(&report.changed);
                self.read = Some((record.clone(), report.clone()));
                self.phase = Phase::Rest;
                true
            }
        }
    }

    /// Whether a module, or a package that it lies in, is kept apart already.
    pub fn has(&self, module: &str) -> bool {
        let mut name = module;
        loop {
            if self.modules.contains_key(name) {
                return true;
            }
            match name.rsplit_once('.') {
                Some((package, _)) => name = package,
                None => return false,
            }
        }
    }

    /// Adds what the modules that are kept apart read: if they come to do something else, what was imported before them might
    /// have to come after them.
    pub fn add_reads(&self, record: &mut Record, report: &mut Report) {
        let Some((theirs, said)) = &self.read else { return };
        if self.roots.is_empty() {
            return;
        }
        record.add_reads(theirs, &self.written);
        for (folder, stems) in &said.lookups {
            report.lookups.entry(folder.clone()).or_default().extend(stems.iter().cloned());
        }
    }

    /// For people: the modules and why.
    pub fn describe(&self) -> Vec<KeptApart> {
        let modules = self
            .modules
            .iter()
            .map(|(module, cause)| KeptApart { module: module.clone(), cause: cause.to_string() });
        let after = self.changed.iter().map(|(module, what)| KeptApart {
            module: format!("what is imported after {module}"),
            cause: format!("may see that it changes {what}"),
        });
        modules.chain(after).collect()
    }
}

/// Whether this names a module, and not who acts beside them.
fn is_module(name: &str) -> bool {
    !name.is_empty() && name != inputs::STARTING && name != inputs::OWN
}

#[cfg(test)]
mod tests {
    use super::*;

    fn act(module: &str) -> Act {
        Act { module: module.to_owned(), cause: Cause::Prints }
    }

    #[test]
    fn nothing_that_acts_needs_one_pass() {
        let mut apart = Apart::default();
        assert!(!apart.learn(&[], &Report::default(), &Record::default()));
        assert!(apart.roots().is_none() && apart.describe().is_empty());
    }

    #[test]
    fn what_acts_goes_with_what_needs_it() {
        let mut apart = Apart::default();
        let record = Record::default();
        assert!(apart.learn(&[act("app.noisy")], &Report::default(), &record));
        assert!(apart.is_blocking());
        let needs = vec![("app".to_owned(), "app.noisy".to_owned())];
        assert!(apart.learn(&[], &Report { needs, ..Report::default() }, &record));
        assert!(apart.is_blocking(), "what needs `app` is looked for");
        assert!(apart.learn(&[], &Report::default(), &record));
        assert!(!apart.is_blocking(), "the order is looked at");
        let report = Report { roots: vec!["json".to_owned()], ..Report::default() };
        assert!(apart.learn(&[act("app.noisy"), act("app.other")], &report, &record));
        assert_eq!(apart.roots(), Some(&["json".to_owned()][..]));
        assert!(!apart.learn(&[], &Report::default(), &record));
        assert_eq!(apart.names().collect::<Vec<_>>(), ["app", "app.noisy"]);
    }

    #[test]
    fn what_belongs_to_no_module_keeps_none_apart() {
        let mut apart = Apart::default();
        assert!(!apart.learn(&[act("")], &Report::default(), &Record::default()));
    }
}
