//! What to do: changes to imports, with what each would save.

use crate::costs::removal::{self, Removal};
use crate::costs::{Dominators, Own};
use crate::facts::{Facts, NameUse};
use crate::figures;
use crate::model::{
    Bytecode, Edge, EdgeKind, Finding, FindingKind, ModuleKind, Outcome, Place, Process, Saving,
    Usage,
};

/// A saving is worth a mention from this many nanoseconds of CPU time on, if it is also a part of the whole.
const LEAST_NS: u64 = 500_000;
/// The part of the process's CPU time, as a divisor.
const LEAST_PART: u64 = 200;

/// All findings of a process whose costs have been derived, the greatest saving first.
pub fn of(process: &Process, facts: &Facts) -> Vec<Finding> {
    let least = LEAST_NS.max(process.cpu_ns / LEAST_PART);
    let mut findings = imports(process, facts, least);
    findings.extend(path_entries(process, least / 2));
    findings.extend(bytecode(process, least));
    findings.extend(failed(process, least));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.saving.cpu_ns));
    findings
}

/// Imports that could be changed. What is only loaded because of one that is listed is not listed by itself.
fn imports(process: &Process, facts: &Facts, least: u64) -> Vec<Finding> {
    let graph = Graph { dominators: Dominators::of(process), removal: Removal::of(process) };
    let mut candidates: Vec<u32> = (1..process.modules.len() as u32)
        .filter(|&index| process.modules[index as usize].exclusive.cpu_ns >= least)
        .collect();
    candidates
        .sort_by_key(|&index| std::cmp::Reverse(process.modules[index as usize].exclusive.cpu_ns));
    let mut findings: Vec<Finding> = Vec::new();
    for module in candidates {
        let covered = findings.iter().any(|found| found.modules.contains(&module));
        if !covered {
            findings.extend(import(process, facts, &graph, module, least));
        }
    }
    findings
}

/// What the import graph is asked by.
struct Graph<'a> {
    dominators: Dominators,
    removal: Removal<'a>,
}

fn import(
    process: &Process,
    facts: &Facts,
    graph: &Graph,
    module: u32,
    least: u64,
) -> Option<Finding> {
    let into = process.edges.iter().filter(|edge| edge.module == module);
    // Imports from what only this module brings in would go with it.
    let edges: Vec<&Edge> =
        into.filter(|edge| !graph.dominators.dominates(module, edge.importer)).collect();
    if edges.is_empty() {
        return None;
    }
    if edges.iter().all(|edge| edge.kind == EdgeKind::Package) {
        return split(process, &graph.dominators, module, &edges, least);
    }
    // To be without a package is to be without what is in it: imports of that count as well.
    let within = graph.removal.within(module);
    let lost = graph.removal.lost(module);
    let statements: Vec<&Edge> = process
        .edges
        .iter()
        .filter(|edge| edge.kind != EdgeKind::Package && within.contains(&edge.module))
        .filter(|edge| !lost.contains(&edge.importer))
        .collect();
    if statements.is_empty() {
        return None;
    }
    let name = &process.modules[module as usize].name;
    let (kind, title, detail) = advice(process, facts, module, &statements)?;
    Some(Finding {
        kind,
        title: title.replace("{}", name),
        detail,
        modules: lost,
        places: places(&statements),
        saving: process.modules[module as usize].exclusive,
    })
}

fn advice(
    process: &Process,
    facts: &Facts,
    module: u32,
    edges: &[&Edge],
) -> Option<(FindingKind, &'static str, String)> {
    let of = |edge: &Edge| facts.of(&edge.file, edge.line).map(|fact| &fact.used);
    let all = |test: fn(&NameUse) -> bool| edges.iter().all(|edge| of(edge).is_some_and(test));
    let found = &process.modules[module as usize];
    if edges.iter().all(|edge| edge.kind == EdgeKind::Star) {
        let detail = "a star import takes everything at once: name what is used, so that it can be imported late";
        return Some((
            FindingKind::StarImport,
            "replace `from {} import *` by names",
            detail.to_owned(),
        ));
    }
    if all(|used| *used == NameUse::Nowhere) {
        let detail = "the source uses none of the names that the import binds".to_owned();
        return Some((FindingKind::Drop, "drop the import of {}", detail));
    }
    if all(|used| matches!(used, NameUse::Annotations | NameUse::Nowhere)) {
        let detail = "only annotations use it: import it under `if TYPE_CHECKING:`".to_owned();
        return Some((FindingKind::AnnotationsOnly, "import {} for type checkers alone", detail));
    }
    if let ([edge], true) = (edges, all(|used| matches!(used, NameUse::Functions(1, _))))
        && let Some(NameUse::Functions(_, function)) = of(edge)
    {
        let detail = format!("only `{function}` uses it{}", so_did_this_run(found.usage));
        return Some((
            FindingKind::ImportInFunction,
            "import {} in the function that needs it",
            detail,
        ));
    }
    let at_load = edges.iter().any(|edge| of(edge) == Some(&NameUse::AtLoad));
    let in_sources = edges.iter().any(|edge| edge.line > 0);
    if found.usage == Usage::Unused && in_sources && !at_load {
        let detail = "nothing of it was used in this run after its import".to_owned();
        return Some((FindingKind::MakeLazy, "make the import of {} lazy", detail));
    }
    if all(|used| !matches!(used, NameUse::AtLoad)) {
        let detail = format!(
            "only functions use it, so it can be loaded when the first of them is called{}",
            so_did_this_run(found.usage)
        );
        return Some((FindingKind::MakeLazy, "make the import of {} lazy", detail));
    }
    None
}

/// What an import that waits for its use does not save.
fn so_did_this_run(usage: Usage) -> &'static str {
    if usage == Usage::Used { "; this run used it" } else { "" }
}

/// A package that is only loaded since something in it is wanted.
fn split(
    process: &Process,
    dominators: &Dominators,
    module: u32,
    edges: &[&Edge],
    least: u64,
) -> Option<Finding> {
    let package = &process.modules[module as usize];
    // What is wanted of it has to stay.
    let wanted: u64 = edges
        .iter()
        .filter(|edge| !dominators.dominates(module, edge.importer))
        .map(|edge| process.modules[edge.importer as usize].own.cpu_ns)
        .sum();
    // Its modules stay, so this is less than its exclusive cost.
    let lost = dominators.dominated(module);
    let saving = removal::saving(&Own::of(process), &lost);
    if saving.cpu_ns < least || saving.modules < 2 || wanted > saving.cpu_ns * 10 {
        return None;
    }
    Some(Finding {
        kind: FindingKind::Split,
        title: format!("split {}", package.name),
        detail: format!(
            "only modules within it are imported, but its own body and {} run as well",
            figures::counted(u64::from(saving.modules) - 1, "module")
        ),
        modules: lost,
        places: places(edges),
        saving,
    })
}

fn places(edges: &[&Edge]) -> Vec<Place> {
    let known = edges.iter().filter(|edge| edge.line > 0);
    let mut places: Vec<Place> =
        known.map(|edge| Place { file: edge.file.clone(), line: edge.line }).collect();
    places.sort();
    places.dedup();
    places
}

/// Entries of `sys.path` that were searched for nothing.
fn path_entries(process: &Process, least: u64) -> Vec<Finding> {
    let useless =
        process.path_entries.iter().filter(|entry| entry.hits == 0 && entry.miss_ns >= least);
    useless
        .map(|entry| Finding {
            kind: FindingKind::PathEntry,
            title: format!("take {} off sys.path, or move it to the end", entry.path),
            detail: format!("{} in it found nothing", figures::counted(entry.lookups, "lookup")),
            modules: Vec::new(),
            places: Vec::new(),
            saving: Saving {
                cpu_ns: entry.miss_ns,
                wall_ns: entry.miss_ns,
                rss_bytes: 0,
                modules: 0,
            },
        })
        .collect()
}

/// Modules that were compiled.
fn bytecode(process: &Process, least: u64) -> Option<Finding> {
    let compiled: Vec<u32> = (0..process.modules.len() as u32)
        .filter(|&index| {
            matches!(process.modules[index as usize].bytecode, Bytecode::Missing | Bytecode::Stale)
        })
        .collect();
    let mut saving = Saving::default();
    for &index in &compiled {
        let spent = process.modules[index as usize].phases.compile;
        saving += Saving { cpu_ns: spent.cpu_ns, wall_ns: spent.wall_ns, rss_bytes: 0, modules: 0 };
    }
    (saving.cpu_ns >= least).then(|| Finding {
        kind: FindingKind::Bytecode,
        title: format!("compile {} ahead", figures::counted(compiled.len() as u64, "module")),
        detail: "their cached bytecode is missing or stale: run `python -m compileall`, and let it be written".to_owned(),
        modules: compiled,
        places: Vec::new(),
        saving,
    })
}

/// Imports that fail every time.
fn failed(process: &Process, least: u64) -> Vec<Finding> {
    let indices = 1..process.modules.len() as u32;
    let fails = |index: &u32| {
        let module = &process.modules[*index as usize];
        let missing = module.kind == ModuleKind::Missing && module.outcome == Outcome::NotFound;
        missing && module.cumulative.cpu_ns >= least
    };
    indices
        .filter(fails)
        .map(|index| {
            let module = &process.modules[index as usize];
            let edges: Vec<&Edge> =
                process.edges.iter().filter(|edge| edge.module == index).collect();
            Finding {
                kind: FindingKind::FailedImport,
                title: format!("do not look for {}", module.name),
                detail: "it is not there, and looking for it costs each time".to_owned(),
                modules: vec![index],
                places: places(&edges),
                saving: module.exclusive,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::ImportFact;
    use crate::{costs, sample};

    fn found(used: NameUse) -> Vec<(FindingKind, String)> {
        let mut process = sample::process();
        for module in &mut process.modules {
            module.usage = Usage::Unknown;
        }
        costs::derive(&mut process);
        let mut facts = Facts::default();
        let edge =
            process.edges.iter().find(|edge| edge.module == 3).expect("web.openapi is imported");
        facts.add(&edge.file, vec![ImportFact { line: edge.line, used }]);
        of(&process, &facts).into_iter().map(|finding| (finding.kind, finding.title)).collect()
    }

    #[test]
    fn the_source_decides_what_to_do() {
        let cases = [
            (NameUse::Nowhere, FindingKind::Drop),
            (NameUse::Annotations, FindingKind::AnnotationsOnly),
            (NameUse::Functions(1, "f".into()), FindingKind::ImportInFunction),
            (NameUse::Functions(2, "f".into()), FindingKind::MakeLazy),
        ];
        for (used, kind) in cases {
            let found = found(used);
            assert!(
                found.iter().any(|(k, title)| *k == kind && title.contains("web.openapi")),
                "{found:?}"
            );
        }
        assert!(!found(NameUse::AtLoad).iter().any(|(_, title)| title.contains("web.openapi")));
    }

    #[test]
    fn an_entry_that_found_nothing_has_its_price() {
        let process = sample::process();
        let findings = of(&process, &Facts::default());
        let entry = findings.iter().find(|f| f.kind == FindingKind::PathEntry).expect("/srv/empty");
        assert_eq!(entry.saving.cpu_ns, 3_000_000);
        assert!(entry.title.contains("/srv/empty"));
    }
}
