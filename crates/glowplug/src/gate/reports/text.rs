//! The report in the terminal.

use super::{known, standing};
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use glowplug_profile::figures;
use glowplug_profile::gate::chain;
use glowplug_profile::gate::report::{EntryReport, Problem, Report, Severity};
use std::path::Path;

/// The report; `root` is the folder that its paths are relative to, where sources are read for the excerpts.
pub fn text(report: &Report, root: &Path, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    let mut text = String::new();
    for entry in &report.entries {
        text.push_str(&head(entry));
        for problem in &entry.problems {
            text.push('\n');
            text.push_str(&show(problem, root, &renderer));
            text.push('\n');
        }
        text.push('\n');
    }
    for note in &report.notes {
        text.push_str(&format!("note: {note}\n"));
    }
    let entries = figures::counted(report.entries.len() as u64, "entry point");
    let (violations, unmeasured) =
        (count(report, Severity::Violation), count(report, Severity::NotMeasured));
    let verdict = report.verdict.name();
    text.push_str(&format!(
        "{verdict}: {entries}, {}, {unmeasured} could not be measured\n",
        figures::counted(violations, "violation")
    ));
    text
}

fn count(report: &Report, severity: Severity) -> u64 {
    report.problems().filter(|(_, problem)| problem.severity == severity).count() as u64
}

fn head(entry: &EntryReport) -> String {
    let mut text =
        format!("{}: {} ({})\n", entry.name, entry.verdict.name(), entry.command.join(" "));
    for one in &entry.figures {
        let shown = standing(one);
        let mut line = format!("  {:<22} {:>12}", one.figure.name(), one.figure.show(one.value));
        if !shown.limit.is_empty() {
            line.push_str(&format!("  of {}", shown.limit));
        }
        if !shown.change.is_empty() {
            line.push_str(&format!("  ({} against the base)", shown.change));
        }
        text.push_str(&line);
        text.push('\n');
    }
    if let Some(time) = &entry.time {
        text.push_str(&format!(
            "  {:<22} {:>9.1} ms  ({:+.1} ms against the base, from {:+.1} to {:+.1}, {} pairs)\n",
            "CPU time",
            time.head_ms,
            time.difference_ms.middle,
            time.difference_ms.low,
            time.difference_ms.high,
            time.pairs
        ));
    }
    for cause in entry.causes.iter().filter(|_| entry.time.as_ref().is_some_and(|t| t.slower)) {
        let what = if cause.new { "new" } else { "dearer" };
        let place = known(cause.place.as_ref());
        let place = place.map(|place| format!(" at {}:{}", place.file, place.line));
        text.push_str(&format!(
            "  {what}: {} +{}{}\n",
            cause.module,
            figures::time(cause.cpu_ns),
            place.unwrap_or_default()
        ));
    }
    text
}

fn show(problem: &Problem, root: &Path, renderer: &Renderer) -> String {
    let level = match problem.severity {
        Severity::Violation => Level::ERROR,
        Severity::NotMeasured => Level::ERROR.with_name("could not measure"),
        Severity::Note => Level::NOTE,
    };
    let source = problem.place.as_ref().and_then(|place| {
        let text = std::fs::read_to_string(root.join(&place.file)).ok()?;
        let span = line_span(&text, place.line)?;
        Some((place.file.as_str(), text, span))
    });
    let mut group = Group::with_title(level.primary_title(problem.message.as_str()));
    match (&source, &problem.place) {
        (Some((file, text, span)), _) => {
            let annotation = AnnotationKind::Primary.span(span.clone()).label("here");
            group =
                group.element(Snippet::source(text.as_str()).path(*file).annotation(annotation));
        }
        (None, Some(place)) if place.line > 0 => {
            group = group.element(Level::NOTE.message(format!("at {}:{}", place.file, place.line)));
        }
        _ => {}
    }
    if !problem.chain.is_empty() {
        group =
            group.element(Level::NOTE.message(format!("chain: {}", chain::show(&problem.chain))));
    }
    group = group.element(Level::HELP.message(problem.help.as_str()));
    renderer.render(&[group]).to_string()
}

/// The bytes of a line without what indents it.
fn line_span(text: &str, line: u32) -> Option<std::ops::Range<usize>> {
    let lines = crate::source::Lines::new(text);
    let line = line as usize;
    let (start, end) = (lines.start_of_line(line), lines.end_of_line(line));
    let whole = text.get(start..end)?;
    let trimmed = whole.trim();
    let from = start + whole.find(trimmed).unwrap_or(0);
    (!trimmed.is_empty()).then_some(from..from + trimmed.len())
}
