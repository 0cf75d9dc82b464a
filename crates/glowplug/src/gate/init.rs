//! Proposes budgets: measures entry points, adds headroom, and says why each limit is what it is.

use super::config::{Config, Entry, History, Source, SysPathRule, Target};
use super::measure::Runner;
use super::side::Side;
use super::{GateError, Progress, context, folder_of, interpreter, missing, scratch};
use crate::settings::Environment;
use glowplug_profile::gate::budget::{Budget, Figure};
use glowplug_profile::gate::chain;
use glowplug_profile::gate::comparison::Rule;
use glowplug_profile::model::{ModuleKind, Process};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml_edit::{Array, DocumentMut, Item, Table, Value, value};

/// Modules that are heavy, and often come in by accident; those that a program does not load are proposed to be forbidden.
const HEAVY: [&str; 8] =
    ["numpy", "pandas", "scipy", "matplotlib", "torch", "tensorflow", "boto3", "sqlalchemy"];
/// A module whose absence would save so much of the modules is worth to be watched.
const WORTH_PERCENT: usize = 20;

/// The entry points that a project shows: its console scripts, else its packages.
pub fn discover(pyproject: &str) -> Vec<Entry> {
    let Ok(document) = pyproject.parse::<DocumentMut>() else { return Vec::new() };
    let project = document.get("project");
    let scripts = project.and_then(|project| project.get("scripts")).and_then(Item::as_table_like);
    let scripts: Vec<Entry> = scripts
        .map(|scripts| scripts.iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>())
        .unwrap_or_default()
        .into_iter()
        .map(|name| {
            let words = vec![name.clone(), "--help".to_owned()];
            entry(&name, Target::ConsoleScript(words))
        })
        .collect();
    if !scripts.is_empty() {
        return scripts;
    }
    let name = project.and_then(|project| project.get("name")).and_then(Item::as_str);
    let package = name.map(|name| name.replace(['-', '.'], "_").to_lowercase());
    package.map(|name| vec![entry(&name.clone(), Target::Import(vec![name]))]).unwrap_or_default()
}

/// An entry point without a budget.
pub fn entry(name: &str, target: Target) -> Entry {
    Entry {
        name: name.to_owned(),
        target,
        span: 0..0,
        variables: Vec::new(),
        exit: 0,
        budget: Budget::default(),
        limit_spans: BTreeMap::new(),
    }
}

/// What is proposed for an entry point: figures with their headroom, modules, and the reasons.
pub struct Proposal {
    entry: Entry,
    limits: Vec<(Figure, u64, String)>,
    forbid: Vec<String>,
    heaviest: Option<(String, u64)>,
}

/// Measures entry points in the folder of a configuration file.
///
/// # Errors
/// Where one is not there or cannot be measured.
pub fn propose(
    path: &Path,
    entries: Vec<Entry>,
    python: Option<String>,
    environment: &Environment,
    progress: Progress<'_>,
) -> Result<Vec<Proposal>, GateError> {
    let config = Config {
        source: Source { path: path.to_owned(), text: String::new() },
        entries: Vec::new(),
        time: Rule::default(),
        growth: 0.0,
        baseline: PathBuf::new(),
        history: History::Notes,
        sys_path: SysPathRule::Off,
        python,
        python_span: 0..0,
        install: None,
        install_span: 0..0,
    };
    let folder = folder_of(&config);
    let scratch = scratch()?;
    let context = context(environment, scratch.path())?;
    let side = Side { python: interpreter(&config, environment, &folder)?, folder };
    let mut proposals = Vec::new();
    for entry in entries {
        progress(&format!("measuring {}", entry.name));
        let measured = Runner::new(&context, &side, &entry).and_then(|runner| runner.measure());
        let measured = measured.map_err(|failure| match failure {
            super::Failure::Missing(one) => missing(&config, &entry, one.message, one.help),
            super::Failure::Unmeasured { message, .. } => {
                GateError::Unmeasured(format!("`{}` cannot be measured: {message}", entry.name))
            }
        })?;
        let limits =
            measured.figures.iter().map(|(figure, value)| limit(*figure, *value)).collect();
        let process = measured.process.as_ref();
        proposals.push(Proposal {
            limits,
            forbid: process.map(not_loaded).unwrap_or_default(),
            heaviest: process.and_then(heaviest),
            entry,
        });
    }
    Ok(proposals)
}

/// A limit with headroom, and why.
fn limit(figure: Figure, measured: u64) -> (Figure, u64, String) {
    let (percent, why) = figure.headroom();
    let limit = round_up(measured + measured * u64::from(percent) / 100);
    (figure, limit, format!("measured {}, {percent}% headroom: {why}", figure.show(measured)))
}

/// To two digits that people can remember, upwards.
fn round_up(number: u64) -> u64 {
    let mut unit = 1;
    while number / unit >= 1000 {
        unit *= 10;
    }
    number.div_ceil(unit) * unit
}

fn not_loaded(process: &Process) -> Vec<String> {
    let loaded = chain::loaded(process);
    let is_loaded = |name: &str| loaded.iter().any(|(_, known)| *known == name);
    HEAVY.iter().filter(|name| !is_loaded(name)).map(|name| (*name).to_owned()).collect()
}

/// The module that brings in most, where that is worth a limit of its own.
fn heaviest(process: &Process) -> Option<(String, u64)> {
    let all = chain::loaded(process).len();
    let modules = process.modules.iter().filter(|module| {
        module.kind != ModuleKind::Program && !matches!(module.name.as_str(), "site" | "encodings")
    });
    let most = modules.max_by_key(|module| module.exclusive.modules)?;
    let count = most.exclusive.modules as usize;
    (count * 100 >= all * WORTH_PERCENT).then(|| (most.name.clone(), count as u64))
}

/// A configuration with the proposals in it; what stands there already is left alone.
///
/// # Errors
/// Where the text is no TOML, or something else is in the way.
pub fn write(path: &Path, text: &str, proposals: &[Proposal]) -> Result<String, String> {
    let mut document: DocumentMut =
        text.parse().map_err(|error| format!("{}: {error}", path.display()))?;
    let own = path.file_name().is_some_and(|name| name == "glowplug.toml");
    let keys: &[&str] =
        if own { &["gate", "entry"] } else { &["tool", "glowplug", "gate", "entry"] };
    let mut table = document.as_table_mut();
    for key in keys {
        let item = table.entry(key).or_insert_with(|| {
            let mut table = Table::new();
            table.set_implicit(true);
            Item::Table(table)
        });
        table = item.as_table_mut().ok_or_else(|| {
            format!("{}: `{key}` is in the way: it is not a table", path.display())
        })?;
    }
    for proposal in proposals {
        if !table.contains_key(&proposal.entry.name) {
            table.insert(&proposal.entry.name, Item::Table(table_of(proposal)));
        }
    }
    Ok(document.to_string())
}

fn table_of(proposal: &Proposal) -> Table {
    let mut table = Table::new();
    let list = |words: &[String]| value(Array::from_iter(words.iter().map(String::as_str)));
    let (key, words) = match &proposal.entry.target {
        Target::Script(words) => ("run", words),
        Target::Module(words) => ("module", words),
        Target::ConsoleScript(words) => ("console-script", words),
        Target::Command(words) | Target::Service(words, _) => ("command", words),
        Target::Import(words) => ("import", words),
        Target::BareStart => return table,
    };
    table.insert(key, list(words));
    for (figure, limit, why) in &proposal.limits {
        let shown = if figure.is_size() { value(size(*limit)) } else { value(*limit as i64) };
        insert(&mut table, figure.key(), shown, why);
    }
    if !proposal.forbid.is_empty() {
        let why = "heavy, and not loaded now: keep it so";
        insert(&mut table, "forbid", list(&proposal.forbid), why);
    }
    if let Some((module, count)) = &proposal.heaviest {
        let mut limit = toml_edit::InlineTable::new();
        limit.insert("modules", Value::from(round_up(count + count / 10) as i64));
        let mut exclusive = toml_edit::InlineTable::new();
        exclusive.insert(module, Value::InlineTable(limit));
        let why = format!("`{module}` brings in {count} modules that nothing else needs");
        insert(&mut table, "exclusive", value(exclusive), &why);
    }
    table
}

/// A size that can be read back: whole KiB.
fn size(bytes: u64) -> String {
    format!("{}KiB", bytes.div_ceil(1024))
}

fn insert(table: &mut Table, key: &str, item: Item, why: &str) {
    table.insert(key, item);
    if let Some(mut key) = table.key_mut(key) {
        key.leaf_decor_mut().set_prefix(format!("# {why}\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::config;
    use super::*;

    #[test]
    fn scripts_come_before_packages() {
        let scripts = discover("[project]\nname = \"a-b\"\n[project.scripts]\ntool = \"a:main\"\n");
        assert_eq!(scripts[0].target, Target::ConsoleScript(vec!["tool".into(), "--help".into()]));
        let package = discover("[project]\nname = \"a-b\"\n");
        assert_eq!(package[0].target, Target::Import(vec!["a_b".into()]));
        assert!(discover("[tool]\n").is_empty());
    }

    #[test]
    fn limits_are_round_and_never_below_what_was_measured() {
        assert_eq!([0, 7, 123, 1_234, 98_765].map(round_up), [0, 7, 123, 1_240, 98_800]);
        let (_, limit, why) = limit(Figure::Syscalls, 4150);
        assert_eq!(limit, 4_570);
        assert!(why.starts_with("measured 4,150, 10% headroom"), "{why}");
    }

    #[test]
    fn what_is_proposed_can_be_read() {
        let proposal = Proposal {
            entry: entry("cli", Target::Script(vec!["app.py".into(), "--help".into()])),
            limits: vec![limit(Figure::Modules, 50), limit(Figure::PeakMemory, 10_000_000)],
            forbid: vec!["pandas".into()],
            heaviest: Some(("requests".into(), 30)),
        };
        let before = "# mine\n[project]\nname = 'x'\n";
        let text = write(Path::new("pyproject.toml"), before, &[proposal]).unwrap();
        assert!(text.starts_with(before) && text.contains("# measured 50, 5% headroom"), "{text}");
        let source = Source { path: "pyproject.toml".into(), text: text.clone() };
        let read = config::parse(source).unwrap().unwrap();
        let budget = &read.entries[0].budget;
        assert_eq!(budget.limits[&Figure::Modules], 52);
        assert_eq!(budget.exclusive["requests"].modules, Some(33));
        assert!(budget.limits[&Figure::PeakMemory] >= 11_500_000);
    }
}
