//! The page of the difference of two profiles.

use super::{COMMON, STYLE, embed};
use crate::diff::{Diff, Figure, Row, Status, signed};
use crate::figures::{counted, grouped, time, visible};
use askama::Template;
use serde::Serialize;

const SCRIPT: &str = include_str!("../../templates/script/compare.js");

#[derive(Template)]
#[template(path = "diff.html")]
struct Page<'a> {
    version: &'a str,
    title: String,
    sides: Vec<Side>,
    tiles: Vec<Tile>,
    remarks: Vec<String>,
    measure: &'a str,
    style: &'a str,
    script: String,
    data: String,
}

struct Side {
    label: &'static str,
    command: String,
    about: String,
}

struct Tile {
    label: String,
    value: String,
    note: String,
    /// `worse`, `better` or nothing.
    tone: &'static str,
}

/// The columns of the table.
#[derive(Serialize)]
struct Data<'a> {
    name: Vec<&'a str>,
    a: Vec<Option<u64>>,
    b: Vec<Option<u64>>,
    change: Vec<i64>,
    status: Vec<&'static str>,
}

/// The page of a difference.
pub fn render(diff: &Diff) -> String {
    let [a, b] = [0, 1].map(|side| visible(&diff.commands[side]));
    let page = Page {
        version: env!("CARGO_PKG_VERSION"),
        title: format!("{a} against {b} – start-up profiles"),
        sides: vec![side(diff, 0, "A", a), side(diff, 1, "B", b)],
        tiles: tiles(diff),
        remarks: diff.notes.clone(),
        measure: diff.measure.name(),
        style: STYLE,
        script: [COMMON, SCRIPT].concat(),
        data: embed::json(&data(&diff.rows)),
    };
    page.render().expect("rendering into a string cannot fail")
}

fn side(diff: &Diff, index: usize, label: &'static str, command: String) -> Side {
    let mut about = vec![counted(u64::from(diff.runs[index]), "run")];
    if !diff.pythons[index].is_empty() {
        about.insert(0, format!("CPython {}", visible(&diff.pythons[index])));
    }
    Side { label, command, about: about.join(" · ") }
}

fn tiles(diff: &Diff) -> Vec<Tile> {
    let mut tiles =
        vec![total("The program", diff, &diff.total), total("Imports", diff, &diff.imports)];
    let [a, b] = diff.modules;
    tiles.push(Tile {
        label: "Modules".into(),
        value: if a == b {
            "0".into()
        } else {
            format!("{:+}", b as i64 - a as i64).replace('-', "−")
        },
        note: format!("{} → {}", grouped(a as u64), grouped(b as u64)),
        tone: "",
    });
    for (status, tone) in [
        (Status::Added, "worse"),
        (Status::Removed, "better"),
        (Status::Slower, "worse"),
        (Status::Faster, "better"),
    ] {
        let count = diff.with(status).count() as u64;
        let change = diff.with(status).map(Row::change_ns).sum();
        tiles.push(Tile {
            label: status.name().into(),
            value: grouped(count),
            note: if count == 0 { String::new() } else { signed(change) },
            tone: if count == 0 { "" } else { tone },
        });
    }
    tiles
}

fn total(label: &str, diff: &Diff, row: &Row) -> Tile {
    let shown = |figure: Option<Figure>| figure.map_or_else(|| "–".to_owned(), |one| time(one.ns));
    let verdict = if row.status == Status::Same { ", within noise" } else { "" };
    Tile {
        label: format!("{label}, {}", diff.measure.name()),
        value: signed(row.change_ns()),
        note: format!("{} → {}{verdict}", shown(row.a), shown(row.b)),
        tone: match row.status {
            Status::Slower => "worse",
            Status::Faster => "better",
            Status::Added | Status::Removed | Status::Same => "",
        },
    }
}

fn data(rows: &[Row]) -> Data<'_> {
    let ns = |figure: Option<Figure>| figure.map(|figure| figure.ns);
    Data {
        name: rows.iter().map(|row| row.name.as_str()).collect(),
        a: rows.iter().map(|row| ns(row.a)).collect(),
        b: rows.iter().map(|row| ns(row.b)).collect(),
        change: rows.iter().map(Row::change_ns).collect(),
        status: rows.iter().map(|row| row.status.name()).collect(),
    }
}
