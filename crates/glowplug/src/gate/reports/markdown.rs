//! The report as a comment on a pull request.

use super::{known, standing};
use glowplug_profile::figures;
use glowplug_profile::gate::chain;
use glowplug_profile::gate::growth::Cause;
use glowplug_profile::gate::report::{EntryReport, Problem, Report, Severity, Verdict};
use std::fmt::Write;

/// By this line a comment is found again that is to be replaced.
const MARK: &str = "<!-- glowplug gate -->";

/// The report in GitHub's Markdown, which GitLab reads as well.
pub fn markdown(report: &Report) -> String {
    let mut text = format!("{MARK}\n## Start-up: {}\n", headline(report));
    if let (Some(base), Some(head)) = (&report.base, &report.commit) {
        let short = |commit: &str| commit.get(..10).unwrap_or(commit).to_owned();
        let _ = writeln!(text, "\n`{}` against `{}`", short(head), short(base));
    }
    for entry in &report.entries {
        add_entry(&mut text, entry);
    }
    for note in &report.notes {
        let _ = writeln!(text, "\n_{}_", escape(note));
    }
    text
}

fn headline(report: &Report) -> &'static str {
    match report.verdict {
        Verdict::Passed => "within its budgets ✅",
        Verdict::Violated => "over budget ❌",
        Verdict::NotMeasured => "could not be measured ⚠️",
    }
}

fn add_entry(text: &mut String, entry: &EntryReport) {
    let _ = writeln!(text, "\n### `{}` {}", escape_code(&entry.name), entry.verdict.name());
    for problem in &entry.problems {
        add_problem(text, problem);
    }
    if let Some(time) = &entry.time {
        let _ = writeln!(
            text,
            "\nCPU time {:.1} ms, {:+.1} ms against the base (from {:+.1} to {:+.1} ms, {} pairs).",
            time.head_ms,
            time.difference_ms.middle,
            time.difference_ms.low,
            time.difference_ms.high,
            time.pairs
        );
    }
    if !entry.causes.is_empty() {
        let _ =
            writeln!(text, "\n| what came or became dearer | adds | brought by |\n|---|---:|---|");
        entry.causes.iter().for_each(|cause| add_cause(text, cause));
    }
    if !entry.figures.is_empty() {
        let _ = writeln!(
            text,
            "\n<details><summary>Figures</summary>\n\n| figure | value | limit | change |\n|---|---:|---:|---:|"
        );
        for one in &entry.figures {
            let shown = standing(one);
            let value = one.figure.show(one.value);
            let _ = writeln!(
                text,
                "| {} | {value} | {} | {} |",
                one.figure.name(),
                shown.limit,
                shown.change
            );
        }
        let _ = writeln!(text, "\n</details>");
    }
}

fn add_problem(text: &mut String, problem: &Problem) {
    let sign = match problem.severity {
        Severity::Violation => "❌",
        Severity::NotMeasured => "⚠️",
        Severity::Note => "ℹ️",
    };
    let place = known(problem.place.as_ref());
    let place = place.map(|place| format!(" – `{}:{}`", escape_code(&place.file), place.line));
    let _ = writeln!(text, "\n- {sign} {}{}", escape(&problem.message), place.unwrap_or_default());
    if !problem.chain.is_empty() {
        let _ = writeln!(text, "  - chain: `{}`", escape_code(&chain::show(&problem.chain)));
    }
    let _ = writeln!(text, "  - what to do: {}", escape(&problem.help));
}

fn add_cause(text: &mut String, cause: &Cause) {
    let what = if cause.new {
        format!(
            "`{}` ({})",
            escape_code(&cause.module),
            figures::counted(u64::from(cause.modules), "module")
        )
    } else {
        format!("`{}` itself", escape_code(&cause.module))
    };
    let place = known(cause.place.as_ref());
    let by = match place {
        Some(place) => format!("`{}:{}`", escape_code(&place.file), place.line),
        None => cause
            .chain
            .last()
            .map_or(String::new(), |link| format!("`{}`", escape_code(&link.importer))),
    };
    let _ = writeln!(text, "| {what} | {} | {by} |", figures::time(cause.cpu_ns));
}

/// Text in which nothing is markup but code between backquotes.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for (index, part) in text.split('`').enumerate() {
        let is_code = index % 2 == 1;
        if index > 0 {
            escaped.push('`');
        }
        if is_code {
            escaped.push_str(&escape_code(part));
            continue;
        }
        for c in part.chars() {
            match c {
                '\n' => escaped.push_str("<br>"),
                '<' => escaped.push_str("&lt;"),
                '|' | '*' | '_' | '[' | ']' | '#' | '\\' => {
                    escaped.push('\\');
                    escaped.push(c);
                }
                c => escaped.push(c),
            }
        }
    }
    if text.matches('`').count() % 2 == 1 {
        escaped.push('`');
    }
    escaped
}

/// Text between backquotes, also in a table.
fn escape_code(text: &str) -> String {
    text.replace('`', "'").replace(['\n', '\r'], " ").replace('|', "\\|")
}
