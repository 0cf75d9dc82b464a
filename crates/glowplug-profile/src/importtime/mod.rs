//! Reads what `python -X importtime` printed, of every CPython that has the option (3.7 on), and makes a profile of it.
//!
//! Such a log knows little: the wall time of each load, and by indentation which module was the first to import it. It knows no
//! files, no CPU time, no threads and, unless it was made by `-X importtime=2`, no second importer. The profile says so in its
//! notes rather than to guess. Format: `import_find_and_load` and `import_ensure_initialized` of CPython's Python/import.c.

mod cached;
mod line;
mod tree;

pub use line::{Entry, Line};

use crate::figures::counted;
use crate::model::{Bytecode, Cost};
use crate::model::{
    Edge, EdgeKind, Exit, FORMAT_NAME, FORMAT_VERSION, Module, ModuleKind, Outcome, Overhead,
    Phases, Process, Profile, Run, Saving, Span, Thread, Usage,
};
use std::collections::HashMap;
use tree::Forest;

/// Why a text is no log.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// It has no entry.
    #[error(
        "there is no entry of `-X importtime` in {lines} lines; make a log by `python -X importtime … 2> FILE`"
    )]
    NoEntry {
        /// How many lines were read.
        lines: usize,
    },
}

/// Makes a profile of a log; `name` is what the profile gives as its command.
///
/// # Errors
/// Where not a single line is an entry.
pub fn read(log: &[u8], name: &str) -> Result<Profile, LogError> {
    let text = String::from_utf8_lossy(log);
    let lines: Vec<Line<'_>> = text.lines().map(line::parse).collect();
    let entries: Vec<Entry<'_>> = lines.iter().filter_map(Line::entry).collect();
    if !entries.iter().any(|entry| entry.times.is_some()) {
        return Err(LogError::NoEntry { lines: lines.len() });
    }
    let forest = tree::build(&entries);
    let (modules, places) = modules(&entries, &forest);
    let cached = cached::importers(&entries, &forest);
    let edges = edges(&entries, &modules, &places, &cached);
    let notes = notes(&lines, &entries, &forest, &cached);
    Ok(profile(name, modules, edges, notes))
}

/// The modules in the order of their beginnings, the program first; and for each entry of the log its module.
fn modules(entries: &[Entry<'_>], forest: &Forest) -> (Vec<Module>, HashMap<usize, u32>) {
    let mut modules = vec![module("__main__", ModuleKind::Program, None, 0)];
    let mut places = HashMap::new();
    let mut stack: Vec<(usize, u32)> = forest.roots.iter().rev().map(|&root| (root, 0)).collect();
    while let Some((entry, parent)) = stack.pop() {
        let index = modules.len() as u32;
        let own_ns = entries[entry].own_ns();
        modules.push(module(entries[entry].name, ModuleKind::Other, Some(parent), own_ns));
        places.insert(entry, index);
        stack.extend(forest.children[entry].iter().rev().map(|&child| (child, index)));
    }
    add_up(&mut modules);
    (modules, places)
}

/// Computes what is cumulative, and lays loads one behind the other, as the log does not say when they began.
fn add_up(modules: &mut [Module]) {
    for index in (1..modules.len()).rev() {
        let sum = modules[index].cumulative.wall_ns;
        let parent = &mut modules[parent_of(&modules[index])].cumulative.wall_ns;
        *parent = parent.saturating_add(sum);
    }
    let mut next: Vec<u64> = vec![0; modules.len()];
    for index in 1..modules.len() {
        let parent = parent_of(&modules[index]);
        let start = next[parent];
        modules[index].start_ns = start;
        next[index] = start;
        next[parent] = start.saturating_add(modules[index].cumulative.wall_ns);
    }
}

fn parent_of(module: &Module) -> usize {
    module.parent.map_or(0, |parent| parent as usize)
}

fn module(name: &str, kind: ModuleKind, parent: Option<u32>, own_ns: u64) -> Module {
    let own = Cost { wall_ns: own_ns, ..Cost::default() };
    // Which phase it went to is not known.
    let other = Span { wall_ns: own_ns, cpu_ns: 0 };
    Module {
        name: name.to_owned(),
        file: None,
        kind,
        package: false,
        thread: 0,
        parent,
        start_ns: 0,
        own,
        cumulative: own,
        phases: Phases { other, ..Phases::default() },
        bytecode: Bytecode::NotApplicable,
        outcome: Outcome::Loaded,
        cycle: None,
        usage: Usage::Unknown,
        exclusive: Saving::default(),
        spread: None,
    }
}

/// The first importer of each module by the tree, the others by the entries of modules that were there already.
fn edges(
    entries: &[Entry<'_>],
    modules: &[Module],
    places: &HashMap<usize, u32>,
    cached: &cached::Importers,
) -> Vec<Edge> {
    let edge = |importer: u32, module: u32, first: bool| Edge {
        importer,
        module,
        file: String::new(),
        line: 0,
        thread: 0,
        kind: EdgeKind::Statement,
        first,
        in_function: false,
        partial: false,
        during: Vec::new(),
        by: None,
    };
    let loads = modules.iter().enumerate().skip(1);
    let mut edges: Vec<_> =
        loads.map(|(index, load)| edge(load.parent.unwrap_or(0), index as u32, true)).collect();
    let by_name: HashMap<&str, u32> = (1..modules.len())
        .rev()
        .map(|index| (modules[index].name.as_str(), index as u32))
        .collect();
    let mut known: std::collections::HashSet<(u32, u32)> =
        edges.iter().map(|edge| (edge.importer, edge.module)).collect();
    for &(entry, importer) in &cached.known {
        let importer = importer.map_or(0, |importer| places[&importer]);
        let Some(&module) = by_name.get(entries[entry].name) else { continue };
        if importer != module && known.insert((importer, module)) {
            edges.push(edge(importer, module, false));
        }
    }
    edges
}

/// What the reader must know of this log.
fn notes(
    lines: &[Line<'_>],
    entries: &[Entry<'_>],
    forest: &Forest,
    cached: &cached::Importers,
) -> Vec<String> {
    let mut notes = vec![if cached.known.is_empty() && cached.unknown == 0 {
        "From a log of -X importtime: wall time only, and of each module its first importer only. What dropping an import would \
         save cannot be computed from it; run `glowplug profile` on the program itself for that."
            .to_owned()
    } else {
        "From a log of -X importtime=2: wall time only; files, lines and threads are not known."
            .to_owned()
    }];
    let mut note = |count: usize, noun: &str, text: &str| {
        if count > 0 {
            notes.push(format!("{} {text}", counted(count as u64, noun)));
        }
    };
    let count = |wanted: fn(&Line<'_>) -> bool| lines.iter().filter(|line| wanted(line)).count();
    note(
        cached.unknown,
        "import",
        "of modules that were loaded already cannot be given an importer: this CPython loses their depth.",
    );
    note(
        count(|line| matches!(line, Line::Entry { glued: true, .. })),
        "entry",
        "stood behind text that the program wrote on the same line.",
    );
    note(count(|line| matches!(line, Line::Broken)), "line", "of the log could not be read.");
    note(
        entries.iter().filter(|entry| entry.is_negative()).count(),
        "negative time",
        "counted as 0: threads imported at the same time, and the log charges one with the other's time.",
    );
    note(
        forest.inconsistent,
        "module",
        "whose times do not add up with those below: threads imported at the same time, so its nesting cannot be trusted.",
    );
    note(
        forest.orphans.len(),
        "module",
        "whose importer cannot be told; given to the program. The log was cut off, or threads imported at the same time.",
    );
    let headers = count(|line| matches!(line, Line::Header));
    if headers > 1 {
        notes.push(format!(
            "{headers} processes wrote into this log; their entries cannot be told apart."
        ));
    }
    notes
}

fn profile(name: &str, modules: Vec<Module>, edges: Vec<Edge>, notes: Vec<String>) -> Profile {
    let total = modules[0].cumulative;
    let thread = Thread { tid: 0, name: String::new(), total, outside: Cost::default() };
    Profile {
        format: FORMAT_NAME.to_owned(),
        version: FORMAT_VERSION,
        run: Run {
            command: vec![name.to_owned()],
            folder: String::new(),
            interpreter: None,
            started_unix: 0,
            runs: 1,
            wall_ns: total.wall_ns,
            cpu_ns: 0,
            each: Vec::new(),
            exit: Exit::Unknown,
            overhead: Overhead::default(),
            constraint: None,
            cold: false,
            notes,
        },
        processes: vec![Process {
            pid: 0,
            parent: None,
            argv: vec![name.to_owned()],
            python: String::new(),
            wall_ns: total.wall_ns,
            cpu_ns: 0,
            partial: false,
            threads: vec![thread],
            modules,
            edges,
            cycles: Vec::new(),
            path_entries: Vec::new(),
            findings: Vec::new(),
        }],
    }
}

#[cfg(test)]
mod tests;
