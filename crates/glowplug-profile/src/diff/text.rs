//! The difference as text for a terminal, at most 100 columns wide.

use super::{Diff, Figure, Row, Status};
use crate::figures::{counted, grouped, time, visible};
use std::fmt::Write;

const WIDTH: usize = 100;

/// The text; of the modules the `limit` with the greatest changes.
pub fn render(diff: &Diff, limit: usize) -> String {
    let mut text = String::new();
    for (side, label) in ["A", "B"].into_iter().enumerate() {
        let _ = writeln!(text, "{}", clip(&heading(diff, side, label), WIDTH));
    }
    let _ = writeln!(
        text,
        "\n{:<14}{:>11}{:>11}{:>12}{:>8}",
        diff.measure.name(),
        "A",
        "B",
        "change",
        ""
    );
    for row in [&diff.total, &diff.imports] {
        let percent = percent(row).unwrap_or_default();
        let status = row.status.name();
        let (a, b, change) = (shown(row.a), shown(row.b), signed(row.change_ns()));
        let _ = writeln!(text, "{:<14}{a:>11}{b:>11}{change:>12}{percent:>8}  {status}", row.name);
    }
    let [a, b] = diff.modules;
    let change = b as i64 - a as i64;
    let _ = writeln!(
        text,
        "{:<14}{:>11}{:>11}{change:>+12}",
        "modules",
        grouped(a as u64),
        grouped(b as u64)
    );
    write_rows(&mut text, diff, limit);
    for note in &diff.notes {
        text.push('\n');
        wrap(&mut text, &format!("note: {note}"));
    }
    text
}

fn heading(diff: &Diff, side: usize, label: &str) -> String {
    let mut parts = vec![visible(&diff.commands[side])];
    if !diff.pythons[side].is_empty() {
        parts.push(format!("CPython {}", visible(&diff.pythons[side])));
    }
    parts.push(counted(u64::from(diff.runs[side]), "run"));
    format!("{label}  {}", parts.join(" · "))
}

fn write_rows(text: &mut String, diff: &Diff, limit: usize) {
    let changed: Vec<&Row> = diff.rows.iter().filter(|row| row.status != Status::Same).collect();
    if changed.is_empty() {
        let _ = writeln!(text, "\nNo module changed beyond noise.");
    } else {
        let _ = writeln!(text, "\n{:>11}{:>11}{:>11}  {:<9}MODULE", "CHANGE", "A", "B", "");
    }
    for row in changed.iter().take(limit) {
        let (a, b, change) = (shown(row.a), shown(row.b), signed(row.change_ns()));
        let line =
            format!("{change:>11}{a:>11}{b:>11}  {:<9}{}", row.status.name(), visible(&row.name));
        let _ = writeln!(text, "{}", clip(&line, WIDTH));
    }
    if let Some(left @ 1..) = changed.len().checked_sub(limit) {
        let sum = changed[limit..].iter().map(|row| row.change_ns()).sum();
        let _ =
            writeln!(text, "{:>11}{:>24}{}", signed(sum), "", counted(left as u64, "more module"));
    }
    let quiet: Vec<&Row> = diff.with(Status::Same).collect();
    if !quiet.is_empty() {
        let sum = quiet.iter().map(|row| row.change_ns()).sum();
        let what = counted(quiet.len() as u64, "module");
        let _ = writeln!(text, "{:>11}{:>24}{what} within noise", signed(sum), "");
    }
}

fn shown(figure: Option<Figure>) -> String {
    figure.map_or_else(|| "–".to_owned(), |figure| time(figure.ns))
}

/// A change with its sign.
pub(crate) fn signed(ns: i64) -> String {
    let sign = match ns {
        0 => "",
        1.. => "+",
        _ => "−",
    };
    format!("{sign}{}", time(ns.unsigned_abs()))
}

fn percent(row: &Row) -> Option<String> {
    let before = row.a.filter(|figure| figure.ns > 0)?.ns as f64;
    Some(format!("{:+.0}%", 100.0 * row.change_ns() as f64 / before).replace('-', "−"))
}

/// A line cut to a width, its end marked where something is missing.
fn clip(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.to_owned();
    }
    line.chars().take(width - 1).chain(['…']).collect()
}

fn wrap(text: &mut String, paragraph: &str) {
    let mut column = 0;
    for word in paragraph.split_whitespace() {
        let letters = word.chars().count();
        if column > 0 && column + 1 + letters > WIDTH {
            text.push('\n');
            column = 0;
        } else if column > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += letters;
    }
    text.push('\n');
}
