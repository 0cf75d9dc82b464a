//! Replays the records of each thread: whose time was it?
//!
//! Between two snapshots of a thread everything is charged to the load that was innermost, so self costs add up to the thread's
//! total by construction.

use crate::model::{Bytecode, Cost, Module, ModuleKind, Outcome, Phases, Saving, Span, Usage};
use crate::trace::{ProcessTrace, Record, ThreadTrace, kind};

/// Words of a snapshot.
pub const SNAPSHOT_WORDS: usize = 10;
const PAGE: u64 = 4096;

/// The number of the phase that is none of the collector's.
const OTHER: usize = 0;
const FIND: usize = 1;
const READ: usize = 2;
const UNMARSHAL: usize = 3;
const COMPILE: usize = 4;
const BODY: usize = 5;
const DLOPEN: usize = 6;
const PHASES: usize = 7;

/// What replaying gives.
pub struct Loads {
    /// All loads, number 0 the program.
    pub modules: Vec<Module>,
    /// Where the load of each was asked for; of the same length.
    pub sites: Vec<Site>,
    /// The threads.
    pub threads: Vec<Replayed>,
    /// From the first to the last record.
    pub wall_ns: u64,
}

/// A thread.
pub struct Replayed {
    /// The kernel's id.
    pub tid: u32,
    /// Its name.
    pub name: String,
    /// What it cost outside of imports.
    pub outside: Cost,
}

/// Where a load was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Site {
    /// Number of the file's name.
    pub file: u32,
    /// Line.
    pub line: u32,
    /// Number of the importing module's name.
    pub module: u32,
    /// In a function.
    pub in_function: bool,
    /// The load that this one is the parent package of, which asked for it.
    pub package_of: Option<u32>,
}

/// A module while it is put together.
struct Load {
    module: Module,
    site: Site,
    phases: [Moved; PHASES],
    has_spec: bool,
    source_read: bool,
    bytecode_read: bool,
    bytecode_used: bool,
}

/// Time that is moved between phases.
#[derive(Clone, Copy, Default)]
struct Moved {
    wall_ns: i64,
    cpu_ns: i64,
}

/// Replays all threads of a process.
pub fn replay(trace: &ProcessTrace) -> Loads {
    let begin =
        trace.threads.iter().filter_map(first_clock).map(|(wall, _)| wall).min().unwrap_or(0);
    let mut loads = vec![Load::new("__main__", 0, None, 0, Site::default())];
    loads[0].module.kind = ModuleKind::Program;
    let mut threads = Vec::new();
    let mut end = begin;
    for (index, thread) in trace.threads.iter().enumerate() {
        let mut replay = Replay::new(trace, thread, index as u32, begin, &mut loads);
        for record in &thread.records {
            replay.step(record);
        }
        end = end.max(replay.last.wall_ns);
        let outside = replay.outside;
        if index == 0 {
            loads[0].module.own = outside;
            loads[0].phases[BODY] =
                Moved { wall_ns: outside.wall_ns as i64, cpu_ns: outside.cpu_ns as i64 };
        }
        threads.push(Replayed { tid: thread.tid, name: thread_name(thread), outside });
    }
    let sites = loads.iter().map(|load| load.site).collect();
    let modules = loads.into_iter().map(Load::finish).collect();
    Loads { modules, sites, threads, wall_ns: end - begin }
}

fn thread_name(thread: &ThreadTrace) -> String {
    let named = thread.records.iter().find(|record| record.kind == kind::THREAD);
    let bytes: Vec<u8> =
        named.iter().flat_map(|r| &r.words).flat_map(|word| word.to_le_bytes()).collect();
    let text = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

/// The first moment that a thread noted.
fn first_clock(thread: &ThreadTrace) -> Option<(u64, u64)> {
    thread.records.iter().find_map(clocks)
}

/// The moment of a record that has one: wall and CPU time.
fn clocks(record: &Record) -> Option<(u64, u64)> {
    let at = match record.kind {
        kind::PROCESS => 1,
        kind::LOAD_BEGIN => 2,
        kind::LOAD_END | kind::PHASE_BEGIN | kind::END => 0,
        kind::PHASE_END if record.flags == 0 => 0,
        _ => return None,
    };
    Some((*record.words.get(at)?, *record.words.get(at + 1)?))
}

/// What is open in a thread.
enum Open {
    Load(usize),
    Phase(usize),
}

struct Replay<'a> {
    trace: &'a ProcessTrace,
    thread: u32,
    begin: u64,
    loads: &'a mut Vec<Load>,
    open: Vec<Open>,
    /// The moment up to which time has been charged.
    last: Span,
    /// The other counters, at the last full snapshot.
    counters: Option<[u64; SNAPSHOT_WORDS]>,
    outside: Cost,
}

impl<'a> Replay<'a> {
    fn new(
        trace: &'a ProcessTrace,
        records: &ThreadTrace,
        thread: u32,
        begin: u64,
        loads: &'a mut Vec<Load>,
    ) -> Replay<'a> {
        let (wall_ns, cpu_ns) = first_clock(records).unwrap_or((begin, 0));
        // A program that starts has used no CPU time but for the kernel's and the loader's, which count.
        let is_start = records
            .records
            .iter()
            .take(2)
            .any(|record| record.kind == kind::PROCESS && record.flags == 0);
        let last = Span { wall_ns, cpu_ns: if is_start { 0 } else { cpu_ns } };
        Replay {
            trace,
            thread,
            begin,
            loads,
            open: Vec::new(),
            last,
            counters: None,
            outside: Cost::default(),
        }
    }

    fn step(&mut self, record: &Record) {
        if let Some((wall_ns, cpu_ns)) = clocks(record) {
            self.charge_time(Span { wall_ns, cpu_ns });
        }
        match record.kind {
            kind::LOAD_BEGIN => self.begin_load(record),
            kind::LOAD_END => self.end_load(record),
            kind::END => self.charge_counters(&record.words),
            kind::PHASE_BEGIN => self.open.push(Open::Phase(phase(record))),
            kind::PHASE_END if record.flags == 0 => self.end_phase(record),
            kind::PHASE_END => self.short_phase(phase(record), record),
            kind::DLOPEN => self.short_phase(DLOPEN, record),
            kind::SPEC => self.spec(record),
            kind::DATA => self.data(record),
            _ => {}
        }
    }

    /// The innermost load, and the phase that it is in.
    fn innermost(&self) -> Option<(usize, usize)> {
        let mut phase = None;
        for open in self.open.iter().rev() {
            match open {
                Open::Load(load) => return Some((*load, phase.unwrap_or(OTHER))),
                Open::Phase(inner) => {
                    phase.get_or_insert(*inner);
                }
            }
        }
        None
    }

    fn charge_time(&mut self, now: Span) {
        let wall_ns = now.wall_ns.saturating_sub(self.last.wall_ns);
        let cpu_ns = now.cpu_ns.saturating_sub(self.last.cpu_ns);
        match self.innermost() {
            Some((load, phase)) => {
                let load = &mut self.loads[load];
                load.module.own.wall_ns += wall_ns;
                load.module.own.cpu_ns += cpu_ns;
                load.phases[phase].wall_ns += wall_ns as i64;
                load.phases[phase].cpu_ns += cpu_ns as i64;
            }
            None => {
                self.outside.wall_ns += wall_ns;
                self.outside.cpu_ns += cpu_ns;
            }
        }
        self.last = Span {
            wall_ns: self.last.wall_ns.max(now.wall_ns),
            cpu_ns: self.last.cpu_ns.max(now.cpu_ns),
        };
    }

    fn charge_counters(&mut self, snapshot: &[u64]) {
        let Some(now) = snapshot
            .get(..SNAPSHOT_WORDS)
            .and_then(|words| <[u64; SNAPSHOT_WORDS]>::try_from(words).ok())
        else {
            return;
        };
        // Before its first snapshot a thread that did not begin with the process has its counters from elsewhere.
        let before =
            self.counters.replace(now).unwrap_or(if self.thread == 0 && !self.trace.forked {
                [0; SNAPSHOT_WORDS]
            } else {
                now
            });
        let grown = |index: usize| now[index].saturating_sub(before[index]);
        let cost = Cost {
            wall_ns: 0,
            cpu_ns: 0,
            rss_bytes: grown(2) * PAGE,
            allocations: grown(3),
            allocated_bytes: grown(4),
            files_opened: grown(5),
            bytes_read: grown(6),
            minor_faults: grown(7),
            major_faults: grown(8),
            gc_ns: grown(9),
        };
        match self.innermost() {
            Some((load, _)) => self.loads[load].module.own += cost,
            None => self.outside += cost,
        }
    }

    fn begin_load(&mut self, record: &Record) {
        self.charge_counters(record.words.get(2..).unwrap_or_default());
        let name = self.trace.string(record.argument).to_owned();
        let word = |index: usize| record.words.get(index).copied().unwrap_or(0);
        let mut site = Site {
            file: (word(0) >> 32) as u32,
            line: word(0) as u32,
            module: (word(1) >> 32) as u32,
            in_function: record.flags & 1 == 1,
            package_of: None,
        };
        let mut parent = 0;
        if let Some((outer, _)) = self.innermost() {
            let load = &self.loads[outer];
            let is_package = !load.has_spec
                && load.module.name.strip_prefix(&name).is_some_and(|rest| rest.starts_with('.'));
            if is_package {
                site.package_of = Some(outer as u32);
                parent = load.module.parent.unwrap_or(0);
            } else {
                parent = outer as u32;
            }
        }
        let start = self.last.wall_ns - self.begin;
        self.open.push(Open::Load(self.loads.len()));
        self.loads.push(Load::new(&name, self.thread, Some(parent), start, site));
    }

    fn end_load(&mut self, record: &Record) {
        // Phases that an error left without an end.
        while let Some(Open::Phase(_)) = self.open.last() {
            self.open.pop();
        }
        self.charge_counters(&record.words);
        let Some(Open::Load(index)) = self.open.pop() else { return };
        let raised = self.trace.string(record.argument);
        let load = &mut self.loads[index];
        load.module.outcome = match (raised, load.has_spec) {
            ("", _) => Outcome::Loaded,
            ("ModuleNotFoundError", false) => Outcome::NotFound,
            (raised, _) => Outcome::Raised(raised.to_owned()),
        };
        // The load of a submodule begins behind that of its package, for which it waited.
        if let Some(sub) = load.site.package_of {
            self.loads[sub as usize].module.start_ns = self.last.wall_ns - self.begin;
        }
    }

    fn end_phase(&mut self, record: &Record) {
        if let Some(Open::Phase(open)) = self.open.last()
            && *open == phase(record)
        {
            self.open.pop();
        }
    }

    /// A phase of which only the duration is known: its time has been charged, or will be, to the phase around it.
    fn short_phase(&mut self, inner: usize, record: &Record) {
        let Some((load, around)) = self.innermost() else { return };
        let [wall_ns, cpu_ns, ..] = record.words[..] else { return };
        let load = &mut self.loads[load];
        load.bytecode_used |= inner == UNMARSHAL;
        for (phase, sign) in [(inner, 1), (around, -1)] {
            load.phases[phase].wall_ns += sign * wall_ns as i64;
            load.phases[phase].cpu_ns += sign * cpu_ns as i64;
        }
    }

    fn spec(&mut self, record: &Record) {
        let Some((index, _)) = self.innermost() else { return };
        let load = &mut self.loads[index];
        if load.module.name != self.trace.string(record.argument) {
            return;
        }
        load.has_spec = true;
        load.module.package = record.flags & 1 == 1;
        let word = record.words.first().copied().unwrap_or(0);
        let (origin, loader) =
            (self.trace.string((word >> 32) as u32), self.trace.string(word as u32));
        load.module.kind = module_kind(loader, load.module.package);
        load.module.file = origin.contains('/').then(|| origin.to_owned());
    }

    fn data(&mut self, record: &Record) {
        let Some((index, _)) = self.innermost() else { return };
        let read = record.flags & 1 == 1;
        let load = &mut self.loads[index];
        if self.trace.string(record.argument).ends_with(".pyc") {
            load.bytecode_read |= read;
        } else {
            load.source_read |= read;
        }
    }
}

fn phase(record: &Record) -> usize {
    (record.argument as usize).min(BODY)
}

fn module_kind(loader: &str, package: bool) -> ModuleKind {
    match loader {
        "SourceFileLoader" => ModuleKind::Source,
        "SourcelessFileLoader" => ModuleKind::Bytecode,
        "ExtensionFileLoader" => ModuleKind::Extension,
        "BuiltinImporter" => ModuleKind::Builtin,
        "FrozenImporter" => ModuleKind::Frozen,
        "NamespaceLoader" | "_NamespaceLoader" => ModuleKind::Namespace,
        "zipimporter" => ModuleKind::Zip,
        // Up to 3.10 the loader of a namespace package is None until it has been loaded.
        "NoneType" if package => ModuleKind::Namespace,
        _ => ModuleKind::Other,
    }
}

impl Load {
    fn new(name: &str, thread: u32, parent: Option<u32>, start_ns: u64, site: Site) -> Load {
        Load {
            module: Module {
                name: name.to_owned(),
                file: None,
                kind: ModuleKind::Missing,
                package: false,
                thread,
                parent,
                start_ns,
                own: Cost::default(),
                cumulative: Cost::default(),
                phases: Phases::default(),
                bytecode: Bytecode::NotApplicable,
                outcome: if parent.is_none() { Outcome::Loaded } else { Outcome::Unfinished },
                cycle: None,
                usage: Usage::Unknown,
                exclusive: Saving::default(),
                spread: None,
            },
            site,
            phases: [Moved::default(); PHASES],
            has_spec: false,
            source_read: false,
            bytecode_read: false,
            bytecode_used: false,
        }
    }

    fn finish(mut self) -> Module {
        self.module.bytecode = self.bytecode();
        let own = self.module.own;
        if self.module.kind == ModuleKind::Zip && self.phases[BODY].wall_ns == 0 {
            // Before 3.10 importlib does not run the bodies of modules from zip files through a step that can be watched.
            self.phases[BODY] = std::mem::take(&mut self.phases[OTHER]);
        }
        let mut left = Span { wall_ns: own.wall_ns, cpu_ns: own.cpu_ns };
        let mut take = |phase: usize| {
            let moved = self.phases[phase];
            let span = Span {
                wall_ns: u64::try_from(moved.wall_ns).unwrap_or(0).min(left.wall_ns),
                cpu_ns: u64::try_from(moved.cpu_ns).unwrap_or(0).min(left.cpu_ns),
            };
            left = Span { wall_ns: left.wall_ns - span.wall_ns, cpu_ns: left.cpu_ns - span.cpu_ns };
            span
        };
        self.module.phases = Phases {
            find: take(FIND),
            read: take(READ),
            unmarshal: take(UNMARSHAL),
            compile: take(COMPILE),
            dlopen: take(DLOPEN),
            body: take(BODY),
            other: left,
        };
        self.module
    }

    fn bytecode(&self) -> Bytecode {
        match self.module.kind {
            ModuleKind::Source | ModuleKind::Zip if self.phases[COMPILE].wall_ns > 0 => {
                if self.bytecode_read { Bytecode::Stale } else { Bytecode::Missing }
            }
            ModuleKind::Source | ModuleKind::Zip if self.bytecode_used => Bytecode::Cached,
            _ => Bytecode::NotApplicable,
        }
    }
}
