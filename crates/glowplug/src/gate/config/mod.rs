//! The table `[tool.glowplug.gate]` of pyproject.toml (`[gate]` of glowplug.toml): entry points, budgets, and how to compare.

mod entry;
mod mistake;
mod reader;
#[cfg(test)]
mod tests;

pub use entry::{Entry, Ready, Sign, Target};
pub use mistake::{BadConfig, Mistake, Source};

use glowplug_profile::gate::comparison::Rule;
use reader::Reader;
use std::cell::RefCell;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::{fs, io};
use toml_edit::{Document, Item, TableLike};

/// What a gate does.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where it stands.
    pub source: Source,
    /// The entry points, in the order of the file.
    pub entries: Vec<Entry>,
    /// When a side counts as slower.
    pub time: Rule,
    /// Percent by which figures may exceed those of the baseline.
    pub growth: f64,
    /// The file of the baseline.
    pub baseline: PathBuf,
    /// Where the history is kept.
    pub history: History,
    /// What is said about `sys.path`.
    pub sys_path: SysPathRule,
    /// The interpreter, as it is written.
    pub python: Option<String>,
    /// Where that stands.
    pub python_span: Range<usize>,
    /// The commands that install what the project needs, instead of those that its lock or requirements file calls for.
    pub install: Option<Vec<String>>,
    /// Where `install` stands, or the table where it does not.
    pub install_span: Range<usize>,
}

/// Where figures per commit are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum History {
    /// In the notes of the commits, under refs/notes/glowplug.
    Notes,
    /// In a file, a line for each.
    File(PathBuf),
}

/// Which faults of `sys.path` are violations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SysPathRule {
    /// Those that the base or the baseline does not have.
    New,
    /// All.
    All,
    /// None; it is not looked at.
    Off,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no file.
    #[error(
        "no budgets: neither glowplug.toml nor pyproject.toml in {} or above has a table for them\nhelp: `glowplug gate init` proposes some",
        .0.display()
    )]
    None(PathBuf),
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not as it should be.
    #[error(transparent)]
    Bad(#[from] BadConfig),
}

/// The nearest file with a table for budgets, from a folder upward as far as the repository goes.
///
/// # Errors
/// Where there is none, or it cannot be used.
pub fn find(folder: &Path) -> Result<Config, ConfigError> {
    for folder in folder.ancestors() {
        for name in ["glowplug.toml", "pyproject.toml"] {
            let path = folder.join(name);
            if path.is_file()
                && let Some(config) = read(&path)?
            {
                return Ok(config);
            }
        }
        if folder.join(".git").exists() {
            break;
        }
    }
    Err(ConfigError::None(folder.to_owned()))
}

/// Reads a file; `None` where it has no table for budgets.
///
/// # Errors
/// Where it cannot be read or used.
pub fn read(path: &Path) -> Result<Option<Config>, ConfigError> {
    let text = fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    Ok(parse(Source { path: path.to_owned(), text })?)
}

/// The table for budgets in a document: its name in dots, and itself.
fn gate_table<'a>(path: &Path, root: &'a dyn TableLike) -> Option<(&'static str, &'a Item)> {
    if path.file_name().is_some_and(|name| name == "pyproject.toml") {
        let tool = root.get("tool")?.as_table_like()?.get("glowplug")?.as_table_like()?;
        return Some(("tool.glowplug.gate", tool.get("gate")?));
    }
    Some(("gate", root.get("gate")?))
}

/// Reads a text.
///
/// # Errors
/// All mistakes in it.
pub fn parse(source: Source) -> Result<Option<Config>, BadConfig> {
    let document = Document::parse(source.text.clone()).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        let message = format!("this is no TOML: {}", error.message());
        BadConfig::one(&source, span, message, "see https://toml.io for its syntax".to_owned())
    })?;
    let Some((name, item)) = gate_table(&source.path, document.as_table()) else { return Ok(None) };
    let mistakes = RefCell::new(Vec::new());
    let span = item.span().unwrap_or(0..0);
    let config = match item.as_table_like() {
        Some(table) => {
            let reader = Reader::new(table, name.to_owned(), span, &mistakes);
            Some(config(&reader, &source))
        }
        None => {
            let message = format!("`{name}` is not a table");
            mistakes.borrow_mut().push(Mistake {
                message,
                span,
                help: format!("write `[{name}]`"),
            });
            None
        }
    };
    match config.filter(|_| mistakes.borrow().is_empty()) {
        Some(config) => Ok(Some(config)),
        None => Err(BadConfig { source, mistakes: mistakes.into_inner() }),
    }
}

const KEYS: [&str; 8] =
    ["entry", "time", "growth", "baseline", "history", "sys-path", "python", "install"];

fn config(reader: &Reader<'_>, source: &Source) -> Config {
    reader.only(&KEYS);
    let folder = source.path.parent().unwrap_or(Path::new(""));
    let history = match reader.text("history") {
        Some(text) if text == "git-notes" => History::Notes,
        Some(file) => History::File(folder.join(file)),
        None => History::File(folder.join(".glowplug/history.jsonl")),
    };
    let rule = |item: &Item| match item.as_str()? {
        "new" => Some(SysPathRule::New),
        "all" => Some(SysPathRule::All),
        "off" => Some(SysPathRule::Off),
        _ => None,
    };
    let baseline = reader.text("baseline");
    Config {
        source: source.clone(),
        entries: entries(reader),
        time: time(reader),
        growth: reader.number("growth", "percent from 0 to 1000", 0.0..=1000.0).unwrap_or(0.0),
        baseline: folder.join(baseline.as_deref().unwrap_or(".glowplug/baseline.json")),
        history,
        sys_path: reader
            .value("sys-path", "one of \"new\", \"all\", \"off\"", rule)
            .unwrap_or(SysPathRule::New),
        python: reader.text("python"),
        python_span: reader.span_of("python"),
        install: reader.texts("install"),
        install_span: reader.span_of("install"),
    }
}

fn entries(reader: &Reader<'_>) -> Vec<Entry> {
    let none = || {
        let message = format!("`{}` has no entry points", reader.name);
        let help =
            format!("add `[{}.entry.NAME]`, or let `glowplug gate init` propose some", reader.name);
        reader.wrong(reader.span.clone(), message, help);
        Vec::new()
    };
    if !reader.keys().contains(&"entry") {
        return none();
    }
    let Some(tables) = reader.table("entry") else { return Vec::new() };
    if tables.keys().is_empty() {
        return none();
    }
    let one = |name: &str| entry::read(name, &tables.table(name)?);
    tables.keys().into_iter().filter_map(one).collect()
}

fn time(reader: &Reader<'_>) -> Rule {
    let usual = Rule::default();
    let table = if reader.keys().contains(&"time") { reader.table("time") } else { None };
    let Some(table) = table else { return usual };
    table.only(&["percent", "milliseconds", "confidence"]);
    let or = |number: Option<f64>, usual: f64| number.unwrap_or(usual);
    Rule {
        percent: or(table.number("percent", "percent from 0 to 1000", 0.0..=1000.0), usual.percent),
        milliseconds: or(
            table.number("milliseconds", "milliseconds from 0 on", 0.0..=1e9),
            usual.milliseconds,
        ),
        confidence: or(
            table.number("confidence", "a number from 0.8 to 0.9999", 0.8..=0.9999),
            usual.confidence,
        ),
    }
}
