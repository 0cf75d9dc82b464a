//! The static check: patterns in a source that defeat or break lazy imports.
//!
//! Two things can be wrong. A pattern *breaks* laziness where the program may do something else when the import runs later or not at
//! all; it *defeats* laziness where the module is loaded at start-up anyway, so that nothing is gained.

mod bindings;
mod effects;
mod files;
mod json;
mod rules;
mod sarif;
mod text;
mod walk;

#[cfg(test)]
mod tests;

pub use effects::{Effect, EffectKind, effects};
pub use files::{SourceFile, python_files};
pub use json::json;
pub use rules::{Rule, Severity};
pub use sarif::sarif;
pub use text::text;

use crate::source::{self, Lines, Syntax};
use ruff_text_size::TextRange;
use std::collections::BTreeSet;
use std::ops::Range;

/// Something that the check has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which pattern it is.
    pub rule: Rule,
    /// Where, in bytes from the start of the file.
    pub range: Range<usize>,
    /// Line, from 1.
    pub line: u32,
    /// Column, in characters from 1.
    pub column: u32,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

/// What the check has to know beside the source.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// Whether the source is a package's `__init__.py`, whose imports are often there for others.
    pub is_package: bool,
    /// Dotted names of modules that exist, beside those of the standard library that the check knows.
    pub modules: BTreeSet<String>,
    /// Whether annotations are evaluated at import unless a `__future__` import says otherwise; CPython 3.14 and later do not.
    pub eager_annotations: bool,
}

/// Why a source was not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unchecked {
    /// Its bytes are no text that Glowplug can decode.
    #[error("its encoding is not supported")]
    Encoding,
    /// It has a syntax error.
    #[error("it cannot be parsed")]
    Syntax,
}

/// Checks one source. The findings are in the order of their places.
///
/// # Errors
/// Where the source cannot be read as Python.
pub fn lint(bytes: &[u8], context: &Context) -> Result<Vec<Finding>, Unchecked> {
    let text = source::text(bytes).ok_or(Unchecked::Encoding)?;
    let syntax = Syntax::parse(&text).ok_or(Unchecked::Syntax)?;
    let lines = Lines::new(&text);
    let bindings = bindings::of(syntax.body());
    let mut found = walk::walk(syntax.body(), &bindings, context);
    found.extend(effects::findings(syntax.body(), &bindings));
    found.sort_by_key(|raw| (raw.range.start(), raw.range.end(), raw.rule));
    found.dedup_by_key(|raw| (raw.range, raw.rule));
    let finding = |raw: Raw| place(raw, &text, &lines);
    Ok(found.into_iter().map(finding).filter(|f| !is_allowed(f, &text, &lines)).collect())
}

/// A finding whose place is not yet in lines.
struct Raw {
    rule: Rule,
    range: TextRange,
    message: String,
    help: String,
}

fn place(raw: Raw, text: &str, lines: &Lines) -> Finding {
    let range = raw.range.start().to_usize()..raw.range.end().to_usize();
    let line = lines.line(range.start);
    let line_start = lines.start_of_line(line as usize);
    let before = text.get(line_start..range.start).unwrap_or_default();
    let column = u32::try_from(before.chars().count()).unwrap_or(u32::MAX).saturating_add(1);
    Finding { rule: raw.rule, range, line, column, message: raw.message, help: raw.help }
}

/// Whether the line on which a finding begins ends with `# glowplug: allow(rule, …)`.
fn is_allowed(finding: &Finding, text: &str, lines: &Lines) -> bool {
    let line = finding.line as usize;
    let source = text.get(lines.start_of_line(line)..lines.end_of_line(line)).unwrap_or_default();
    let Some((_, list)) = source.rsplit_once("# glowplug: allow(") else { return false };
    let Some((list, _)) = list.split_once(')') else { return false };
    list.split(',').any(|name| name.trim() == finding.rule.id())
}

/// The modules that a source imports while it is itself imported: number of dots, and the name. For `from a import b`, both `a` and
/// `a.b`, as `b` may be a module.
pub fn imports(bytes: &[u8]) -> Vec<(u32, String)> {
    let Some(text) = source::text(bytes) else { return Vec::new() };
    let Some(syntax) = Syntax::parse(&text) else { return Vec::new() };
    let bindings = bindings::of(syntax.body());
    let stars = bindings.stars.iter().map(|(_, module)| module.clone());
    let named = bindings.names.values().filter(|binding| !binding.for_types).flat_map(|binding| {
        let joint = if binding.module.ends_with('.') { "" } else { "." };
        let submodule =
            binding.attribute.as_ref().map(|name| format!("{}{joint}{name}", binding.module));
        std::iter::once(binding.module.clone()).chain(submodule)
    });
    stars.chain(named).map(|module| split_dots(&module)).collect()
}

fn split_dots(module: &str) -> (u32, String) {
    let name = module.trim_start_matches('.');
    (u32::try_from(module.len() - name.len()).unwrap_or(u32::MAX), name.to_owned())
}
