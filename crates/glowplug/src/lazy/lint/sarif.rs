//! Findings as SARIF 2.1.0 (<https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>), for code hosts.

use super::{Finding, Rule, Severity};
use serde_json::{Value, json};
use std::path::Path;

/// The findings of some files as one run.
pub fn sarif<'a>(files: impl IntoIterator<Item = (&'a Path, &'a [Finding])>) -> Value {
    let results: Vec<Value> = files
        .into_iter()
        .flat_map(|(path, findings)| findings.iter().map(move |finding| result(path, finding)))
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "glowplug lazy lint",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": Rule::ALL.map(rule),
            }},
            // Columns are counted in characters.
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
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
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(path) },
            "region": { "startLine": finding.line, "startColumn": finding.column },
        }}],
    })
}

/// A path as a URI reference: relative where the path is, with the bytes that a URI cannot hold escaped.
fn uri(path: &Path) -> String {
    use std::fmt::Write;
    let path = path.strip_prefix(".").unwrap_or(path);
    let mut uri = if path.is_absolute() { "file://".to_owned() } else { String::new() };
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(*byte));
            }
            other => {
                let _ = write!(uri, "%{other:02X}");
            }
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_uri_references() {
        assert_eq!(uri(Path::new("./a b/ü.py")), "a%20b/%C3%BC.py");
        assert_eq!(uri(Path::new("/x/y#1.py")), "file:///x/y%231.py");
    }
}
