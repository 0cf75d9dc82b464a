//! `glowplug images list`.

use super::{Failure, ago, print, select};
use crate::cache::{Cache, Entry};
use crate::meta::Meta;
use crate::settings::ByteSize;
use serde::Serialize;
use std::fmt::Write;

/// A line of the list.
#[derive(Debug, Serialize)]
struct Line {
    name: String,
    file: String,
    target: Option<String>,
    python_version: Option<String>,
    created_ns: Option<u64>,
    last_used_ns: u64,
    bytes: u64,
    modules: usize,
    /// Why the program may not be frozen.
    refusal: Option<String>,
    /// Why the image cannot be used.
    unusable: Option<String>,
}

/// Lists the images, those used last first.
pub fn list(cache: Option<&Cache>, json: bool) -> Result<(), Failure> {
    let mut lines = Vec::new();
    if let Some(cache) = cache {
        let mut entries = select::all(cache)?;
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.last_used_ns));
        lines.extend(entries.iter().map(|entry| line(cache, entry)));
    }
    if json {
        let text = serde_json::to_string_pretty(&lines).map_err(std::io::Error::from)?;
        return print(&(text + "\n"));
    }
    print(&table(&lines))
}

fn line(cache: &Cache, entry: &Entry) -> Line {
    let mut line = Line {
        name: select::short_name(entry),
        file: cache.path().join("images").join(&entry.name).display().to_string(),
        target: None,
        python_version: None,
        created_ns: None,
        last_used_ns: entry.last_used_ns,
        bytes: entry.len,
        modules: 0,
        refusal: None,
        unusable: None,
    };
    match cache.open_entry(entry) {
        Ok(image) => {
            let meta = Meta::of(image.meta());
            line.created_ns = Some(image.head().created_ns);
            line.target = meta.target;
            line.python_version = meta.python_version;
            line.modules = meta.modules.len();
            if image.head().is_refusal() {
                let reason = meta.reason.as_deref().and_then(|reason| reason.lines().next());
                line.refusal = Some(reason.unwrap_or("no reason is noted").to_owned());
            }
            if image.head().build != crate::key::BUILD.0 {
                line.unusable = Some("made by another build of Glowplug".to_owned());
            }
        }
        Err(error) => line.unusable = Some(error.to_string()),
    }
    line
}

fn table(lines: &[Line]) -> String {
    if lines.is_empty() {
        return "there are no images yet\n".to_owned();
    }
    let mut rows = vec![["NAME", "MADE", "USED", "SIZE", "MODULES", "TARGET"].map(String::from)];
    for line in lines {
        rows.push([
            line.name.clone(),
            line.created_ns.map_or_else(|| "?".to_owned(), ago),
            ago(line.last_used_ns),
            ByteSize(line.bytes).to_string(),
            if line.refusal.is_some() { "-".to_owned() } else { line.modules.to_string() },
            line.target.clone().unwrap_or_else(|| "?".to_owned()),
        ]);
    }
    let mut text = String::new();
    for (i, row) in rows.iter().enumerate() {
        for (column, cell) in row.iter().enumerate().take(row.len() - 1) {
            let width = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
            let _ = write!(text, "{cell:width$}  ");
        }
        let _ = writeln!(text, "{}", row[row.len() - 1]);
        let Some(line) = i.checked_sub(1).map(|i| &lines[i]) else { continue };
        if let Some(refusal) = &line.refusal {
            let _ = writeln!(text, "  may not be frozen: {refusal}");
        }
        if let Some(unusable) = &line.unusable {
            let _ = writeln!(text, "  cannot be used: {unusable}");
        }
    }
    let total = lines.iter().map(|line| line.bytes).sum();
    let _ = writeln!(text, "{} altogether", ByteSize(total));
    text
}
