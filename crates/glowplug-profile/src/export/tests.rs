use super::*;
use crate::model::{Module, Profile};
use crate::sample;
use proptest::prelude::*;
use serde_json::Value;
use std::collections::HashMap;

/// What speedscope demands of a file: frames exist, times do not fall, opens and closes are balanced, the end is not before the
/// last event.
fn check_speedscope(file: &Value) {
    assert_eq!(file["$schema"], "https://www.speedscope.app/file-format-schema.json");
    let frames = file["shared"]["frames"].as_array().unwrap();
    assert!(frames.iter().all(|frame| frame["name"].is_string()));
    for profile in file["profiles"].as_array().unwrap() {
        assert_eq!(profile["type"], "evented");
        assert_eq!(profile["unit"], "nanoseconds");
        let (mut at, mut open) = (profile["startValue"].as_u64().unwrap(), Vec::new());
        for event in profile["events"].as_array().unwrap() {
            let time = event["at"].as_u64().unwrap();
            assert!(time >= at, "times must not fall");
            at = time;
            let frame = event["frame"].as_u64().unwrap();
            assert!((frame as usize) < frames.len());
            match event["type"].as_str().unwrap() {
                "O" => open.push(frame),
                "C" => assert_eq!(open.pop(), Some(frame), "closes what was opened last"),
                other => panic!("{other}"),
            }
        }
        assert!(open.is_empty());
        assert!(profile["endValue"].as_u64().unwrap() >= at);
    }
}

/// What trace viewers demand: known phases with their fields, and complete events of a thread that nest.
fn check_trace(trace: &Value) {
    let mut open: HashMap<(u64, u64), Vec<f64>> = HashMap::new();
    for event in trace["traceEvents"].as_array().unwrap() {
        assert!(event["name"].is_string());
        let thread = (event["pid"].as_u64().unwrap(), event["tid"].as_u64().unwrap());
        match event["ph"].as_str().unwrap() {
            "M" => assert!(event["args"]["name"].is_string()),
            "X" => {
                let (start, length) =
                    (event["ts"].as_f64().unwrap(), event["dur"].as_f64().unwrap());
                assert!(start >= 0.0 && length >= 0.0);
                let ends = open.entry(thread).or_default();
                while ends.last().is_some_and(|&end| end <= start + 1e-6) {
                    ends.pop();
                }
                // A microsecond's float has no more than a picosecond's doubt at these sizes.
                assert!(ends.last().is_none_or(|&end| start + length <= end + 1e-3));
                ends.push(start + length);
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn speedscope_has_every_load_once() {
    let profile = sample::profile();
    let file = speedscope(&profile);
    check_speedscope(&file);
    let events = file["profiles"][0]["events"].as_array().unwrap();
    assert_eq!(events.len(), 2 * (profile.processes[0].modules.len() - 1));
    assert_eq!(file["shared"]["frames"][3]["file"], "/srv/lib/web/openapi.py");
}

#[test]
fn a_trace_has_every_load_once() {
    let profile = sample::profile();
    let trace = chrome_trace(&profile);
    check_trace(&trace);
    let events = trace["traceEvents"].as_array().unwrap();
    let loads = events.iter().filter(|event| event["ph"] == "X").count();
    assert_eq!(loads, profile.processes[0].modules.len() - 1);
    let web = events.iter().find(|event| event["name"] == "web").unwrap();
    assert_eq!(web["dur"].as_f64().unwrap(), 135_450.0);
}

#[test]
fn stacks_add_up() {
    let profile = sample::profile();
    let text = collapsed(&profile);
    assert!(text.contains("__main__;web;web.openapi;schema;_schema_core 48000\n"), "{text}");
    let weights = text.lines().map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap());
    assert_eq!(weights.sum::<u64>() * 1000, profile.processes[0].cpu_ns);
}

#[test]
fn names_cannot_break_a_stack() {
    let mut profile = sample::profile();
    profile.processes[0].modules[1].name = "a b;c\nd".into();
    assert!(collapsed(&profile).contains("\n__main__;a_b:c\\u000ad 12000\n"));
}

/// Rough times, as medians and clocks can leave them: loads that overlap and stand out of those around them.
fn disorder() -> impl Strategy<Value = Profile> {
    prop::collection::vec((0..400_000_000u64, 0..400_000_000u64, 0..4u32), 9).prop_map(|times| {
        let mut profile = sample::profile();
        let process = &mut profile.processes[0];
        process.threads = vec![process.threads[0].clone(); 4];
        for (index, thread) in process.threads.iter_mut().enumerate() {
            thread.tid = 100 + index as u32;
        }
        let change = |module: &mut Module, (start, wall, thread): (u64, u64, u32)| {
            module.start_ns = start;
            module.cumulative.wall_ns = wall;
            module.thread = thread;
        };
        process.modules.iter_mut().skip(1).zip(times).for_each(|(module, new)| change(module, new));
        profile
    })
}

proptest! {
    #[test]
    fn whatever_the_times_the_viewers_get_what_they_can_read(profile in disorder()) {
        check_speedscope(&speedscope(&profile));
        check_trace(&chrome_trace(&profile));
    }
}
