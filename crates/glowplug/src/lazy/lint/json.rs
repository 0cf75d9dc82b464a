//! Findings as JSON: one object with a version, for programs.

use super::Finding;
use serde_json::{Value, json};
use std::path::Path;

/// Version of the format; it changes where a field changes its meaning or goes.
const VERSION: u32 = 1;

/// The findings of some files.
pub fn json<'a>(files: impl IntoIterator<Item = (&'a Path, &'a [Finding])>) -> Value {
    let findings: Vec<Value> = files
        .into_iter()
        .flat_map(|(path, findings)| findings.iter().map(move |finding| one(path, finding)))
        .collect();
    json!({ "version": VERSION, "findings": findings })
}

fn one(path: &Path, finding: &Finding) -> Value {
    json!({
        "rule": finding.rule.id(),
        "severity": finding.rule.severity().name(),
        "path": path.to_string_lossy(),
        "line": finding.line,
        "column": finding.column,
        "message": finding.message,
        "help": finding.help,
    })
}
