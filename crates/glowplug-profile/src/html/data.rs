//! The figures of a profile as the page's script reads them: one array for each column, so that 5,000 modules stay small.

use crate::figures;
use crate::model::{
    Bytecode, Cost, EdgeKind, FindingKind, Module, ModuleKind, Outcome, PathEntry, Place, Process,
    Profile, Span, Usage,
};
use serde::Serialize;
use std::collections::HashMap;

/// All processes; the script shows one of them.
#[derive(Serialize)]
pub struct Data<'a> {
    processes: Vec<ProcessData<'a>>,
}

/// One process. Modules are numbered from 0 without the program, which is -1.
#[derive(Serialize)]
struct ProcessData<'a> {
    modules: Columns<'a>,
    /// Importer, imported, line; importer, imported, line; …
    edges: Vec<i64>,
    threads: Vec<&'a str>,
    path: Vec<PathRow<'a>>,
    findings: Vec<FindingRow<'a>>,
    #[serde(rename = "noFindings")]
    no_findings: &'static str,
    #[serde(rename = "noteKinds")]
    note_kinds: Vec<Note>,
    script: &'a str,
}

/// The columns of the modules. One that is empty is not known or is nothing but zeros.
#[derive(Default, Serialize)]
struct Columns<'a> {
    name: Vec<&'a str>,
    file: Vec<Option<&'a str>>,
    kind: Vec<&'static str>,
    origin: Vec<&'static str>,
    parent: Vec<i64>,
    thread: Vec<u32>,
    notes: Vec<Vec<u32>>,
    spread: Vec<[u64; 2]>,
    #[serde(flatten)]
    figures: HashMap<&'static str, Vec<u64>>,
}

/// Something that a module has a badge for.
#[derive(Serialize)]
struct Note {
    short: String,
    long: String,
    tone: &'static str,
}

#[derive(Serialize)]
struct PathRow<'a> {
    entry: &'a str,
    lookups: u64,
    found: u64,
    cost: u64,
    wasted: u64,
}

#[derive(Serialize)]
struct FindingRow<'a> {
    action: &'static str,
    tag: &'static str,
    title: &'a str,
    text: &'a str,
    module: Option<u32>,
    saves: u64,
    places: &'a [Place],
}

/// The number of the process that the page opens on.
pub fn main_index(profile: &Profile) -> usize {
    let main = profile.main().map(std::ptr::from_ref);
    profile.processes.iter().position(|one| Some(std::ptr::from_ref(one)) == main).unwrap_or(0)
}

/// The figures of all processes.
pub fn of(profile: &Profile) -> Data<'_> {
    Data {
        processes: profile.processes.iter().map(|process| process_data(profile, process)).collect(),
    }
}

fn process_data<'a>(profile: &'a Profile, process: &'a Process) -> ProcessData<'a> {
    let mut notes = Notes::default();
    let loads = process.modules.get(1..).unwrap_or_default();
    let mut columns = Columns { figures: figures_of(loads), ..Columns::default() };
    let mut seen = HashMap::<&str, u32>::new();
    for module in loads {
        columns.name.push(&module.name);
        columns.file.push(module.file.as_deref());
        columns.kind.push(kind_name(module.kind));
        columns.origin.push(if is_standard(module) { "stdlib" } else { "other" });
        columns.parent.push(module.parent.map_or(-1, before));
        columns.thread.push(module.thread);
        let times = seen.entry(&module.name).or_default();
        *times += 1;
        columns.notes.push(notes.of(module, process, *times > 1));
    }
    if loads.iter().any(|module| module.spread.is_some()) {
        let spread = |module: &Module| {
            module.spread.map_or([0, 0], |spread| [spread.cpu_low_ns, spread.cpu_high_ns])
        };
        columns.spread = loads.iter().map(spread).collect();
    }
    ProcessData {
        modules: columns,
        edges: edges(process),
        threads: process.threads.iter().map(|thread| thread.name.as_str()).collect(),
        path: process.path_entries.iter().map(path_row).collect(),
        findings: process.findings.iter().map(finding_row).collect(),
        no_findings: no_findings(profile, process),
        note_kinds: notes.kinds,
        script: process.modules.first().and_then(|program| program.file.as_deref()).unwrap_or(""),
    }
}

/// Module 0 is the program, -1 to the script.
fn before(index: u32) -> i64 {
    i64::from(index) - 1
}

/// How a column is computed.
type Figure = fn(&Module) -> u64;

const FIGURES: [(&str, Figure); 16] = [
    ("cpu", |m| m.own.cpu_ns),
    ("wall", |m| m.own.wall_ns),
    ("rss", |m| m.own.rss_bytes),
    ("alloc", |m| m.own.allocated_bytes),
    ("read", |m| m.own.bytes_read),
    ("files", |m| m.own.files_opened),
    ("minor", |m| m.own.minor_faults),
    ("major", |m| m.own.major_faults),
    ("gc", |m| m.own.gc_ns),
    ("saves", |m| if m.exclusive.cpu_ns > 0 { m.exclusive.cpu_ns } else { m.exclusive.wall_ns }),
    ("find", |m| phase(m.phases.find)),
    ("load", |m| phase(m.phases.read)),
    ("unmarshal", |m| phase(m.phases.unmarshal)),
    ("compile", |m| phase(m.phases.compile)),
    ("dlopen", |m| phase(m.phases.dlopen)),
    ("body", |m| phase(m.phases.body)),
];

/// Waiting belongs to a phase as well, so phases are told in wall time.
fn phase(span: Span) -> u64 {
    span.wall_ns
}

fn figures_of(loads: &[Module]) -> HashMap<&'static str, Vec<u64>> {
    let columns = FIGURES
        .iter()
        .chain(&[("other", (|m| phase(m.phases.other)) as Figure)])
        .map(|(name, figure)| (*name, loads.iter().map(figure).collect::<Vec<_>>()));
    columns.filter(|(_, column)| column.iter().any(|&value| value > 0)).collect()
}

/// The first statement of each pair counts; what imports a package on behalf of its submodules is an edge, too.
fn edges(process: &Process) -> Vec<i64> {
    let mut flat = Vec::with_capacity(3 * process.edges.len());
    for edge in process.edges.iter().filter(|edge| edge.module != 0) {
        // A package is imported by whoever imports what is in it: the line is that of the other statement.
        let line = if edge.kind == EdgeKind::Package { 0 } else { i64::from(edge.line) };
        flat.extend([before(edge.importer), before(edge.module), line]);
    }
    flat
}

/// Whether a module is of the standard library: told by its kind and its folder.
fn is_standard(module: &Module) -> bool {
    if matches!(module.kind, ModuleKind::Builtin | ModuleKind::Frozen) {
        return true;
    }
    let Some(file) = &module.file else { return false };
    let installed = ["/site-packages/", "/dist-packages/"].iter().any(|part| file.contains(part));
    !installed && file.split('/').any(is_library_folder)
}

/// `python3.11`, in which an installation keeps the standard library.
fn is_library_folder(name: &str) -> bool {
    name.strip_prefix("python3.").is_some_and(|minor| minor.bytes().all(|b| b.is_ascii_digit()))
}

fn kind_name(kind: ModuleKind) -> &'static str {
    match kind {
        ModuleKind::Program => "program",
        ModuleKind::Source => "source",
        ModuleKind::Bytecode => "bytecode",
        ModuleKind::Extension => "extension module",
        ModuleKind::Builtin => "built in",
        ModuleKind::Frozen => "frozen",
        ModuleKind::Namespace => "namespace package",
        ModuleKind::Zip => "from a zip file",
        ModuleKind::Other => "",
        ModuleKind::Missing => "not found",
    }
}

/// The badges in use, each once.
#[derive(Default)]
struct Notes {
    kinds: Vec<Note>,
    known: HashMap<String, u32>,
}

impl Notes {
    fn of(&mut self, module: &Module, process: &Process, again: bool) -> Vec<u32> {
        let mut notes = Vec::new();
        let mut add = |short: &str, long: &str, tone| notes.push(self.index(short, long, tone));
        match module.bytecode {
            Bytecode::Missing => {
                add("no .pyc", "Compiled, as there was no cached bytecode", "warn")
            }
            Bytecode::Stale => {
                add("stale .pyc", "Compiled, as the cached bytecode was out of date", "warn");
            }
            Bytecode::NotApplicable | Bytecode::Cached => {}
        }
        match &module.outcome {
            Outcome::Loaded => {}
            Outcome::NotFound => add("not found", "There is no such module", "warn"),
            Outcome::Raised(error) => {
                add(&format!("raised {}", figures::visible(error)), "Its import failed", "warn");
            }
            Outcome::Unfinished => add("unfinished", "The records stop before its end", "warn"),
        }
        if module.usage == Usage::Unused {
            add("not used", "Nothing of it was used in this run after its import", "warn");
        }
        let cycle = module.cycle.and_then(|cycle| process.cycles.get(cycle as usize));
        if let Some(cycle) = cycle {
            let name = |index: &u32| process.modules.get(*index as usize).map(|m| m.name.as_str());
            let names: Vec<_> = cycle.iter().filter_map(name).collect();
            add("in a cycle", &figures::visible(&names.join(" → ")), "quiet");
        }
        if again {
            add("loaded again", "It was loaded more than once", "quiet");
        }
        let kind = kind_name(module.kind);
        let usual =
            matches!(module.kind, ModuleKind::Source | ModuleKind::Other | ModuleKind::Missing);
        if !usual {
            add(kind, kind, "quiet");
        }
        notes
    }

    fn index(&mut self, short: &str, long: &str, tone: &'static str) -> u32 {
        let next = self.kinds.len() as u32;
        let index = *self.known.entry(format!("{short}\n{long}")).or_insert(next);
        if index == next {
            self.kinds.push(Note { short: short.to_owned(), long: long.to_owned(), tone });
        }
        index
    }
}

fn path_row(entry: &PathEntry) -> PathRow<'_> {
    let PathEntry { path, lookups, hits, miss_ns, wall_ns } = entry;
    PathRow { entry: path, lookups: *lookups, found: *hits, cost: *wall_ns, wasted: *miss_ns }
}

fn finding_row(finding: &crate::model::Finding) -> FindingRow<'_> {
    let (action, tag) = action(finding.kind);
    let saving = finding.saving;
    FindingRow {
        action,
        tag,
        title: &finding.title,
        text: &finding.detail,
        module: finding.modules.first().and_then(|module| module.checked_sub(1)),
        saves: if saving.cpu_ns > 0 { saving.cpu_ns } else { saving.wall_ns },
        places: &finding.places,
    }
}

fn action(kind: FindingKind) -> (&'static str, &'static str) {
    match kind {
        FindingKind::MakeLazy => ("make lazy", "do"),
        FindingKind::ImportInFunction => ("import in the function", "do"),
        FindingKind::Drop => ("drop", "do"),
        FindingKind::Split => ("split", "do"),
        FindingKind::AnnotationsOnly => ("annotations only", "do"),
        FindingKind::StarImport => ("star import", "warn"),
        FindingKind::PathEntry => ("search path", "warn"),
        FindingKind::Bytecode => ("compile ahead", "warn"),
        FindingKind::FailedImport => ("fails each time", "warn"),
    }
}

fn no_findings(profile: &Profile, process: &Process) -> &'static str {
    let exclusive = |module: &Module| module.exclusive != crate::model::Saving::default();
    if profile.run.cpu_ns == 0 && !process.modules.iter().any(exclusive) {
        "This profile does not know every importer, so it cannot say what dropping an import would save."
    } else {
        "Nothing here is worth a change."
    }
}

/// The costs of all loads of a process, without the program's own.
pub fn imports_total(process: &Process) -> Cost {
    let mut total = Cost::default();
    for module in process.modules.iter().skip(1) {
        total += module.own;
    }
    total
}
