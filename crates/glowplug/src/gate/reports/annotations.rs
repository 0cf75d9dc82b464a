//! The report as GitHub's workflow commands, which show at the lines of a pull request.

use super::{known, level};
use glowplug_profile::gate::chain;
use glowplug_profile::gate::report::{Problem, Report, Severity};
use std::path::Path;

/// A line for each problem; one without a place of its own is shown at the configuration.
pub fn github(report: &Report, config: &Path) -> String {
    let config = config.to_string_lossy();
    let lines = report.problems().map(|(entry, problem)| line(&entry.name, problem, &config));
    lines.collect()
}

fn line(entry: &str, problem: &Problem, config: &str) -> String {
    let command = match problem.severity {
        Severity::Note => "notice",
        other => level(other),
    };
    let place = known(problem.place.as_ref());
    let (file, line) = place.map_or((config, 1), |place| (place.file.as_str(), place.line));
    let mut message = problem.message.clone();
    if !problem.chain.is_empty() {
        message.push_str(&format!("\nchain: {}", chain::show(&problem.chain)));
    }
    message.push_str(&format!("\nhelp: {}", problem.help));
    format!(
        "::{command} file={},line={line},title={}::{}\n",
        property(file),
        property(&format!("start-up of {entry}")),
        data(&message)
    )
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
