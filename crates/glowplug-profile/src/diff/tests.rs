use super::*;
use crate::model::Spread;
use crate::sample;
use proptest::prelude::*;

const MS: u64 = 1_000_000;

/// The sample with other own times, of `runs` runs that spread by `spread` ns to either side.
fn profile(runs: u32, spread: u64, change: impl Fn(&mut Module)) -> Profile {
    let mut profile = sample::profile();
    profile.run.runs = runs;
    for module in &mut profile.processes[0].modules {
        change(module);
        let cpu = module.own.cpu_ns;
        let wall = module.own.wall_ns;
        module.spread = (runs > 1).then(|| Spread {
            cpu_low_ns: cpu.saturating_sub(spread),
            cpu_high_ns: cpu + spread,
            wall_low_ns: wall.saturating_sub(spread),
            wall_high_ns: wall + spread,
        });
    }
    profile
}

fn set(name: &'static str, ms: u64) -> impl Fn(&mut Module) {
    move |module| {
        if module.name == name {
            module.own.cpu_ns = ms * MS;
        }
    }
}

fn status_of(diff: &Diff, name: &str) -> Status {
    diff.rows.iter().find(|row| row.name == name).unwrap().status
}

#[test]
fn a_profile_does_not_differ_from_itself() {
    let one = sample::profile();
    let diff = compare(&one, &one);
    assert!(diff.rows.iter().all(|row| row.status == Status::Same && row.change_ns() == 0));
    assert_eq!(diff.total.status, Status::Same);
    assert!(render_text(&diff, 10).contains("No module changed beyond noise."));
}

#[test]
fn single_runs_must_differ_by_more_than_single_runs_do() {
    let before = sample::profile();
    let noisy = compare(&before, &profile(1, 0, set("schema", 39)));
    assert_eq!(status_of(&noisy, "schema"), Status::Same);
    let clear = compare(&before, &profile(1, 0, set("schema", 45)));
    assert_eq!(status_of(&clear, "schema"), Status::Slower);
    assert!(clear.notes[0].contains("--runs 5"));
}

#[test]
fn many_runs_show_small_changes_if_they_do_not_mix() {
    let before = profile(7, MS, |_| {});
    let apart = compare(&before, &profile(7, MS, set("schema", 37)));
    assert_eq!(status_of(&apart, "schema"), Status::Slower);
    let mixed = compare(&before, &profile(7, 2 * MS, set("schema", 37)));
    assert_eq!(status_of(&mixed, "schema"), Status::Same);
    let few = compare(&profile(2, MS, |_| {}), &profile(2, MS, set("schema", 37)));
    assert_eq!(status_of(&few, "schema"), Status::Same);
}

#[test]
fn modules_come_and_go() {
    let mut after = sample::profile();
    after.processes[0].modules[5].name = "_schema_fast".into();
    let diff = compare(&sample::profile(), &after);
    assert_eq!(status_of(&diff, "_schema_core"), Status::Removed);
    assert_eq!(status_of(&diff, "_schema_fast"), Status::Added);
    let text = render_text(&diff, 10);
    assert!(text.contains("   −48.0 ms    48.0 ms          –  removed  _schema_core\n"), "{text}");
    assert!(text.contains("   +48.0 ms          –    48.0 ms  added    _schema_fast\n"), "{text}");
}

#[test]
fn without_cpu_time_wall_time_is_compared() {
    let log = crate::importtime::read(b"import time: 5000 | 5000 | web\n", "log").unwrap();
    let diff = compare(&sample::profile(), &log);
    assert_eq!(diff.measure, Measure::Wall);
    assert_eq!(status_of(&diff, "web"), Status::Faster);
}

proptest! {
    #[test]
    fn the_text_fits_and_the_changes_add_up(
        names in prop::collection::vec("[a-z.\u{202e}\u{e4}]{1,120}", 9),
        times in prop::collection::vec(0..1u64 << 42, 9),
        limit in 0..12usize,
    ) {
        let before = sample::profile();
        let mut after = sample::profile();
        let changed = after.processes[0].modules.iter_mut().skip(1).zip(names.iter().zip(&times));
        for (module, (name, &ns)) in changed {
            module.name.clone_from(name);
            module.own.cpu_ns = ns;
        }
        let diff = compare(&before, &after);
        let sum: i64 = diff.rows.iter().map(Row::change_ns).sum();
        prop_assert_eq!(sum, diff.imports.change_ns());
        let text = render_text(&diff, limit);
        prop_assert!(text.lines().all(|line| line.chars().count() <= 100), "{}", text);
        // Whatever the order, the differences of two are each other's opposites.
        prop_assert_eq!(compare(&after, &before).imports.change_ns(), -sum);
    }
}
