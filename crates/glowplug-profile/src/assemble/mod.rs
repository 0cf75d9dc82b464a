//! Makes processes with modules and edges of traces.

mod edges;
mod loads;
mod usage;

use crate::model::{Cost, PathEntry, Process, Thread};
use crate::trace::{ProcessTrace, kind};
use std::collections::BTreeMap;

pub use loads::SNAPSHOT_WORDS;
pub use usage::mark as mark_usage;

/// What is known of the collecting in a process, for what it cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collecting {
    /// CPU time that collecting took, nanoseconds.
    pub cpu_ns: u64,
}

/// A process, without what is derived from its graph ([`crate::costs::derive`] adds that), and what collecting it cost.
pub fn process(trace: &ProcessTrace) -> (Process, Collecting) {
    let loads = loads::replay(trace);
    let edges = edges::resolve(trace, &loads);
    let ends: Vec<_> = trace.of_kind(kind::END).collect();
    let process = Process {
        pid: trace.pid,
        parent: None,
        argv: trace
            .of_kind(kind::ARGUMENT)
            .map(|record| trace.string(record.argument).to_owned())
            .collect(),
        python: trace
            .of_kind(kind::PYTHON)
            .next()
            .map(|r| trace.string(r.argument).to_owned())
            .unwrap_or_default(),
        wall_ns: loads.wall_ns,
        cpu_ns: 0,
        partial: ends.is_empty(),
        threads: loads
            .threads
            .iter()
            .map(|thread| Thread {
                tid: thread.tid,
                name: thread.name.clone(),
                total: Cost::default(),
                outside: thread.outside,
            })
            .collect(),
        modules: loads.modules,
        edges,
        cycles: Vec::new(),
        path_entries: path_entries(trace),
        findings: Vec::new(),
    };
    (process, collecting(trace))
}

fn path_entries(trace: &ProcessTrace) -> Vec<PathEntry> {
    let mut entries: BTreeMap<u32, PathEntry> = BTreeMap::new();
    for record in trace.of_kind(kind::LOOKUP) {
        let spent = record.words.first().copied().unwrap_or(0);
        let entry = entries.entry(record.argument).or_insert_with(|| PathEntry {
            path: trace.string(record.argument).to_owned(),
            lookups: 0,
            hits: 0,
            miss_ns: 0,
            wall_ns: 0,
        });
        entry.lookups += 1;
        entry.wall_ns += spent;
        if record.flags & 1 == 1 {
            entry.hits += 1;
        } else {
            entry.miss_ns += spent;
        }
    }
    entries.into_values().collect()
}

/// What collecting cost: what the collector timed of itself, and what it counted, at the prices in that process. It says so at the end
/// of each load, and of the process where that comes to it.
fn collecting(trace: &ProcessTrace) -> Collecting {
    let prices =
        trace.of_kind(kind::PRICE).next().map(|record| record.words.as_slice()).unwrap_or_default();
    let [allocation_ps, read_ps, ..] = prices else { return Collecting::default() };
    let said = trace.of_kind(kind::LOAD_END).chain(trace.of_kind(kind::END)).filter_map(|record| {
        let [_readings, timed, reads, ..] = record.words.get(SNAPSHOT_WORDS..)? else {
            return None;
        };
        let allocations = record.words.get(ALLOCATIONS)?;
        Some(timed + (allocations * allocation_ps + reads * read_ps) / 1000)
    });
    Collecting { cpu_ns: said.max().unwrap_or(0) }
}

/// Where a snapshot has the number of allocations.
const ALLOCATIONS: usize = 3;
