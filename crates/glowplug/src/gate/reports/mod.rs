//! Reports of a gate, for each place where people look.

mod annotations;
mod junit;
mod markdown;
mod sarif;
mod text;

pub use annotations::github;
pub use junit::junit;
pub use markdown::markdown;
pub use sarif::sarif;
pub use text::text;

use glowplug_profile::figures;
use glowplug_profile::gate::report::{FigureReport, Report, Severity};
use glowplug_profile::model::Place;

/// A report as JSON; its schema is docs/schema/gate.schema.json.
pub fn json(report: &Report) -> String {
    let value = serde_json::to_value(report).expect("strings, numbers and lists alone");
    format!("{value:#}\n")
}

/// A severity in the words of code hosts.
fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Violation | Severity::NotMeasured => "error",
        Severity::Note => "note",
    }
}

/// A place whose line is known.
fn known(place: Option<&Place>) -> Option<&Place> {
    place.filter(|place| place.line > 0)
}

/// How much of its limit a figure takes, and how it stands against the base; nothing for what there is not.
struct Standing {
    limit: String,
    change: String,
}

fn standing(one: &FigureReport) -> Standing {
    let limit = one.limit.map(|limit| one.figure.show(limit)).unwrap_or_default();
    let change = one.base.map(|base| change(base, one.value)).unwrap_or_default();
    Standing { limit, change }
}

/// `+12.0%`, or `same`.
fn change(base: u64, value: u64) -> String {
    if base == value {
        return "same".to_owned();
    }
    match figures::share(value.abs_diff(base), base) {
        Some(share) => format!("{}{share}", if value > base { "+" } else { "-" }),
        None => format!("+{value}"),
    }
}

#[cfg(test)]
mod tests;
