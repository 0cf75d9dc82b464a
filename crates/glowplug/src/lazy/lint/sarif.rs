//! Findings as SARIF, for code hosts.

use super::{Finding, Rule, Severity};
use crate::sarif;
use serde_json::{Value, json};
use std::path::Path;

/// The findings of some files as one run.
pub fn sarif<'a>(files: impl IntoIterator<Item = (&'a Path, &'a [Finding])>) -> Value {
    let results: Vec<Value> = files
        .into_iter()
        .flat_map(|(path, findings)| findings.iter().map(move |finding| result(path, finding)))
        .collect();
    sarif::log("glowplug lazy lint", Rule::ALL.map(rule).into(), results)
}

fn rule(rule: Rule) -> Value {
    json!({
        "id": rule.id(),
        "shortDescription": { "text": rule.summary() },
        "defaultConfiguration": { "level": level(rule.severity()) },
    })
}

fn level(severity: Severity) -> &'static str {
    severity.name()
}

fn result(path: &Path, finding: &Finding) -> Value {
    json!({
        "ruleId": finding.rule.id(),
        "ruleIndex": Rule::ALL.iter().position(|rule| *rule == finding.rule),
        "level": level(finding.rule.severity()),
        "message": { "text": format!("{}; {}", finding.message, finding.help) },
        "locations": [sarif::location(path, finding.line, finding.column)],
    })
}
