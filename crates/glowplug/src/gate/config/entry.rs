//! An entry point and its budget, as they stand in a configuration.

use super::reader::Reader;
use crate::settings::{ByteSize, container_size, is_module_name};
use glowplug_profile::gate::budget::{
    BareStarts, Budget, CpuLimit, ExclusiveLimit, Figure, Pattern,
};
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;
use toml_edit::Item;

/// What is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A script and its arguments.
    Script(Vec<String>),
    /// A module as a program (`-m`) and its arguments.
    Module(Vec<String>),
    /// The interpreter without site and user settings, and nothing to do: what other times are measured by.
    BareStart,
    /// Modules alone.
    Import(Vec<String>),
    /// A program that packages install, and its arguments.
    ConsoleScript(Vec<String>),
    /// Any command; of what is not Python only the process is measured.
    Command(Vec<String>),
    /// What python would be given, until it is ready to serve.
    Service(Vec<String>, Ready),
}

/// When a service is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// What tells.
    pub sign: Sign,
    /// How long to wait for it.
    pub timeout: Duration,
}

/// What tells that a service is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sign {
    /// A line of its output that holds this.
    Output(String),
    /// Somebody listens on this TCP port.
    Port(u16),
    /// This file is there.
    File(String),
}

/// An entry point.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// What is started.
    pub target: Target,
    /// Where that stands in the configuration.
    pub span: Range<usize>,
    /// Variables that it gets.
    pub variables: Vec<(String, String)>,
    /// The status that it ends with.
    pub exit: i32,
    /// Its budget.
    pub budget: Budget,
    /// Where each limit of a figure stands.
    pub limit_spans: BTreeMap<Figure, Range<usize>>,
}

/// The keys that say what is started; each entry point has one of them.
const TARGETS: [&str; 6] = ["run", "module", "import", "console-script", "command", "service"];

const KEYS: [&str; 22] = [
    "run",
    "module",
    "import",
    "console-script",
    "command",
    "service",
    "ready",
    "timeout",
    "env",
    "exit",
    "forbid",
    "lazy",
    "exclusive",
    "cpu",
    "modules",
    "unmarshalled",
    "files",
    "syscalls",
    "minor-faults",
    "peak-memory",
    "instructions",
    "description",
];

/// Modules that every CPython loads before a program begins.
const ALWAYS: [&str; 10] = [
    "sys",
    "builtins",
    "encodings",
    "codecs",
    "io",
    "abc",
    "_frozen_importlib",
    "_io",
    "_thread",
    "marshal",
];

/// Reads one entry point; `None` where it cannot be used.
pub fn read(name: &str, reader: &Reader<'_>) -> Option<Entry> {
    reader.only(&KEYS);
    let (target, span) = target(reader)?;
    let limits = limits(reader);
    let budget = Budget {
        limits: limits.iter().map(|(figure, (limit, _))| (*figure, *limit)).collect(),
        forbid: patterns(reader, "forbid"),
        lazy: patterns(reader, "lazy"),
        exclusive: exclusive(reader),
        cpu: cpu(reader),
    };
    check(reader, &target, &budget);
    Some(Entry {
        name: name.to_owned(),
        target,
        span,
        variables: variables(reader),
        exit: reader.number("exit", "an exit status from 0 to 255", 0.0..=255.0).unwrap_or(0.0)
            as i32,
        budget,
        limit_spans: limits.into_iter().map(|(figure, (_, span))| (figure, span)).collect(),
    })
}

fn target(reader: &Reader<'_>) -> Option<(Target, Range<usize>)> {
    let given: Vec<&str> = TARGETS.into_iter().filter(|key| reader.keys().contains(key)).collect();
    let [key] = given[..] else {
        let message = match given[..] {
            [] => format!("`{}` does not say what to start", reader.name),
            _ => format!("`{}` says twice what to start: {}", reader.name, given.join(", ")),
        };
        let help = format!("give it one of {}", TARGETS.join(", "));
        reader.wrong(reader.span.clone(), message, help);
        return None;
    };
    let span = reader.span_of(key);
    let target = match key {
        "run" => Target::Script(reader.words(key)?),
        "module" => Target::Module(reader.words(key)?),
        "import" => Target::Import(imports(reader)?),
        "console-script" => Target::ConsoleScript(reader.words(key)?),
        "command" => Target::Command(reader.words(key)?),
        _ => Target::Service(reader.words(key)?, ready(reader)?),
    };
    Some((target, span))
}

fn imports(reader: &Reader<'_>) -> Option<Vec<String>> {
    let modules = reader.texts("import")?;
    let bad = modules.iter().find(|name| !is_module_name(name));
    if let Some(bad) = bad {
        let message = format!("`{bad}` is not the name of a module");
        reader.wrong(reader.span_of("import"), message, "write `package.module`".to_owned());
        return None;
    }
    Some(modules)
}

fn ready(reader: &Reader<'_>) -> Option<Ready> {
    let timeout = reader.number("timeout", "a number of seconds above 0", 0.001..=86_400.0);
    let timeout = Duration::from_secs_f64(timeout.unwrap_or(60.0));
    let Some(table) = reader.keys().contains(&"ready").then(|| reader.table("ready")).flatten()
    else {
        let message = format!("`{}` does not say when the service is ready", reader.name);
        let help = "add `ready = { output = \"text of its log\" }`, `{ port = 8000 }` or `{ file = \"path\" }`";
        reader.wrong(reader.span.clone(), message, help.to_owned());
        return None;
    };
    table.only(&["output", "port", "file"]);
    let port = |item: &Item| {
        item.as_integer().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0)
    };
    let sign = match table.keys()[..] {
        ["output"] => Sign::Output(table.text("output")?),
        ["port"] => Sign::Port(table.value("port", "a port from 1 to 65535", port)?),
        ["file"] => Sign::File(table.text("file")?),
        _ => {
            let message = format!("`{}` needs one sign", table.name);
            table.wrong(
                table.span.clone(),
                message,
                "give it one of output, port, file".to_owned(),
            );
            return None;
        }
    };
    Some(Ready { sign, timeout })
}

fn variables(reader: &Reader<'_>) -> Vec<(String, String)> {
    let table = if reader.keys().contains(&"env") { reader.table("env") } else { None };
    let Some(table) = table else { return Vec::new() };
    let keys = table.keys();
    keys.into_iter().filter_map(|name| Some((name.to_owned(), table.text(name)?))).collect()
}

fn limits(reader: &Reader<'_>) -> BTreeMap<Figure, (u64, Range<usize>)> {
    let mut limits = BTreeMap::new();
    for figure in Figure::ALL {
        let key = figure.key();
        let expected =
            if figure.is_size() { "a size above 0, as \"2MiB\"" } else { "a whole number above 0" };
        let read = |item: &Item| {
            let whole = item.as_integer().and_then(|number| u64::try_from(number).ok());
            let size = || item.as_str().filter(|_| figure.is_size()).and_then(size);
            whole.or_else(size).filter(|limit| *limit > 0)
        };
        if let Some(limit) = reader.value(key, expected, read) {
            limits.insert(figure, (limit, reader.span_of(key)));
        }
    }
    limits
}

/// As container tools write it, or as Glowplug's settings do.
fn size(text: &str) -> Option<u64> {
    container_size(text).or_else(|| text.parse::<ByteSize>().ok().map(|size| size.0))
}

fn patterns(reader: &Reader<'_>, key: &str) -> Vec<Pattern> {
    let mut patterns = Vec::new();
    for text in reader.texts(key).unwrap_or_default() {
        match Pattern::parse(&text) {
            Ok(pattern) => {
                if let Some(always) = ALWAYS.iter().find(|name| pattern.matches(name)) {
                    let message = format!(
                        "`{text}` cannot be kept out: `{always}` is loaded before any program"
                    );
                    let help = "name what the program itself imports".to_owned();
                    reader.wrong(reader.span_of(key), message, help);
                }
                patterns.push(pattern);
            }
            Err(message) => {
                let help = "`*` stands for any characters".to_owned();
                reader.wrong(reader.span_of(key), message, help);
            }
        }
    }
    patterns
}

/// A multiple of a bare start: `12x`.
fn bare_starts(reader: &Reader<'_>, key: &str) -> Option<BareStarts> {
    let multiple = |item: &Item| {
        let number = item.as_str()?.strip_suffix('x')?.trim().parse::<f64>().ok()?;
        (number.is_finite() && number > 0.0).then_some(BareStarts(number))
    };
    let expected =
        "a multiple of a bare start of Python, as \"12x\" (times are compared, never absolute)";
    reader.value(key, expected, multiple)
}

fn exclusive(reader: &Reader<'_>) -> BTreeMap<String, ExclusiveLimit> {
    let mut limits = BTreeMap::new();
    let table = if reader.keys().contains(&"exclusive") { reader.table("exclusive") } else { None };
    let Some(table) = table else { return limits };
    for module in table.keys() {
        let limit = if table.is_table(module) {
            let Some(table) = table.table(module) else { continue };
            table.only(&["modules", "cpu"]);
            let count = |item: &Item| item.as_integer().and_then(|n| u64::try_from(n).ok());
            ExclusiveLimit {
                modules: table.value("modules", "a whole number", count),
                cpu: bare_starts(&table, "cpu"),
            }
        } else {
            ExclusiveLimit { modules: None, cpu: bare_starts(&table, module) }
        };
        limits.insert(module.to_owned(), limit);
    }
    limits
}

fn cpu(reader: &Reader<'_>) -> Option<CpuLimit> {
    if !reader.keys().contains(&"cpu") {
        return None;
    }
    if !reader.is_table("cpu") {
        return Some(CpuLimit { limit: bare_starts(reader, "cpu")?, cpus: None, memory: None });
    }
    let table = reader.table("cpu")?;
    table.only(&["limit", "cpus", "memory"]);
    let least = 4 << 20;
    let memory = |item: &Item| item.as_str().and_then(size).filter(|bytes| *bytes >= least);
    let limit = bare_starts(&table, "limit");
    if !table.keys().contains(&"limit") {
        let message = format!("`{}` has no limit", table.name);
        table.wrong(table.span.clone(), message, "add `limit = \"12x\"`".to_owned());
    }
    Some(CpuLimit {
        cpus: table.number("cpus", "a number of processors from 0.01 on", 0.01..=1024.0),
        memory: table.value("memory", "a size of 4m or more, as \"128m\"", memory),
        limit: limit?,
    })
}

/// What cannot be measured of a target, and what contradicts itself.
fn check(reader: &Reader<'_>, target: &Target, budget: &Budget) {
    if let Target::Service(..) = target
        && budget.limits.contains_key(&Figure::Instructions)
    {
        let message = "the instructions of a service cannot be counted".to_owned();
        let help =
            "callgrind would have to stop it when it is ready; limit `syscalls` instead".to_owned();
        reader.wrong(reader.span_of("instructions"), message, help);
    }
    let both = budget.lazy.iter().find(|pattern| budget.forbid.contains(pattern));
    if let Some(both) = both {
        let message = format!("`{}` is both forbidden and required to be lazy", both.as_str());
        let help = "what is forbidden is not loaded at all: drop one of them".to_owned();
        reader.wrong(reader.span_of("lazy"), message, help);
    }
}
