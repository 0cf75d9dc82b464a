//! The difference of two profiles: which modules came, went, became dearer or cheaper, and what of that is more than noise.

use crate::model::{Module, Process, Profile};
use std::collections::BTreeMap;

mod text;

pub use text::render as render_text;
pub(crate) use text::signed;

/// How much identical single runs differ: CPU time by 8–16%, wall time by 10–34% of one another.
const SINGLE_CPU: f64 = 0.16;
const SINGLE_WALL: f64 = 0.34;
/// From this many runs on each side, ranges that do not overlap are proof enough: by chance that happens in 2 of 252 cases.
const ENOUGH_RUNS: u32 = 5;
/// Nothing below is called a change, however certain: 0.1 ms.
const LEAST_NS: u64 = 100_000;

/// What the two are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// CPU time.
    Cpu,
    /// Wall time, as one of the profiles knows no CPU time.
    Wall,
}

impl Measure {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Measure::Cpu => "CPU time",
            Measure::Wall => "wall time",
        }
    }
}

/// A figure of one side with the least and greatest of its runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figure {
    /// The median.
    pub ns: u64,
    /// The least.
    pub low_ns: u64,
    /// The greatest.
    pub high_ns: u64,
}

impl Figure {
    fn exact(ns: u64) -> Figure {
        Figure { ns, low_ns: ns, high_ns: ns }
    }

    fn add(&mut self, other: Figure) {
        self.ns += other.ns;
        self.low_ns += other.low_ns;
        self.high_ns += other.high_ns;
    }
}

/// What became of a module, or of a total.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Only in the second profile.
    Added,
    /// Only in the first.
    Removed,
    /// Dearer, beyond noise.
    Slower,
    /// Cheaper, beyond noise.
    Faster,
    /// No difference that is more than noise.
    Same,
}

impl Status {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Status::Added => "added",
            Status::Removed => "removed",
            Status::Slower => "slower",
            Status::Faster => "faster",
            Status::Same => "within noise",
        }
    }
}

/// A module, or a total, on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The module.
    pub name: String,
    /// Its own time in the first profile.
    pub a: Option<Figure>,
    /// And in the second.
    pub b: Option<Figure>,
    /// What became of it.
    pub status: Status,
}

impl Row {
    /// By how much the second is dearer, nanoseconds.
    pub fn change_ns(&self) -> i64 {
        let ns = |figure: Option<Figure>| figure.map_or(0, |figure| figure.ns as i64);
        ns(self.b) - ns(self.a)
    }
}

/// The difference of two profiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diff {
    /// The command lines.
    pub commands: [String; 2],
    /// The Pythons; empty where not known.
    pub pythons: [String; 2],
    /// How many runs each is made of.
    pub runs: [u32; 2],
    /// What is compared.
    pub measure: Measure,
    /// The whole program.
    pub total: Row,
    /// All imports.
    pub imports: Row,
    /// How many modules each has.
    pub modules: [usize; 2],
    /// The modules, the greatest change first.
    pub rows: Vec<Row>,
    /// What the reader should know.
    pub notes: Vec<String>,
}

impl Diff {
    /// The rows of one status.
    pub fn with(&self, status: Status) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.status == status)
    }
}

/// What says whether a difference is one.
#[derive(Clone, Copy)]
struct Judge {
    measure: Measure,
    runs: u32,
}

impl Judge {
    fn status(self, a: Option<Figure>, b: Option<Figure>) -> Status {
        let (a, b) = match (a, b) {
            (None, _) => return Status::Added,
            (_, None) => return Status::Removed,
            (Some(a), Some(b)) => (a, b),
        };
        if a.ns.abs_diff(b.ns) < LEAST_NS || !self.beyond_noise(a, b) {
            return Status::Same;
        }
        if b.ns > a.ns { Status::Slower } else { Status::Faster }
    }

    /// The runs of the two sides do not mix; and where these are few, the medians differ by more than single runs do.
    fn beyond_noise(self, a: Figure, b: Figure) -> bool {
        let apart = a.high_ns < b.low_ns || b.high_ns < a.low_ns;
        let usual = match self.measure {
            Measure::Cpu => SINGLE_CPU,
            Measure::Wall => SINGLE_WALL,
        };
        let far = a.ns.abs_diff(b.ns) as f64 > usual * a.ns.max(b.ns) as f64;
        apart && (far || self.runs >= ENOUGH_RUNS)
    }
}

/// Compares the processes that imported most, module by module; one that was loaded several times counts once, with the sum.
pub fn compare(a: &Profile, b: &Profile) -> Diff {
    let knows_cpu = |profile: &Profile| profile.main().is_some_and(|process| process.cpu_ns > 0);
    let measure = if knows_cpu(a) && knows_cpu(b) { Measure::Cpu } else { Measure::Wall };
    let judge = Judge { measure, runs: a.run.runs.min(b.run.runs) };
    let tables = [a, b]
        .map(|profile| profile.main().map_or_else(BTreeMap::new, |one| modules(one, measure)));
    let mut names: Vec<&String> = tables.iter().flat_map(BTreeMap::keys).collect();
    names.sort_unstable();
    names.dedup();
    let row = |name: &str, a: Option<Figure>, b: Option<Figure>| Row {
        name: name.to_owned(),
        a,
        b,
        status: judge.status(a, b),
    };
    let [in_a, in_b] = &tables;
    let both = |name: &String| row(name, in_a.get(name).copied(), in_b.get(name).copied());
    let mut rows: Vec<Row> = names.into_iter().map(both).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.change_ns().unsigned_abs()));
    let [total_a, total_b] = [a, b].map(|profile| Some(total(profile, measure)));
    let [imports_a, imports_b] = [in_a, in_b].map(|table| Some(sum(table)));
    Diff {
        commands: [a, b].map(|profile| profile.run.command.join(" ")),
        pythons: [a, b]
            .map(|one| one.main().map_or_else(String::new, |process| process.python.clone())),
        runs: [a.run.runs, b.run.runs],
        measure,
        total: row("program", total_a, total_b),
        imports: row("imports", imports_a, imports_b),
        modules: [in_a.len(), in_b.len()],
        rows,
        notes: notes(a, b, judge),
    }
}

/// The own times of a process's modules by name.
fn modules(process: &Process, measure: Measure) -> BTreeMap<String, Figure> {
    let mut table: BTreeMap<String, Figure> = BTreeMap::new();
    for module in process.modules.iter().skip(1) {
        table.entry(module.name.clone()).or_default().add(own(module, measure));
    }
    table
}

fn own(module: &Module, measure: Measure) -> Figure {
    let ns = match measure {
        Measure::Cpu => module.own.cpu_ns,
        Measure::Wall => module.own.wall_ns,
    };
    match (module.spread, measure) {
        (None, _) => Figure::exact(ns),
        (Some(s), Measure::Cpu) => Figure { ns, low_ns: s.cpu_low_ns, high_ns: s.cpu_high_ns },
        (Some(s), Measure::Wall) => Figure { ns, low_ns: s.wall_low_ns, high_ns: s.wall_high_ns },
    }
}

fn sum(table: &BTreeMap<String, Figure>) -> Figure {
    let mut sum = Figure::default();
    table.values().for_each(|&figure| sum.add(figure));
    sum
}

fn total(profile: &Profile, measure: Measure) -> Figure {
    let of = |wall_ns, cpu_ns| if measure == Measure::Cpu { cpu_ns } else { wall_ns };
    let ns = of(profile.run.wall_ns, profile.run.cpu_ns);
    let each = || profile.run.each.iter().map(|run| of(run.wall_ns, run.cpu_ns));
    Figure { ns, low_ns: each().min().unwrap_or(ns), high_ns: each().max().unwrap_or(ns) }
}

fn notes(a: &Profile, b: &Profile, judge: Judge) -> Vec<String> {
    let mut notes = Vec::new();
    if judge.runs < ENOUGH_RUNS {
        let usual = 100.0 * if judge.measure == Measure::Cpu { SINGLE_CPU } else { SINGLE_WALL };
        notes.push(format!(
            "With fewer than {ENOUGH_RUNS} runs a side, only a difference of more than {usual:.0}% counts as a change; profile with \
             `--runs {ENOUGH_RUNS}` or more to see smaller ones."
        ));
    }
    if judge.measure == Measure::Wall {
        notes.push("One of the profiles knows no CPU time, so wall time is compared.".to_owned());
    }
    let python = |profile: &Profile| profile.main().map(|process| process.python.clone());
    if let (Some(one), Some(other)) = (python(a), python(b))
        && one != other
        && !one.is_empty()
        && !other.is_empty()
    {
        notes.push(format!("The Pythons differ: {one} and {other}."));
    }
    let limits = |profile: &Profile| {
        profile
            .run
            .constraint
            .as_ref()
            .map(|limits| (limits.cpus.map(f64::to_bits), limits.memory_bytes))
    };
    if limits(a) != limits(b) {
        notes.push("The limits that the two ran under differ.".to_owned());
    }
    if a.run.cold != b.run.cold {
        notes.push("One of the two ran with a cold page cache.".to_owned());
    }
    if a.run.overhead.usage_marks != b.run.overhead.usage_marks {
        notes.push("One of the two ran with usage marks, which cost time of their own.".to_owned());
    }
    notes
}

#[cfg(test)]
mod tests;
