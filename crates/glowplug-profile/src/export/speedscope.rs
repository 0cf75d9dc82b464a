//! The JSON of speedscope.app: <https://github.com/jlfwong/speedscope/wiki/Importing-from-custom-sources>, file format 0.6 on.

use super::timeline::{self, Interval};
use crate::model::{Process, Profile};
use serde::Serialize;
use serde_json::Value;

const SCHEMA: &str = "https://www.speedscope.app/file-format-schema.json";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(rename = "$schema")]
    schema: &'static str,
    exporter: String,
    name: String,
    active_profile_index: usize,
    shared: Shared,
    profiles: Vec<Evented>,
}

#[derive(Serialize)]
struct Shared {
    frames: Vec<Frame>,
}

#[derive(Serialize)]
struct Frame {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Evented {
    r#type: &'static str,
    name: String,
    unit: &'static str,
    start_value: u64,
    end_value: u64,
    events: Vec<Event>,
}

#[derive(Serialize)]
struct Event {
    r#type: &'static str,
    frame: usize,
    at: u64,
}

/// The profile for speedscope: wall time, one profile of opened and closed frames for each thread of each process.
pub fn speedscope(profile: &Profile) -> Value {
    let mut frames = Vec::new();
    let mut profiles = Vec::new();
    let many = profile.processes.len() > 1;
    for process in &profile.processes {
        let first = frames.len();
        frames.extend(
            process
                .modules
                .iter()
                .map(|module| Frame { name: module.name.clone(), file: module.file.clone() }),
        );
        for (index, thread) in process.threads.iter().enumerate() {
            let events = events(&timeline::of_thread(process, index as u32), first);
            profiles.push(Evented {
                r#type: "evented",
                name: thread_name(process, index, many),
                unit: "nanoseconds",
                start_value: 0,
                end_value: events.last().map_or(0, |last| last.at).max(thread.total.wall_ns),
                events,
            });
        }
    }
    let file = File {
        schema: SCHEMA,
        exporter: format!("glowplug@{}", env!("CARGO_PKG_VERSION")),
        name: profile.run.command.join(" "),
        active_profile_index: 0,
        shared: Shared { frames },
        profiles,
    };
    serde_json::to_value(file).expect("strings, numbers and lists alone")
}

/// What a thread is called among those of all processes.
pub(super) fn thread_name(process: &Process, index: usize, many: bool) -> String {
    let thread = &process.threads[index];
    let name = match (index, thread.name.as_str()) {
        (0, "") => "main thread".to_owned(),
        (_, "") => format!("thread {}", thread.tid),
        (_, name) => name.to_owned(),
    };
    if many { format!("{} · {name}", process.pid) } else { name }
}

/// Opens and closes in the order of time; what is open is closed from the innermost outwards.
fn events(intervals: &[Interval], first_frame: usize) -> Vec<Event> {
    let frame = |interval: &Interval| first_frame + interval.module as usize;
    let mut events = Vec::with_capacity(2 * intervals.len());
    let mut open: Vec<Interval> = Vec::new();
    for interval in intervals {
        while open.len() > interval.depth {
            let last = open.pop().expect("longer than the depth");
            events.push(Event { r#type: "C", frame: frame(&last), at: last.end_ns });
        }
        events.push(Event { r#type: "O", frame: frame(interval), at: interval.start_ns });
        open.push(*interval);
    }
    while let Some(last) = open.pop() {
        events.push(Event { r#type: "C", frame: frame(&last), at: last.end_ns });
    }
    events
}
