//! Figures per commit, and their trend.

use super::budget::Figure;
use super::report::Report;
use super::trend::{self, Trend};
use askama::Template;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the lines that this build writes, and the only one it reads.
pub const VERSION: u32 = 1;

/// The figures of one commit: one line of the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// [`VERSION`].
    pub version: u32,
    /// The commit.
    pub commit: String,
    /// When it was measured, seconds since 1970.
    pub measured_unix: u64,
    /// The figures of each entry point.
    pub entries: BTreeMap<String, BTreeMap<Figure, u64>>,
}

impl Record {
    /// The figures of a report.
    pub fn of(report: &Report, measured_unix: u64) -> Record {
        let figures = |entry: &super::report::EntryReport| {
            entry.figures.iter().map(|one| (one.figure, one.value)).collect()
        };
        Record {
            version: VERSION,
            commit: report.commit.clone().unwrap_or_default(),
            measured_unix,
            entries: report.entries.iter().map(|e| (e.name.clone(), figures(e))).collect(),
        }
    }

    /// Its line, without the end of the line.
    pub fn line(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers alone")
    }

    /// Reads a line.
    ///
    /// # Errors
    /// Where it is none, or of another version.
    pub fn parse(line: &str) -> Result<Record, String> {
        let record: Record = serde_json::from_str(line).map_err(|error| error.to_string())?;
        if record.version == VERSION {
            Ok(record)
        } else {
            Err(format!("it is of version {}, and {VERSION} is expected", record.version))
        }
    }
}

/// The last record of each commit, in the order of their first.
pub fn latest(records: Vec<Record>) -> Vec<Record> {
    let mut kept: Vec<Record> = Vec::new();
    for record in records {
        match kept.iter_mut().find(|known| known.commit == record.commit) {
            Some(known) => *known = record,
            None => kept.push(record),
        }
    }
    kept
}

/// The trend of every figure of every entry point, as text of so many columns.
pub fn text(records: &[Record], columns: usize) -> String {
    let mut text = String::new();
    let mut last_entry = "";
    let trends = trend::of(records);
    for trend in &trends {
        if trend.entry != last_entry {
            text.push_str(&format!(
                "{}{}\n",
                if last_entry.is_empty() { "" } else { "\n" },
                trend.entry
            ));
            last_entry = &trend.entry;
        }
        text.push_str(&line(trend, columns));
    }
    text
}

fn line(trend: &Trend, columns: usize) -> String {
    let figure = trend.figure;
    let (first, last) = (trend.first(), trend.last());
    let change = match trend.change_percent() {
        Some(percent) => format!("{percent:+.1}%"),
        None => "new".to_owned(),
    };
    format!(
        "  {:<22}{}  {} -> {}  {change}\n",
        figure.name(),
        trend.sparkline(columns),
        figure.show(first),
        figure.show(last)
    )
}

#[derive(Template)]
#[template(path = "history.html")]
struct Page<'a> {
    version: &'a str,
    title: String,
    commits: usize,
    charts: Vec<Chart>,
    style: &'a str,
}

struct Chart {
    entry: String,
    name: &'static str,
    last: String,
    change: String,
    /// `worse`, `better` or nothing.
    tone: &'static str,
    /// Points of a line in a box of 300 by 60.
    line: String,
    dots: Vec<Dot>,
}

struct Dot {
    x: String,
    y: String,
    label: String,
}

/// The trend as one HTML file that needs nothing else.
pub fn html(records: &[Record]) -> String {
    let charts: Vec<Chart> = trend::of(records).iter().map(chart).collect();
    let page = Page {
        version: env!("CARGO_PKG_VERSION"),
        title: "Start-up budgets – history".to_owned(),
        commits: records.len(),
        charts,
        style: concat!(
            include_str!("../../templates/page.css"),
            include_str!("../../templates/history.css")
        ),
    };
    page.render().expect("rendering into a string cannot fail")
}

fn chart(trend: &Trend) -> Chart {
    let points = trend.points(300.0, 60.0);
    let coordinates: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let dots = points.iter().zip(&trend.values);
    let percent = trend.change_percent().unwrap_or(0.0);
    Chart {
        entry: trend.entry.clone(),
        name: trend.figure.name(),
        last: trend.figure.show(trend.last()),
        change: format!("{percent:+.1}%"),
        tone: if percent > 0.5 {
            "worse"
        } else if percent < -0.5 {
            "better"
        } else {
            ""
        },
        line: coordinates.join(" "),
        dots: dots
            .map(|((x, y), (commit, value))| Dot {
                x: format!("{x:.1}"),
                y: format!("{y:.1}"),
                label: format!("{}: {}", trend::short(commit), trend.figure.show(*value)),
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(commit: &str, modules: u64) -> Record {
        let figures = BTreeMap::from([(Figure::Modules, modules)]);
        Record {
            version: VERSION,
            commit: commit.to_owned(),
            measured_unix: 1,
            entries: BTreeMap::from([("cli".to_owned(), figures)]),
        }
    }

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let record = record("abc", 7);
        assert_eq!(Record::parse(&record.line()), Ok(record.clone()));
        let newer = record.line().replace("\"version\":1", "\"version\":9");
        assert!(Record::parse(&newer).unwrap_err().contains("version 9"));
        assert!(Record::parse("{").is_err());
    }

    #[test]
    fn the_last_measurement_of_a_commit_counts() {
        let kept = latest(vec![record("a", 1), record("b", 2), record("a", 3)]);
        assert_eq!(kept, [record("a", 3), record("b", 2)]);
    }

    #[test]
    fn the_trend_is_drawn() {
        let records = [record("a", 10), record("b", 20), record("c", 15)];
        let text = text(&records, 20);
        assert!(
            text.contains("cli\n") && text.contains("▁█▅") && text.contains("10 -> 15  +50.0%"),
            "{text}"
        );
        let page = html(&records);
        assert!(page.contains("<polyline") && page.contains("modules imported"));
        for outside in ["http://", "https://", "src=", "<script"] {
            assert!(!page.contains(outside), "{outside}");
        }
    }

    #[test]
    fn names_do_not_become_markup() {
        let mut evil = record("<b>", 1);
        evil.entries =
            BTreeMap::from([("<img src=x>".to_owned(), BTreeMap::from([(Figure::Files, 2)]))]);
        assert!(!html(&[evil]).contains("<img"));
    }
}
