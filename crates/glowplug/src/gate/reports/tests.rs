//! One report in every form.

use super::*;
use glowplug_profile::gate::budget::Figure;
use glowplug_profile::gate::chain::Link;
use glowplug_profile::gate::report::{EntryReport, Problem, ProblemKind, Verdict};
use std::path::Path;

fn report() -> Report {
    let link = |importer: &str, module: &str, line| Link {
        importer: importer.into(),
        module: module.into(),
        file: format!("{importer}.py"),
        line,
    };
    let chain = vec![link("app", "app_report", 2), link("app_report", "pandas", 7)];
    let message = "`pandas` is loaded, 100% <b>|x|".to_owned();
    let problem = Problem::violation(ProblemKind::Forbidden, message, "drop it".to_owned());
    let mut entry = EntryReport {
        name: "cli".into(),
        command: vec!["python".into(), "app.py".into()],
        verdict: Verdict::Passed,
        figures: vec![FigureReport {
            figure: Figure::Modules,
            value: 60,
            limit: Some(50),
            base: Some(40),
        }],
        time: None,
        causes: Vec::new(),
        problems: vec![
            problem.through(chain),
            Problem::not_measured("no valgrind".into(), "install it".into()),
        ],
    };
    entry.judge();
    Report::new(vec![entry])
}

#[test]
fn the_terminal_shows_source_chain_and_help() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("app_report.py"), "\n\n\n\n\n\n  import pandas\n").unwrap();
    let text = text(&report(), folder.path(), false);
    for part in [
        "cli: violated (python app.py)",
        "modules imported                 60  of 50  (+50% against the base)",
        "error: `pandas` is loaded",
        "--> app_report.py:7:3",
        "import pandas",
        "chain: app (app.py:2) -> app_report (app_report.py:7) -> pandas",
        "help: drop it",
        "could not measure: no valgrind",
        "violated: 1 entry point, 1 violation, 1 could not be measured",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn markdown_says_what_whose_and_what_to_do() {
    let text = markdown(&report());
    for part in [
        "over budget",
        "`app_report.py:7`",
        "chain: `app (app.py:2)",
        "what to do: drop it",
        "| 60 | 50 | +50% |",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(text.contains("100% &lt;b>\\|x\\|"), "{text}");
}

#[test]
fn junit_tells_failures_from_errors() {
    let text = junit(&report());
    assert!(
        text.contains("tests=\"9\"")
            && text.contains("failures=\"1\"")
            && text.contains("errors=\"1\""),
        "{text}"
    );
    assert!(text.contains("type=\"start-forbidden-module\""), "{text}");
    let document = roxmltree::Document::parse(&text).unwrap();
    assert_eq!(document.descendants().filter(|node| node.has_tag_name("failure")).count(), 1);
}

#[test]
fn sarif_has_places_and_the_way_there() {
    let value = sarif(&report(), Path::new("pyproject.toml"));
    let results = value["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results[0]["locations"][0]["physicalLocation"]["region"]["startLine"], 7);
    assert_eq!(
        results[0]["codeFlows"][0]["threadFlows"][0]["locations"].as_array().unwrap().len(),
        2
    );
    assert_eq!(
        results[1]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
        "pyproject.toml"
    );
}

#[test]
fn annotations_are_one_line_each() {
    let text = github(&report(), Path::new("pyproject.toml"));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(
        lines[0].starts_with("::error file=app_report.py,line=7,title=start-up of cli::"),
        "{text}"
    );
    assert!(lines[0].contains("100%25") && lines[0].contains("%0Achain: "), "{text}");
}

#[test]
fn json_names_its_format() {
    let value: serde_json::Value = serde_json::from_str(&json(&report())).unwrap();
    assert_eq!(value["format"], "glowplug-gate");
    assert_eq!(value["verdict"], "violated");
    assert_eq!(value["entries"][0]["problems"][0]["kind"], "forbidden");
}
