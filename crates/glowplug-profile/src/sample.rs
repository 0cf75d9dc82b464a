//! A small profile for tests and documentation: a program that imports a web framework, half of which it does not use.

use crate::model::{
    Bytecode, Cost, Edge, EdgeKind, Exit, FORMAT_NAME, FORMAT_VERSION, Finding, FindingKind,
    Module, ModuleKind, Outcome, Overhead, PathEntry, Phases, Place, Process, Profile, Run,
    RunTotals, Saving, Span, Thread, Usage,
};

const MS: u64 = 1_000_000;

/// A module of the sample: name, parent, own CPU time in ms, kind, usage.
type Row = (&'static str, u32, u64, ModuleKind, Usage);

const ROWS: [Row; 9] = [
    ("web", 0, 12, ModuleKind::Source, Usage::Used),
    ("web.routing", 1, 9, ModuleKind::Source, Usage::Used),
    ("web.openapi", 1, 21, ModuleKind::Source, Usage::Unused),
    ("schema", 3, 34, ModuleKind::Source, Usage::Unused),
    ("_schema_core", 4, 48, ModuleKind::Extension, Usage::Unused),
    ("json", 2, 3, ModuleKind::Source, Usage::Used),
    ("json.decoder", 6, 2, ModuleKind::Source, Usage::Used),
    ("plugins", 0, 1, ModuleKind::Namespace, Usage::Unknown),
    ("absent", 0, 1, ModuleKind::Missing, Usage::Unknown),
];

/// The sample's one process, for tests.
#[cfg(test)]
pub fn process() -> Process {
    profile().processes.remove(0)
}

/// That process, with what follows from its costs.
#[cfg(test)]
pub fn derived() -> Process {
    let mut process = process();
    crate::costs::derive(&mut process);
    process
}

/// The sample.
pub fn profile() -> Profile {
    let mut modules = vec![module("__main__", None, 25, ModuleKind::Program, Usage::Used)];
    modules.extend(
        ROWS.map(|(name, parent, ms, kind, usage)| module(name, Some(parent), ms, kind, usage)),
    );
    for index in (1..modules.len()).rev() {
        let (cumulative, parent) = (modules[index].cumulative, modules[index].parent);
        modules[parent.expect("only module 0 has none") as usize].cumulative += cumulative;
    }
    lay_out(&mut modules);
    modules[3].exclusive =
        Saving { cpu_ns: 103 * MS, wall_ns: 108 * MS, rss_bytes: 9 << 20, modules: 3 };
    modules[4].bytecode = Bytecode::Missing;
    modules[9].outcome = Outcome::NotFound;
    let total = modules[0].cumulative;
    let outside = modules[0].own;
    Profile {
        format: FORMAT_NAME.to_owned(),
        version: FORMAT_VERSION,
        run: run(total),
        processes: vec![Process {
            pid: 4242,
            parent: None,
            argv: vec!["python3".into(), "app.py".into()],
            python: "3.11.7".into(),
            wall_ns: total.wall_ns,
            cpu_ns: total.cpu_ns,
            partial: false,
            threads: vec![Thread { tid: 4242, name: "python3".into(), total, outside }],
            edges: edges(&modules),
            modules,
            cycles: vec![],
            path_entries: vec![
                PathEntry {
                    path: "/srv/app".into(),
                    lookups: 9,
                    hits: 1,
                    miss_ns: MS,
                    wall_ns: 2 * MS,
                },
                PathEntry {
                    path: "/srv/empty".into(),
                    lookups: 8,
                    hits: 0,
                    miss_ns: 3 * MS,
                    wall_ns: 3 * MS,
                },
            ],
            findings: vec![finding()],
        }],
    }
}

fn run(total: Cost) -> Run {
    Run {
        command: vec!["app.py".into()],
        folder: "/srv/app".into(),
        interpreter: Some("/usr/bin/python3".into()),
        started_unix: 1_767_225_600,
        runs: 1,
        wall_ns: total.wall_ns,
        cpu_ns: total.cpu_ns,
        each: vec![RunTotals { wall_ns: total.wall_ns, cpu_ns: total.cpu_ns, throttled_ns: 0 }],
        exit: Exit::Status(0),
        overhead: Overhead { cpu_ns: 2 * MS, fraction: 0.013, usage_marks: true },
        constraint: None,
        cold: false,
        notes: vec![],
    }
}

fn module(name: &str, parent: Option<u32>, ms: u64, kind: ModuleKind, usage: Usage) -> Module {
    let own = Cost {
        wall_ns: ms * MS * 21 / 20,
        cpu_ns: ms * MS,
        rss_bytes: ms << 16,
        allocations: ms * 1000,
        allocated_bytes: ms << 16,
        files_opened: 1,
        bytes_read: ms << 10,
        minor_faults: ms * 12,
        major_faults: 0,
        gc_ns: ms * MS / 20,
    };
    let body = Span { wall_ns: own.wall_ns, cpu_ns: own.cpu_ns };
    let file = match kind {
        ModuleKind::Source => Some(format!("/srv/lib/{}.py", name.replace('.', "/"))),
        ModuleKind::Extension => Some(format!("/srv/lib/{name}.so")),
        _ => None,
    };
    Module {
        name: name.to_owned(),
        file,
        kind,
        package: false,
        thread: 0,
        parent,
        start_ns: 0,
        own,
        cumulative: own,
        phases: Phases { body, ..Phases::default() },
        bytecode: if kind == ModuleKind::Source {
            Bytecode::Cached
        } else {
            Bytecode::NotApplicable
        },
        outcome: Outcome::Loaded,
        cycle: None,
        usage,
        exclusive: Saving {
            cpu_ns: own.cpu_ns,
            wall_ns: own.wall_ns,
            rss_bytes: own.rss_bytes,
            modules: 1,
        },
        spread: None,
    }
}

/// Gives every load a beginning: behind its earlier siblings.
fn lay_out(modules: &mut [Module]) {
    for index in 1..modules.len() {
        let parent = modules[index].parent.expect("only module 0 has none") as usize;
        let before: u64 = modules[1..index]
            .iter()
            .filter(|other| other.parent == Some(parent as u32))
            .map(|other| other.cumulative.wall_ns)
            .sum();
        modules[index].start_ns = modules[parent].start_ns + before;
    }
}

fn edges(modules: &[Module]) -> Vec<Edge> {
    let loads = modules.iter().enumerate().skip(1).map(|(index, module)| {
        let importer = module.parent.expect("only module 0 has none");
        edge(importer, index as u32, 3, true, modules)
    });
    let mut edges: Vec<Edge> = loads.collect();
    edges.push(edge(0, 6, 9, false, modules));
    edges
}

fn edge(importer: u32, module: u32, line: u32, first: bool, modules: &[Module]) -> Edge {
    let file = modules[importer as usize].file.clone().unwrap_or_else(|| "/srv/app/app.py".into());
    Edge {
        importer,
        module,
        file,
        line,
        thread: 0,
        kind: EdgeKind::Statement,
        first,
        in_function: false,
        partial: false,
        during: Vec::new(),
        by: None,
    }
}

fn finding() -> Finding {
    Finding {
        kind: FindingKind::MakeLazy,
        title: "make the import of web.openapi lazy".into(),
        detail: "nothing of it was used in this run; it alone brings in schema and _schema_core"
            .into(),
        modules: vec![3, 4, 5],
        places: vec![Place { file: "/srv/lib/web.py".into(), line: 3 }],
        saving: Saving { cpu_ns: 103 * MS, wall_ns: 108 * MS, rss_bytes: 9 << 20, modules: 3 },
    }
}
