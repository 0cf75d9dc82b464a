//! The report as JUnit's XML: an entry point is a suite, and each kind of problem that it can have a case.

use glowplug_profile::gate::chain;
use glowplug_profile::gate::report::{EntryReport, Problem, ProblemKind, Report, Severity};
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

/// The report; what could not be measured is an error, a violation a failure.
pub fn junit(report: &Report) -> String {
    let mut document = quick_junit::Report::new("glowplug gate");
    document.add_test_suites(report.entries.iter().map(suite));
    document.to_string().expect("quick-junit writes into memory")
}

fn suite(entry: &EntryReport) -> TestSuite {
    let mut suite = TestSuite::new(&entry.name);
    for kind in ProblemKind::ALL {
        let problems: Vec<&Problem> = entry
            .problems
            .iter()
            .filter(|problem| problem.kind == kind && problem.severity != Severity::Note)
            .collect();
        suite.add_test_case(case(entry, kind, &problems));
    }
    suite
}

fn case(entry: &EntryReport, kind: ProblemKind, problems: &[&Problem]) -> TestCase {
    let status = match problems.first() {
        None => TestCaseStatus::success(),
        Some(first) => {
            let how = match first.severity {
                Severity::NotMeasured => NonSuccessKind::Error,
                _ => NonSuccessKind::Failure,
            };
            let mut status = TestCaseStatus::non_success(how);
            let all: Vec<String> = problems.iter().map(|problem| told(problem)).collect();
            status
                .set_message(first.message.as_str())
                .set_type(kind.id())
                .set_description(all.join("\n\n"));
            status
        }
    };
    let mut case = TestCase::new(kind.id(), status);
    case.set_classname(format!("glowplug.gate.{}", entry.name));
    if let Some(place) = problems.first().and_then(|problem| problem.place.as_ref()) {
        case.extra.insert("file".into(), place.file.as_str().into());
        case.extra.insert("line".into(), place.line.to_string().into());
    }
    case
}

fn told(problem: &Problem) -> String {
    let mut text = problem.message.clone();
    if !problem.chain.is_empty() {
        text.push_str(&format!("\nchain: {}", chain::show(&problem.chain)));
    }
    text + "\nhelp: " + &problem.help
}
