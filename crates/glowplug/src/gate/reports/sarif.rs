//! The report as SARIF.

use super::{known, level};
use crate::sarif;
use glowplug_profile::gate::chain::Link;
use glowplug_profile::gate::report::{EntryReport, Problem, ProblemKind, Report};
use serde_json::{Value, json};
use std::path::Path;

/// The report; a problem without a place of its own is shown at the configuration.
pub fn sarif(report: &Report, config: &Path) -> Value {
    let results = report.problems().map(|(entry, problem)| result(entry, problem, config));
    sarif::log("glowplug gate", ProblemKind::ALL.map(rule).into(), results.collect())
}

fn rule(kind: ProblemKind) -> Value {
    json!({
        "id": kind.id(),
        "shortDescription": { "text": kind.summary() },
        "defaultConfiguration": { "level": "error" },
    })
}

fn result(entry: &EntryReport, problem: &Problem, config: &Path) -> Value {
    let place = known(problem.place.as_ref());
    let location = match place {
        Some(place) => sarif::location(Path::new(&place.file), place.line, 1),
        None => sarif::location(config, 1, 1),
    };
    let mut result = json!({
        "ruleId": problem.kind.id(),
        "ruleIndex": ProblemKind::ALL.iter().position(|kind| *kind == problem.kind),
        "level": level(problem.severity),
        "message": { "text": format!("{}: {}; {}", entry.name, problem.message, problem.help) },
        "locations": [location],
    });
    let flow: Vec<Value> = problem.chain.iter().filter_map(step).collect();
    if !flow.is_empty() {
        result["codeFlows"] = json!([{ "threadFlows": [{ "locations": flow }] }]);
    }
    result
}

/// An import of the chain, as a step of the way to the module.
fn step(link: &Link) -> Option<Value> {
    if link.line == 0 || link.file.is_empty() || link.file.starts_with('<') {
        return None;
    }
    let mut location = sarif::location(Path::new(&link.file), link.line, 1);
    location["message"] = json!({ "text": format!("{} imports {}", link.importer, link.module) });
    Some(json!({ "location": location }))
}
