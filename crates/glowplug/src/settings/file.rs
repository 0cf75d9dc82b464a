//! Finding and reading the file that settings may stand in.

use super::SettingsError;
use super::layer::Layer;
use super::parsed::ParsedFiles;
use crate::stamp;
use rustix::fs::Stat;
use serde::Deserialize;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::{fs, io};

const OWN_FILE: &str = "glowplug.toml";
const PROJECT_FILE: &str = "pyproject.toml";

/// The settings of the nearest file from `start` upward: `glowplug.toml`, or a `pyproject.toml` with a `[tool.glowplug]` table.
///
/// The search ends at a folder that holds `.git`. Files that belong to somebody else than the user, root or the owner of
/// `start` are passed over: a stranger's file in a shared folder must not choose the interpreter.
pub fn nearest(start: &Path, cache: Option<&Path>) -> Result<Option<Layer>, SettingsError> {
    let mut trusted = None;
    for folder in start.ancestors() {
        for name in [OWN_FILE, PROJECT_FILE] {
            let path = folder.join(name);
            let Ok(stat) = rustix::fs::stat(&path) else { continue };
            let trusted = *trusted.get_or_insert_with(|| owner_of(start));
            let user = rustix::process::geteuid().as_raw();
            if stat.st_uid != 0 && stat.st_uid != user && Some(stat.st_uid) != trusted {
                continue;
            }
            if let Some(layer) = read(&path, &stat, cache)? {
                return Ok(Some(layer));
            }
        }
        if rustix::fs::stat(folder.join(".git")).is_ok() {
            break;
        }
    }
    Ok(None)
}

fn owner_of(folder: &Path) -> Option<u32> {
    rustix::fs::stat(folder).ok().map(|stat| stat.st_uid)
}

/// The settings in one file, parsed or remembered; `None` for a `pyproject.toml` without any.
fn read(path: &Path, stat: &Stat, cache: Option<&Path>) -> Result<Option<Layer>, SettingsError> {
    let stamp = stamp::of(stat);
    let parsed = cache.map(|cache| ParsedFiles::new(cache, path));
    if let Some(known) = parsed.as_ref().and_then(|parsed| parsed.recall(&stamp)) {
        return Ok(known);
    }
    let unreadable =
        |source: io::Error| SettingsError::Unreadable { path: path.to_owned(), source };
    let text = fs::read_to_string(path).map_err(unreadable)?;
    let mut layer = parse(path, &text)?;
    if let (Some(layer), Some(folder)) = (&mut layer, path.parent()) {
        make_absolute(&mut layer.python, folder);
        make_absolute(&mut layer.cache_dir, folder);
        for entry in &mut layer.lazy.modules {
            if entry.ends_with(".txt") {
                *entry = folder.join(&*entry).to_string_lossy().into_owned();
            }
        }
    }
    // What changed a moment ago may change again without its stamp showing it.
    if let Some(parsed) = parsed.filter(|_| stamp::is_settled(&stamp)) {
        parsed.remember(&stamp, layer.as_ref());
    }
    Ok(layer)
}

/// Paths in a file are relative to its folder.
fn make_absolute(path: &mut Option<PathBuf>, folder: &Path) {
    if let Some(path) = path {
        *path = folder.join(&*path);
    }
}

#[derive(Deserialize)]
struct Project {
    tool: Option<Tools>,
}

#[derive(Deserialize)]
struct Tools {
    glowplug: Option<Layer>,
}

fn parse(path: &Path, text: &str) -> Result<Option<Layer>, SettingsError> {
    let result = if path.ends_with(OWN_FILE) {
        toml::from_str::<Layer>(text).map(Some)
    } else {
        toml::from_str::<Project>(text).map(|project| project.tool.and_then(|tool| tool.glowplug))
    };
    result.map_err(|error| SettingsError::File(excerpt(path, text, error.message(), error.span())))
}

/// An error message with the place in the file, in the style of rustc.
fn excerpt(path: &Path, text: &str, message: &str, span: Option<Range<usize>>) -> String {
    let Some(span) = span.filter(|span| text.is_char_boundary(span.start)) else {
        return format!("{message}\n --> {}", path.display());
    };
    let before = &text[..span.start];
    let line = before.matches('\n').count() + 1;
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let source = text[line_start..].lines().next().unwrap_or_default();
    let column = text[line_start..span.start].chars().count();
    let line_end = line_start + source.len();
    let marked =
        text.get(span.start..span.end.min(line_end)).map_or(1, |marked| marked.chars().count());
    let margin = " ".repeat(line.to_string().len());
    let indent = " ".repeat(column);
    let marks = "^".repeat(marked.max(1));
    let place = format!("{}:{line}:{}", path.display(), column + 1);
    format!(
        "{message}\n{margin}--> {place}\n{margin} |\n{line} | {source}\n{margin} | {indent}{marks}"
    )
}
