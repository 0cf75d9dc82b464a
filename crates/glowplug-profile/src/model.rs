//! The data model of a profile, and its JSON form.
//!
//! The JSON has a version and a published schema, docs/schema/profile.schema.json. Times are nanoseconds, sizes bytes. Nothing is
//! negative. Modules, threads and edges are named by their index in the lists of their process.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version of the format that this build writes, and the only one it reads.
pub const FORMAT_VERSION: u32 = 1;

/// What `format` says in every profile.
pub const FORMAT_NAME: &str = "glowplug-profile";

/// A profile of one run, or the medians of several runs, of a command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Profile {
    /// Always `glowplug-profile`.
    pub format: String,
    /// [`FORMAT_VERSION`].
    pub version: u32,
    /// What was run, under which conditions, and what it cost in all.
    pub run: Run,
    /// The Python processes that were seen, in the order of their starts; more than one where Pythons start or fork others.
    pub processes: Vec<Process>,
}

/// What was run, under which conditions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// The command line, as it was given.
    pub command: Vec<String>,
    /// The working directory.
    pub folder: String,
    /// The interpreter's path; `None` for any command's.
    pub interpreter: Option<String>,
    /// When the first run began, seconds since 1970.
    pub started_unix: u64,
    /// How many runs the figures are medians of.
    pub runs: u32,
    /// Wall time of the command (median), nanoseconds.
    pub wall_ns: u64,
    /// CPU time of the command and its children (median), nanoseconds.
    pub cpu_ns: u64,
    /// Wall and CPU time of each run.
    pub each: Vec<RunTotals>,
    /// How the (last) run ended.
    pub exit: Exit,
    /// What profiling itself cost.
    pub overhead: Overhead,
    /// The limits that it ran under, if any.
    pub constraint: Option<Constraint>,
    /// Whether the page cache of what it reads was dropped first.
    pub cold: bool,
    /// What the reader should know: what could not be done or measured.
    pub notes: Vec<String>,
}

/// One of several runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunTotals {
    /// Wall time, nanoseconds.
    pub wall_ns: u64,
    /// CPU time, nanoseconds.
    pub cpu_ns: u64,
    /// Time that the run was kept from running by its limits, nanoseconds.
    pub throttled_ns: u64,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// With this status.
    Status(i32),
    /// Killed by this signal.
    Signal(i32),
    /// Not known: the profile comes from something else than a run.
    Unknown,
}

/// What profiling itself cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Overhead {
    /// CPU time spent by the collector, nanoseconds: its operations, counted, at prices measured in the same process.
    pub cpu_ns: u64,
    /// The same as a part of the program's CPU time without it, 0 to 1.
    pub fraction: f64,
    /// Whether usage marks were on.
    pub usage_marks: bool,
}

/// Limits that a run was put under.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Constraint {
    /// Processors, as 0.1.
    pub cpus: Option<f64>,
    /// Memory, bytes.
    pub memory_bytes: Option<u64>,
    /// How the limits were imposed, as `cgroup v2`.
    pub method: String,
    /// Time that the program was kept from running (median), nanoseconds.
    pub throttled_ns: u64,
    /// How often it was stopped (median).
    pub throttled_periods: u64,
}

/// One Python process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Process {
    /// Its process id.
    pub pid: u32,
    /// Index of the process that forked it, where that is one of the list.
    pub parent: Option<u32>,
    /// Its command line.
    pub argv: Vec<String>,
    /// Version of its CPython, as `3.11.7`; empty where it is not known.
    pub python: String,
    /// Wall time from its first to its last record, nanoseconds.
    pub wall_ns: u64,
    /// CPU time of all its threads, nanoseconds.
    pub cpu_ns: u64,
    /// Whether the records stop before the process ended (it was killed, crashed, replaced itself).
    pub partial: bool,
    /// Its threads that imported; the first is the main one.
    pub threads: Vec<Thread>,
    /// Every load of a module, in the order of their beginnings. Number 0 is the program itself: what ran outside of imports.
    pub modules: Vec<Module>,
    /// Every import of one module by another, at each place that does it.
    pub edges: Vec<Edge>,
    /// Import cycles: modules of which one, while it was being loaded, led to an import of itself.
    pub cycles: Vec<Vec<u32>>,
    /// The places that were searched for modules.
    pub path_entries: Vec<PathEntry>,
    /// What to do, the greatest saving first.
    pub findings: Vec<Finding>,
}

/// A thread that imported.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Thread {
    /// The kernel's id.
    pub tid: u32,
    /// Its name as the kernel knows it; empty where it is not known.
    pub name: String,
    /// Cost from its first to its last record. The self costs of its modules and `outside` add up to this.
    pub total: Cost,
    /// Cost in this thread outside of imports; for the main thread the same as the self cost of module 0.
    pub outside: Cost,
}

/// Costs of a span of a thread's time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Cost {
    /// Wall time, nanoseconds.
    pub wall_ns: u64,
    /// CPU time of the thread, nanoseconds.
    pub cpu_ns: u64,
    /// Growth of the process's resident memory, bytes; 0 where it shrank.
    pub rss_bytes: u64,
    /// Blocks asked of Python's allocators.
    pub allocations: u64,
    /// Their bytes.
    pub allocated_bytes: u64,
    /// Files opened.
    pub files_opened: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// Page faults that needed no I/O.
    pub minor_faults: u64,
    /// Page faults that needed I/O.
    pub major_faults: u64,
    /// CPU time in garbage collections, nanoseconds; part of `cpu_ns`.
    pub gc_ns: u64,
}

/// A span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Span {
    /// Wall time, nanoseconds.
    pub wall_ns: u64,
    /// CPU time of the thread, nanoseconds.
    pub cpu_ns: u64,
}

/// Where the self time of a module's load went. The phases add up to the self time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Phases {
    /// Looking for it.
    pub find: Span,
    /// Reading its file.
    pub read: Span,
    /// Making code objects from bytecode.
    pub unmarshal: Span,
    /// Compiling its source.
    pub compile: Span,
    /// Loading its shared library and those that it needs.
    pub dlopen: Span,
    /// Running its body (or, for an extension, its initialisation).
    pub body: Span,
    /// Everything else: locks, module objects, writing bytecode.
    pub other: Span,
}

/// What a module is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModuleKind {
    /// The program itself: module 0.
    Program,
    /// Python source.
    Source,
    /// Bytecode without a source.
    Bytecode,
    /// A shared library.
    Extension,
    /// Built into the interpreter.
    Builtin,
    /// Bytecode within the interpreter.
    Frozen,
    /// A package without a file.
    Namespace,
    /// From a zip file.
    Zip,
    /// From a loader that Glowplug does not know, or not known.
    Other,
    /// An import that found nothing.
    Missing,
}

/// Where a module's code came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bytecode {
    /// Not from source.
    #[default]
    NotApplicable,
    /// From its cached bytecode.
    Cached,
    /// Compiled, as there was no cached bytecode.
    Missing,
    /// Compiled, as the cached bytecode was of another source or another Python.
    Stale,
}

/// How a load ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The module is there.
    Loaded,
    /// It was not found.
    NotFound,
    /// It raised this exception.
    Raised(String),
    /// The records stop before its end.
    Unfinished,
}

/// Whether a module was used after its import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Usage {
    /// Not recorded, or something was taken out of it by `from` whose use is not seen.
    #[default]
    Unknown,
    /// An attribute of it was read, or code of it called, after its import.
    Used,
    /// Nothing of it was used in this run.
    Unused,
}

/// What would be saved if something were not done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Saving {
    /// CPU time, nanoseconds.
    pub cpu_ns: u64,
    /// Wall time, nanoseconds.
    pub wall_ns: u64,
    /// Resident memory, bytes.
    pub rss_bytes: u64,
    /// How many modules would not be loaded.
    pub modules: u32,
}

/// The least and the greatest of several runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Spread {
    /// Least self CPU time, nanoseconds.
    pub cpu_low_ns: u64,
    /// Greatest self CPU time, nanoseconds.
    pub cpu_high_ns: u64,
    /// Least self wall time, nanoseconds.
    pub wall_low_ns: u64,
    /// Greatest self wall time, nanoseconds.
    pub wall_high_ns: u64,
}

/// A load of a module. One that is loaded twice is there twice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Module {
    /// Its name; of module 0 `__main__`.
    pub name: String,
    /// Its file, where it has one.
    pub file: Option<String>,
    /// What it is.
    pub kind: ModuleKind,
    /// Whether it is a package.
    pub package: bool,
    /// The thread that loaded it.
    pub thread: u32,
    /// The module that was being loaded in the same thread when this load began, the root of the tree of costs: its cumulative
    /// cost holds this one's. `None` for module 0 alone.
    pub parent: Option<u32>,
    /// When its load began, wall time since the process's first record, nanoseconds.
    pub start_ns: u64,
    /// Its own cost, without that of the modules whose loads it began.
    pub own: Cost,
    /// Its cost with theirs.
    pub cumulative: Cost,
    /// Where its own time went.
    pub phases: Phases,
    /// Where its code came from.
    pub bytecode: Bytecode,
    /// How the load ended.
    pub outcome: Outcome,
    /// The cycle that it is part of.
    pub cycle: Option<u32>,
    /// Whether it was used.
    pub usage: Usage,
    /// Exclusive cost: what the program would save if nothing imported it.
    pub exclusive: Saving,
    /// Least and greatest of several runs.
    pub spread: Option<Spread>,
}

/// How a module is imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EdgeKind {
    /// By an `import` or `from` statement.
    Statement,
    /// By `from module import *`.
    Star,
    /// By a call: `importlib.import_module`, `__import__`, or from C.
    Call,
    /// As the parent package of a module that is imported.
    Package,
}

/// An import of one module by another at one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Edge {
    /// Who imports.
    pub importer: u32,
    /// What is imported.
    pub module: u32,
    /// The file of the import; empty where it is not known.
    pub file: String,
    /// Its line, from 1; 0 where it is not known.
    pub line: u32,
    /// The thread that did it first.
    pub thread: u32,
    /// How it is imported.
    pub kind: EdgeKind,
    /// Whether this import began the load.
    pub first: bool,
    /// Whether it is done within a function, so after or outside of the importer's own load.
    pub in_function: bool,
    /// Whether it met a module whose own load, further out, had not ended: the import closed a cycle.
    #[serde(default)]
    pub partial: bool,
    /// Of an import in a function, the modules whose loads called the function; among them 0 where it was called outside of all
    /// loads. Without any of these modules the import is not carried out.
    #[serde(default)]
    pub during: Vec<u32>,
    /// The module by whose function it is carried out: `importlib`, for its `import_module`.
    #[serde(default)]
    pub by: Option<u32>,
}

/// A place that was searched for modules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PathEntry {
    /// The folder or archive.
    pub path: String,
    /// How many names were looked up in it.
    pub lookups: u64,
    /// How many of them were found.
    pub hits: u64,
    /// What the lookups that found nothing cost, nanoseconds of wall time.
    pub miss_ns: u64,
    /// What all lookups cost, nanoseconds of wall time.
    pub wall_ns: u64,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// Not used in this run: make the import lazy.
    MakeLazy,
    /// Used by one function: import it there.
    ImportInFunction,
    /// Not used by the source at all: drop the import.
    Drop,
    /// Only a part of it is needed: split the module.
    Split,
    /// Only annotations use it: import under `TYPE_CHECKING`.
    AnnotationsOnly,
    /// `from module import *`.
    StarImport,
    /// A place that is searched and holds nothing.
    PathEntry,
    /// No usable bytecode: compile ahead.
    Bytecode,
    /// An import that finds nothing, or raises, each time.
    FailedImport,
}

/// Something to do, and what it saves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// What to do.
    pub kind: FindingKind,
    /// One sentence that says it.
    pub title: String,
    /// Why, and how.
    pub detail: String,
    /// The modules that would not be loaded (the first), or that are concerned.
    pub modules: Vec<u32>,
    /// Where to change something.
    pub places: Vec<Place>,
    /// What it saves.
    pub saving: Saving,
}

/// A place in a source.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct Place {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

/// Why a text is no profile that this build can read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not JSON, or not of the schema.
    #[error("not a profile: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Something else.
    #[error("not a profile: its `format` is {0:?} where `{FORMAT_NAME}` is expected")]
    Format(String),
    /// Of another version.
    #[error(
        "a profile of version {found}; this Glowplug reads version {FORMAT_VERSION}: make it again with `glowplug profile`"
    )]
    Version {
        /// The version that it says.
        found: u64,
    },
    /// An index that leads nowhere.
    #[error("not a profile: {0} leads nowhere")]
    Index(String),
}

impl Profile {
    /// The process that did most importing: what a report of one process is about.
    pub fn main(&self) -> Option<&Process> {
        self.processes
            .iter()
            .max_by_key(|process| process.modules.iter().skip(1).map(|m| m.own.cpu_ns).sum::<u64>())
    }

    /// Its JSON, in one line.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings, numbers and lists alone")
    }

    /// Reads the JSON of a profile.
    ///
    /// # Errors
    /// Where it is none, is of another version, or an index in it leads nowhere.
    pub fn from_json(text: &str) -> Result<Profile, ReadError> {
        let value: serde_json::Value = serde_json::from_str(text)?;
        match value.get("format").and_then(serde_json::Value::as_str) {
            Some(FORMAT_NAME) => {}
            other => return Err(ReadError::Format(other.unwrap_or_default().to_owned())),
        }
        let found = value.get("version").and_then(serde_json::Value::as_u64).unwrap_or(0);
        if found != u64::from(FORMAT_VERSION) {
            return Err(ReadError::Version { found });
        }
        let profile: Profile = serde_json::from_value(value)?;
        profile.processes.iter().try_for_each(Process::check)?;
        Ok(profile)
    }

    /// The JSON schema of profiles.
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Profile).to_value()
    }
}

impl Process {
    /// Every index leads somewhere, and parents come before their children.
    fn check(&self) -> Result<(), ReadError> {
        let modules = self.modules.len();
        let bad = |what: String| Err(ReadError::Index(what));
        for (index, module) in self.modules.iter().enumerate() {
            if module.parent.is_some_and(|parent| parent as usize >= index)
                || (module.parent.is_none() && index > 0)
            {
                return bad(format!("the parent of module {index}"));
            }
            if module.thread as usize >= self.threads.len() {
                return bad(format!("the thread of module {index}"));
            }
            if module.cycle.is_some_and(|cycle| cycle as usize >= self.cycles.len()) {
                return bad(format!("the cycle of module {index}"));
            }
        }
        for (index, edge) in self.edges.iter().enumerate() {
            if edge.importer as usize >= modules || edge.module as usize >= modules {
                return bad(format!("edge {index}"));
            }
        }
        let named =
            self.cycles.iter().flatten().chain(self.findings.iter().flat_map(|f| &f.modules));
        match named.copied().find(|&module| module as usize >= modules) {
            Some(module) => bad(format!("module {module}")),
            None => Ok(()),
        }
    }
}

impl std::ops::AddAssign for Cost {
    fn add_assign(&mut self, other: Cost) {
        self.wall_ns += other.wall_ns;
        self.cpu_ns += other.cpu_ns;
        self.rss_bytes += other.rss_bytes;
        self.allocations += other.allocations;
        self.allocated_bytes += other.allocated_bytes;
        self.files_opened += other.files_opened;
        self.bytes_read += other.bytes_read;
        self.minor_faults += other.minor_faults;
        self.major_faults += other.major_faults;
        self.gc_ns += other.gc_ns;
    }
}

impl std::ops::AddAssign for Span {
    fn add_assign(&mut self, other: Span) {
        self.wall_ns += other.wall_ns;
        self.cpu_ns += other.cpu_ns;
    }
}
