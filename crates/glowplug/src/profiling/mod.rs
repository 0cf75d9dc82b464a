//! Running a program under the collector, and making a profile of what it wrote.

pub mod cold;
pub mod facts;
mod surroundings;

pub use surroundings::Surroundings;

use crate::interpreter::Interpreter;
use crate::runtime::{self, Runtime};
use crate::settings::Environment;
use glowplug_linux::limits::{Limits, Throttled, Wanted};
use glowplug_linux::supervise;
use glowplug_profile::assemble;
use glowplug_profile::costs;
use glowplug_profile::findings;
use glowplug_profile::medians::{self, median};
use glowplug_profile::model::{
    Constraint, Exit, FORMAT_NAME, FORMAT_VERSION, Overhead, Process, Profile, Run, RunTotals,
};
use glowplug_profile::trace::{self, ProcessTrace};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};
use tempfile::NamedTempFile;

/// Chunks that a trace has room for; the file is sparse, so it is as large as what is written.
const CHUNKS: u64 = 4096;

/// What is profiled, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program and its arguments.
    pub command: Vec<OsString>,
    /// How the user wrote it.
    pub shown: Vec<String>,
    /// The interpreter, where the program is Python's.
    pub interpreter: Option<Interpreter>,
    /// How many runs.
    pub runs: u32,
    /// The limits to run under.
    pub limits: Wanted,
    /// Whether to drop the page cache of what is read before each run.
    pub cold: bool,
    /// Whether programs that the program starts are profiled as well.
    pub follow: bool,
    /// Where it runs.
    pub surroundings: Surroundings,
    /// Whether to mark which modules are used after their imports.
    pub usage: bool,
}

/// Why nothing can be profiled.
#[derive(Debug, thiserror::Error)]
pub enum ProfilingError {
    /// A part of Glowplug is missing.
    #[error("Glowplug's collector is not there: {}\nhelp: install Glowplug anew, or point GLOWPLUG_RUNTIME at its runtime folder", .0.display())]
    NoCollector(PathBuf),
    /// There is no place for the trace.
    #[error(
        "cannot make a temporary file for the profile: {0}\nhelp: set TMPDIR to a folder that can be written to"
    )]
    NoFile(std::io::Error),
    /// The program cannot be started.
    #[error("cannot start {program}: {source}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// The trace cannot be read.
    #[error("cannot read what was collected: {0}")]
    Trace(String),
}

/// One run.
struct Raw {
    processes: Vec<Process>,
    overhead_ns: u64,
    ended: supervise::Ended,
    throttled: Throttled,
}

/// Profiles a program. `progress` is told how many runs have been done.
///
/// # Errors
/// Where the program cannot be started or nothing can be collected.
pub fn profile(
    plan: &Plan,
    environment: &Environment,
    mut progress: impl FnMut(u32),
) -> Result<Profile, ProfilingError> {
    let collector =
        Runtime::find(environment).map(|runtime| runtime.collector()).unwrap_or_default();
    if !collector.is_file() {
        return Err(ProfilingError::NoCollector(collector));
    }
    let started_unix =
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut notes = Vec::new();
    let mut method = None;
    let mut raws = Vec::new();
    let mut files = Vec::new();
    for number in 0..plan.runs {
        progress(number);
        if plan.cold {
            files = cold::files_to_drop(
                raws.last().map_or(&[][..], |raw: &Raw| &raw.processes),
                plan,
                files,
            );
            cold::drop_cached(&files);
        }
        let mut limits = Limits::new(plan.limits);
        method = limits.method();
        if !limits.holds_memory() && number == 0 {
            notes.push("memory is not limited: no control group may be made here".to_owned());
        }
        let raw = run_once(plan, &collector, environment, &mut limits)?;
        let stop = raw.ended.status.signal().is_some();
        raws.push(raw);
        if stop {
            break;
        }
    }
    if plan.limits.cpus.is_some_and(|cpus| cpus < 1.0) && plan.runs == 1 {
        notes.push(
            "on a part of a processor, times of single runs vary: use --runs 3 or more".to_owned(),
        );
    }
    if plan.cold && plan.runs == 1 {
        notes.push("with one run, only the interpreter and the script could be dropped from the page cache: use --runs".to_owned());
    }
    Ok(assemble_profile(plan, raws, method, notes, started_unix))
}

fn assemble_profile(
    plan: &Plan,
    raws: Vec<Raw>,
    method: Option<&'static str>,
    mut notes: Vec<String>,
    started_unix: u64,
) -> Profile {
    let each: Vec<RunTotals> = raws
        .iter()
        .map(|raw| RunTotals {
            wall_ns: nanoseconds(raw.ended.wall),
            cpu_ns: nanoseconds(raw.ended.cpu),
            throttled_ns: nanoseconds(raw.throttled.time),
        })
        .collect();
    let of =
        |number: fn(&RunTotals) -> u64| median(&mut each.iter().map(number).collect::<Vec<_>>());
    let (wall_ns, cpu_ns, throttled_ns) =
        (of(|run| run.wall_ns), of(|run| run.cpu_ns), of(|run| run.throttled_ns));
    let overhead_ns = median(&mut raws.iter().map(|raw| raw.overhead_ns).collect::<Vec<_>>());
    let periods = median(&mut raws.iter().map(|raw| raw.throttled.periods).collect::<Vec<_>>());
    let exit = raws.last().map_or(Exit::Unknown, |raw| exit_of(raw.ended.status));
    let mut processes = merge(raws);
    if processes.is_empty() {
        notes.push("no CPython of 3.9 or newer was seen".to_owned());
    }
    for process in &mut processes {
        costs::derive(process);
        let facts = facts::of(process);
        process.findings = findings::of(process, &facts);
    }
    let without = cpu_ns.saturating_sub(overhead_ns).max(1);
    Profile {
        format: FORMAT_NAME.to_owned(),
        version: FORMAT_VERSION,
        run: Run {
            command: plan.shown.clone(),
            folder: std::env::current_dir().unwrap_or_default().to_string_lossy().into_owned(),
            interpreter: plan
                .interpreter
                .as_ref()
                .map(|interpreter| interpreter.path.to_string_lossy().into_owned()),
            started_unix,
            runs: each.len() as u32,
            wall_ns,
            cpu_ns,
            each,
            exit,
            overhead: Overhead {
                cpu_ns: overhead_ns,
                fraction: overhead_ns as f64 / without as f64,
                usage_marks: plan.usage,
            },
            constraint: method.map(|method| Constraint {
                cpus: plan.limits.cpus,
                memory_bytes: plan.limits.memory,
                method: method.to_owned(),
                throttled_ns,
                throttled_periods: periods,
            }),
            cold: plan.cold,
            notes,
        },
        processes,
    }
}

/// The processes of all runs, as one of each.
fn merge(raws: Vec<Raw>) -> Vec<Process> {
    let most = raws.iter().map(|raw| raw.processes.len()).max().unwrap_or(0);
    (0..most)
        .filter_map(|index| {
            let same: Vec<Process> =
                raws.iter().filter_map(|raw| raw.processes.get(index)).cloned().collect();
            medians::of_processes(&same)
        })
        .collect()
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn exit_of(status: std::process::ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Status(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Unknown,
    }
}

fn run_once(
    plan: &Plan,
    collector: &Path,
    environment: &Environment,
    limits: &mut Limits,
) -> Result<Raw, ProfilingError> {
    let file = trace_file().map_err(ProfilingError::NoFile)?;
    let mut line: Vec<OsString> = limits.wrapper().into_iter().map(OsString::from).collect();
    line.extend(plan.command.iter().cloned());
    let mut command = Command::new(&line[0]);
    command.args(&line[1..]);
    plan.surroundings.apply(&mut command).map_err(ProfilingError::NoFile)?;
    let mut letters = String::new();
    // systemd-run starts the program, so it has to hand the collector on.
    if plan.follow || !limits.wrapper().is_empty() {
        letters.push('f');
    }
    if plan.usage {
        letters.push('u');
    }
    let mut request = OsString::from(format!("{letters}:"));
    request.push(file.path());
    let preload = runtime::in_front_of_libc(collector, environment);
    command.env("GLOWPLUG_COLLECT", request).env("LD_PRELOAD", preload);
    let ended = supervise::run(&mut command, limits).map_err(|source| ProfilingError::Start {
        program: line[0].to_string_lossy().into_owned(),
        source,
    })?;
    let throttled = limits.throttled();
    let bytes =
        read_trace(file.path()).map_err(|error| ProfilingError::Trace(error.to_string()))?;
    let traces = trace::read(&bytes).map_err(|error| ProfilingError::Trace(error.to_string()))?;
    let mut overhead_ns = 0;
    let mut processes: Vec<Process> = Vec::new();
    for trace in &traces {
        let (mut process, collecting) = assemble::process(trace);
        if plan.usage {
            let forked: Vec<&ProcessTrace> = trace::forked_from(&traces, trace);
            assemble::mark_usage(&mut process.modules, trace, &forked);
        }
        let parent = processes.iter().rposition(|other| other.pid == trace.parent_pid);
        process.parent = parent.map(|index| index as u32);
        overhead_ns += collecting.cpu_ns;
        processes.push(process);
    }
    Ok(Raw { processes, overhead_ns, ended, throttled })
}

/// A file in memory where that is possible, so that a slow disk is not part of what is measured.
fn trace_file() -> std::io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("glowplug-profile-");
    let mut file = builder.tempfile_in("/dev/shm").or_else(|_| builder.tempfile())?;
    file.write_all(&trace::header(CHUNKS))?;
    file.as_file().set_len((CHUNKS + 1) * trace::CHUNK as u64)?;
    Ok(file)
}

/// The part of the file that was written to.
fn read_trace(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut bytes = vec![0; trace::CHUNK];
    file.read_exact(&mut bytes)?;
    file.take(trace::taken(&bytes).min(CHUNKS) * trace::CHUNK as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A command line as it is shown: arguments that are no UTF-8 are shown with replacement characters.
pub fn shown(arguments: &[&OsStr]) -> Vec<String> {
    arguments
        .iter()
        .map(|argument| String::from_utf8_lossy(argument.as_bytes()).into_owned())
        .collect()
}
