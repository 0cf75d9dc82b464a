//! The report as text.

use super::{Cost, Report, Unused};
use crate::lazy::record::Load;
use std::fmt::Write;

/// How many lines a section has at most.
const LINES: usize = 20;

/// How many callers of a first call are named: enough to tell which request it was.
const PAYERS: usize = 4;

/// The report, with what the imports cost that were spared.
pub fn text(report: &Report, costs: &[Cost]) -> String {
    let mut text = String::from("glowplug lazy report\n");
    if report.loads.is_empty() && report.unused.is_empty() {
        text.push_str("no import was lazy\n");
        return text;
    }
    let added: i64 = costs.iter().map(|cost| cost.modules).sum();
    let eager = i64::try_from(report.loaded).unwrap_or(i64::MAX).saturating_add(added);
    let ns: u64 = costs.iter().map(|cost| cost.ns).sum();
    let bytes: i64 = costs.iter().map(|cost| cost.bytes).sum();
    let _ = writeln!(text, "{} modules loaded, {eager} if all imports were eager", report.loaded);
    let _ = writeln!(text, "saved: {}, {}", ms(ns), mib(bytes));
    section(&mut text, "loaded by first use, the dearest first", &report.loads, |load| {
        format!(
            "{}  {} modules  {}  first used by {}",
            ms(load.ns),
            load.modules,
            load.module,
            user(load)
        )
    });
    section(&mut text, "always loaded at start-up: lazy in vain", &report.pointless, |load| {
        format!(
            "{}  {}  imported by {}, used in {}",
            ms(load.ns),
            load.module,
            load.importer,
            user(load)
        )
    });
    section(&mut text, "never used", &dearest(&report.unused, costs), |(unused, cost)| {
        never(unused, *cost)
    });
    section(&mut text, "paid for by first calls", &report.first_calls, first_call);
    let warm = report.warm();
    if !warm.is_empty() {
        let names: Vec<String> =
            warm.iter().take(LINES).map(|name| format!("\"{name}\"")).collect();
        let _ = writeln!(
            text,
            "\nto load these right after the start of a service:\n\n[tool.glowplug.lazy]\nwarm = [{}]",
            names.join(", ")
        );
    }
    text
}

fn section<T>(text: &mut String, title: &str, items: &[T], line: impl Fn(&T) -> String) {
    if items.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{title}:");
    for item in items.iter().take(LINES) {
        let _ = writeln!(text, "  {}", line(item));
    }
    if items.len() > LINES {
        let _ = writeln!(text, "  and {} more", items.len() - LINES);
    }
}

fn dearest<'a>(unused: &'a [Unused], costs: &'a [Cost]) -> Vec<(&'a Unused, Option<&'a Cost>)> {
    let cost = |one: &Unused| costs.iter().find(|cost| cost.module == one.module);
    let mut all: Vec<_> = unused.iter().map(|one| (one, cost(one))).collect();
    all.sort_by_key(|(_, cost)| std::cmp::Reverse(cost.map(|cost| cost.ns)));
    all
}

fn never(unused: &Unused, cost: Option<&Cost>) -> String {
    let importers: Vec<String> =
        unused.importers.iter().map(|(importer, line)| format!("{importer}:{line}")).collect();
    let importers = importers.join(", ");
    match cost {
        Some(Cost { error: Some(error), .. }) => {
            format!("{}  would end with {error}  imported by {importers}", unused.module)
        }
        Some(cost) => {
            format!(
                "{}  {} modules  {}  imported by {importers}",
                ms(cost.ns),
                cost.modules,
                unused.module
            )
        }
        None => format!("{}  imported by {importers}", unused.module),
    }
}

fn first_call(load: &Load) -> String {
    let payers = load.payers();
    let mut text = String::new();
    for (index, payer) in payers.iter().take(PAYERS).enumerate() {
        let joint = if index == 0 { "the first call of " } else { " by " };
        let _ = write!(text, "{joint}{payer}");
    }
    let _ = write!(text, " pays {} for `{}`", ms(load.ns), load.module);
    if Some(&payers[0].0) != load.function.as_ref() {
        let _ = write!(text, ", first used by {}", user(load));
    }
    text
}

fn user(load: &Load) -> String {
    format!("{} ({})", function(load), place(load))
}

fn function(load: &Load) -> &str {
    load.function.as_deref().unwrap_or("?")
}

fn place(load: &Load) -> String {
    match &load.file {
        Some(file) => format!("{}:{}", file.display(), load.line),
        None => "?".to_owned(),
    }
}

#[allow(clippy::cast_precision_loss, reason = "for people")]
fn ms(ns: u64) -> String {
    format!("{:.1} ms", ns as f64 / 1e6)
}

#[allow(clippy::cast_precision_loss, reason = "for people")]
fn mib(bytes: i64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
