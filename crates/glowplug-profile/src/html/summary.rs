//! What stands above the drawing: the command, the conditions, the largest figures.

use super::data::imports_total;
use crate::figures::{bytes, counted, share, time, visible};
use crate::model::{Bytecode, Cost, Exit, Process, Profile, Run, Usage};

/// A large figure with its meaning.
pub struct Tile {
    pub label: &'static str,
    pub value: String,
    pub note: String,
    /// Whether it is what the page is about.
    pub glow: bool,
}

/// The tiles of a process and its name in the choice of processes.
pub struct ProcessSummary {
    pub label: String,
    pub tiles: Vec<Tile>,
}

/// The command line as one text.
pub fn command(run: &Run) -> String {
    visible(&run.command.join(" "))
}

/// Python's version and how often it ran.
pub fn about(profile: &Profile) -> String {
    let python = profile.main().map(|process| process.python.as_str()).unwrap_or_default();
    let mut parts = Vec::new();
    if !python.is_empty() {
        parts.push(format!("CPython {}", visible(python)));
    }
    if profile.run.runs > 1 {
        parts.push(format!("medians of {} runs", profile.run.runs));
    }
    if profile.run.cold {
        parts.push("cold page cache".to_owned());
    }
    if let Some(limits) = &profile.run.constraint {
        let cpus = limits.cpus.map(|cpus| format!("{cpus} CPU"));
        let memory = limits.memory_bytes.map(bytes);
        parts.extend([cpus, memory].into_iter().flatten());
    }
    parts.join(" · ")
}

/// What the reader must know before the figures.
pub fn remarks(profile: &Profile) -> Vec<String> {
    let run = &profile.run;
    let mut remarks: Vec<_> = run.notes.iter().map(|note| visible(note)).collect();
    match run.exit {
        Exit::Status(0) | Exit::Unknown => {}
        Exit::Status(status) => remarks.push(format!("The program ended with status {status}.")),
        Exit::Signal(signal) => remarks.push(format!("The program was killed by signal {signal}.")),
    }
    if profile.processes.iter().any(|process| process.partial) {
        remarks.push(
            "The records stop before the end of the process: the profile is partial.".to_owned(),
        );
    }
    if let Some(limits) = &run.constraint {
        remarks.push(format!(
            "Run under limits by {}: kept from running for {} in {}.",
            visible(&limits.method),
            time(limits.throttled_ns),
            counted(limits.throttled_periods, "stop"),
        ));
    }
    remarks
}

/// The tiles of every process.
pub fn processes(profile: &Profile) -> Vec<ProcessSummary> {
    let summary = |process: &Process| ProcessSummary {
        label: format!("{} · {}", process.pid, visible(&process.argv.join(" "))),
        tiles: tiles(profile, process),
    };
    profile.processes.iter().map(summary).collect()
}

fn tiles(profile: &Profile, process: &Process) -> Vec<Tile> {
    let total = imports_total(process);
    let mut tiles = times(process, total);
    tiles.extend(saving(process));
    tiles.push(modules(process));
    if total.rss_bytes > 0 || total.allocated_bytes > 0 {
        let note = format!("{} from Python's allocators", bytes(total.allocated_bytes));
        tiles.push(Tile { label: "Memory", value: bytes(total.rss_bytes), note, glow: false });
    }
    if total.files_opened > 0 {
        let note = format!("{} opened", counted(total.files_opened, "file"));
        tiles.push(Tile { label: "Read", value: bytes(total.bytes_read), note, glow: false });
    }
    let overhead = &profile.run.overhead;
    if overhead.cpu_ns > 0 {
        let marks = if overhead.usage_marks { ", with usage marks" } else { "" };
        tiles.push(Tile {
            label: "Cost of profiling",
            value: format!("{:.1}%", 100.0 * overhead.fraction),
            note: format!("{} of CPU time{marks}", time(overhead.cpu_ns)),
            glow: false,
        });
    }
    tiles
}

fn times(process: &Process, total: Cost) -> Vec<Tile> {
    let of = |part, whole, what: &str| {
        share(part, whole)
            .map_or_else(String::new, |share| format!("{share} of {} {what}", time(whole)))
    };
    let mut tiles = Vec::new();
    if total.cpu_ns > 0 {
        tiles.push(Tile {
            label: "CPU time of imports",
            value: time(total.cpu_ns),
            note: of(total.cpu_ns, process.cpu_ns, "in all"),
            glow: true,
        });
    }
    tiles.push(Tile {
        label: "Wall time of imports",
        value: time(total.wall_ns),
        note: match process.threads.len() {
            0 | 1 => of(total.wall_ns, process.wall_ns, "in all"),
            threads => format!("summed over {}", counted(threads as u64, "thread")),
        },
        glow: total.cpu_ns == 0,
    });
    tiles
}

/// Savings overlap, so only the largest is named.
fn saving(process: &Process) -> Option<Tile> {
    let finding = process.findings.iter().max_by_key(|finding| finding.saving.cpu_ns)?;
    (finding.saving.cpu_ns > 0).then(|| Tile {
        label: "Largest single saving",
        value: time(finding.saving.cpu_ns),
        note: visible(&finding.title),
        glow: false,
    })
}

fn modules(process: &Process) -> Tile {
    let loads = process.modules.get(1..).unwrap_or_default();
    let count = |wanted: &dyn Fn(&crate::model::Module) -> bool| {
        loads.iter().filter(|module| wanted(module)).count() as u64
    };
    let compiled = count(&|m| matches!(m.bytecode, Bytecode::Missing | Bytecode::Stale));
    let unused = count(&|m| m.usage == Usage::Unused);
    let mut notes = Vec::new();
    if unused > 0 {
        notes.push(format!("{unused} not used"));
    }
    if compiled > 0 {
        notes.push(format!("{compiled} compiled"));
    }
    Tile {
        label: "Modules",
        value: crate::figures::grouped(loads.len() as u64),
        note: notes.join(", "),
        glow: false,
    }
}
