//! Findings as text with the source around them, for people.

use super::{Finding, Severity};
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::path::Path;

/// The findings in one file; empty where there are none. `colour` is for terminals.
pub fn text(path: &Path, source: &str, findings: &[Finding], colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    let path = path.to_string_lossy();
    let mut text = String::new();
    for finding in findings {
        text.push_str(&renderer.render(&[group(&path, source, finding)]));
        text.push_str("\n\n");
    }
    text
}

fn group<'a>(path: &'a str, source: &'a str, finding: &'a Finding) -> Group<'a> {
    let level = match finding.rule.severity() {
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    // A long statement is told by its first line.
    let end = source.get(finding.range.clone()).and_then(|marked| marked.find(['\n', '\r']));
    let end = end.map_or(finding.range.end, |len| finding.range.start + len);
    let span = finding.range.start..end.min(source.len());
    let snippet = Snippet::source(source)
        .path(path)
        .annotation(AnnotationKind::Primary.span(span).label(finding.rule.id()));
    level
        .primary_title(finding.message.as_str())
        .element(snippet)
        .element(Level::HELP.message(finding.help.as_str()))
}
