//! The trace event format of chrome://tracing and of Perfetto: complete events, microseconds.

use super::{speedscope::thread_name, timeline};
use crate::model::{Module, Process, Profile};
use serde_json::{Value, json};

/// The profile as a trace: a complete event for each load, and the names of processes and threads.
pub fn chrome_trace(profile: &Profile) -> Value {
    let mut events = Vec::new();
    for process in &profile.processes {
        events.push(metadata(process, 0, "process_name", &process.argv.join(" ")));
        for (index, thread) in process.threads.iter().enumerate() {
            events.push(metadata(
                process,
                thread.tid,
                "thread_name",
                &thread_name(process, index, false),
            ));
            for interval in timeline::of_thread(process, index as u32) {
                let module = &process.modules[interval.module as usize];
                events.push(json!({
                    "name": module.name,
                    "cat": "import",
                    "ph": "X",
                    "pid": process.pid,
                    "tid": thread.tid,
                    "ts": microseconds(interval.start_ns),
                    "dur": microseconds(interval.end_ns - interval.start_ns),
                    "tdur": microseconds(module.cumulative.cpu_ns),
                    "args": arguments(module),
                }));
            }
        }
    }
    json!({
        "traceEvents": events,
        "displayTimeUnit": "ms",
        "otherData": {
            "producer": format!("glowplug {}", env!("CARGO_PKG_VERSION")),
            "command": profile.run.command.join(" "),
        },
    })
}

fn metadata(process: &Process, tid: u32, what: &str, name: &str) -> Value {
    json!({ "name": what, "ph": "M", "pid": process.pid, "tid": tid, "args": { "name": name } })
}

/// What the viewer shows of a load that is chosen.
fn arguments(module: &Module) -> Value {
    json!({
        "file": module.file,
        "kind": module.kind,
        "own wall ms": module.own.wall_ns as f64 / 1e6,
        "own CPU ms": module.own.cpu_ns as f64 / 1e6,
        "saves CPU ms": module.exclusive.cpu_ns as f64 / 1e6,
        "memory bytes": module.own.rss_bytes,
        "bytes read": module.own.bytes_read,
    })
}

fn microseconds(ns: u64) -> f64 {
    ns as f64 / 1e3
}
