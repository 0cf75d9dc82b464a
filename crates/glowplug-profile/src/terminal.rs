//! A profile in the terminal: a summary, a tree, a table and what to do, within 100 columns.

use crate::figures::{self, time, visible};
use crate::model::{Bytecode, Exit, Module, ModuleKind, Outcome, Process, Profile, Usage};
use std::fmt::Write;

/// The columns that every line keeps to.
pub const WIDTH: usize = 100;

/// What a table is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// Exclusive CPU time.
    #[default]
    Exclusive,
    /// Own CPU time.
    Own,
    /// Cumulative CPU time.
    Cumulative,
    /// Own wall time.
    Wall,
    /// Exclusive resident memory.
    Memory,
    /// Bytes read.
    Read,
    /// The order of loading.
    Order,
}

impl Sort {
    /// All of them, by the name of the option's argument.
    pub const NAMES: [(&str, Sort); 7] = [
        ("exclusive", Sort::Exclusive),
        ("self", Sort::Own),
        ("cumulative", Sort::Cumulative),
        ("wall", Sort::Wall),
        ("memory", Sort::Memory),
        ("read", Sort::Read),
        ("order", Sort::Order),
    ];

    fn key(self, module: &Module) -> u64 {
        match self {
            Sort::Exclusive => module.exclusive.cpu_ns,
            Sort::Own => module.own.cpu_ns,
            Sort::Cumulative => module.cumulative.cpu_ns,
            Sort::Wall => module.own.wall_ns,
            Sort::Memory => module.exclusive.rss_bytes,
            Sort::Read => module.own.bytes_read,
            Sort::Order => 0,
        }
    }
}

/// What is shown of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Order of the table.
    pub sort: Sort,
    /// Levels of the tree.
    pub depth: usize,
    /// Only modules whose names hold this.
    pub filter: Option<String>,
    /// Rows of the table and findings.
    pub rows: usize,
}

impl Default for View {
    fn default() -> Self {
        View { sort: Sort::default(), depth: 3, filter: None, rows: 20 }
    }
}

/// The whole report.
pub fn render(profile: &Profile, view: &View) -> String {
    let mut text = String::new();
    summary(&mut text, profile);
    for process in &profile.processes {
        if profile.processes.len() > 1 {
            let line = format!("process {}: {}", process.pid, process.argv.join(" "));
            let _ = write!(text, "\n{}\n", fit(&line, WIDTH));
        }
        if process.modules.len() > 1 {
            tree(&mut text, process, view);
            table(&mut text, process, view);
            findings(&mut text, process, view);
        }
    }
    text
}

fn summary(text: &mut String, profile: &Profile) {
    let run = &profile.run;
    let mut line = |content: String| {
        let _ = writeln!(text, "{}", fit(&content, WIDTH));
    };
    line(format!("profile of {}", run.command.join(" ")));
    let runs = if run.runs > 1 { format!(", medians of {} runs", run.runs) } else { String::new() };
    let ended = match run.exit {
        Exit::Status(0) | Exit::Unknown => String::new(),
        Exit::Status(status) => format!("; ended with status {status}"),
        Exit::Signal(signal) => format!("; killed by signal {signal}"),
    };
    line(format!("  {} wall, {} CPU{runs}{ended}", time(run.wall_ns), time(run.cpu_ns)));
    let overhead = &run.overhead;
    let marks = if overhead.usage_marks { " with usage marks" } else { "" };
    line(format!(
        "  profiling{marks} cost {} of CPU time, {:.1}% of the rest",
        time(overhead.cpu_ns),
        overhead.fraction * 100.0
    ));
    if let Some(constraint) = &run.constraint {
        let cpus = constraint.cpus.map(|cpus| format!("{cpus} CPUs ")).unwrap_or_default();
        let memory = constraint
            .memory_bytes
            .map(|bytes| format!("{} ", figures::bytes(bytes)))
            .unwrap_or_default();
        line(format!(
            "  limited to {cpus}{memory}by {}: throttled for {} in {}",
            constraint.method,
            time(constraint.throttled_ns),
            figures::counted(constraint.throttled_periods, "period")
        ));
    }
    for process in profile.processes.iter().filter(|process| process.partial) {
        line(format!(
            "  process {} did not end by itself: the profile holds what it had done",
            process.pid
        ));
    }
    for note in &run.notes {
        line(format!("  note: {note}"));
    }
}

fn tree(text: &mut String, process: &Process, view: &View) {
    let mut children: Vec<Vec<u32>> = vec![Vec::new(); process.modules.len()];
    for (index, module) in process.modules.iter().enumerate() {
        if let Some(parent) = module.parent {
            children[parent as usize].push(index as u32);
        }
    }
    for list in &mut children {
        list.sort_by_key(|&index| {
            std::cmp::Reverse(process.modules[index as usize].cumulative.cpu_ns)
        });
    }
    let least = process.cpu_ns / 100;
    let _ = writeln!(
        text,
        "\n{:>10} {:>10}  tree of imports (CPU time; below 1% left out)",
        "cumulative", "self"
    );
    let mut open = vec![(0_u32, 0_usize)];
    while let Some((index, depth)) = open.pop() {
        let module = &process.modules[index as usize];
        let label = format!("{}{}", "  ".repeat(depth), visible(&module.name));
        let _ = writeln!(
            text,
            "{:>10} {:>10}  {}",
            time(module.cumulative.cpu_ns),
            time(module.own.cpu_ns),
            fit(&label, WIDTH - 23)
        );
        if depth < view.depth {
            let shown = children[index as usize].iter().filter(|&&child| {
                process.modules[child as usize].cumulative.cpu_ns >= least.max(1)
            });
            open.extend(shown.rev().map(|&child| (child, depth + 1)));
        }
    }
}

fn table(text: &mut String, process: &Process, view: &View) {
    let matches = |module: &Module| {
        view.filter.as_ref().is_none_or(|part| module.name.contains(part.as_str()))
    };
    let mut rows: Vec<(usize, &Module)> =
        process.modules.iter().enumerate().skip(1).filter(|(_, module)| matches(module)).collect();
    if view.sort != Sort::Order {
        rows.sort_by_key(|(_, module)| std::cmp::Reverse(view.sort.key(module)));
    }
    let _ = writeln!(
        text,
        "\n{:>10} {:>10} {:>10} {:>10} {:>10} {:>3}  module",
        "saves", "self", "cumulative", "self wall", "memory", "by"
    );
    let mut importers = vec![0_u32; process.modules.len()];
    for edge in &process.edges {
        importers[edge.module as usize] += 1;
    }
    for (index, module) in rows.iter().take(view.rows) {
        let label = format!("{}{}", visible(&module.name), marks(module));
        let _ = writeln!(
            text,
            "{:>10} {:>10} {:>10} {:>10} {:>10} {:>3}  {}",
            time(module.exclusive.cpu_ns),
            time(module.own.cpu_ns),
            time(module.cumulative.cpu_ns),
            time(module.own.wall_ns),
            figures::bytes(module.exclusive.rss_bytes),
            importers[*index].min(999),
            fit(&label, WIDTH - 60)
        );
    }
    if rows.len() > view.rows {
        let _ = writeln!(
            text,
            "  … and {}",
            figures::counted((rows.len() - view.rows) as u64, "module")
        );
    }
}

/// What a reader should see of a module at once.
fn marks(module: &Module) -> String {
    let mut marks: Vec<String> = Vec::new();
    match module.bytecode {
        Bytecode::Missing => marks.push("no .pyc".into()),
        Bytecode::Stale => marks.push("stale .pyc".into()),
        Bytecode::Cached | Bytecode::NotApplicable => {}
    }
    match &module.outcome {
        Outcome::Loaded => {}
        Outcome::NotFound => marks.push("not found".into()),
        Outcome::Raised(exception) => marks.push(format!("raised {exception}")),
        Outcome::Unfinished => marks.push("unfinished".into()),
    }
    if module.kind == ModuleKind::Extension {
        marks.push("extension".into());
    }
    if module.usage == Usage::Unused {
        marks.push("unused".into());
    }
    if module.cycle.is_some() {
        marks.push("cycle".into());
    }
    if module.thread > 0 {
        marks.push(format!("thread {}", module.thread));
    }
    if marks.is_empty() { String::new() } else { format!("  [{}]", marks.join(", ")) }
}

fn findings(text: &mut String, process: &Process, view: &View) {
    if process.findings.is_empty() {
        return;
    }
    let _ = writeln!(text, "\nwhat to do, and what each saves");
    for finding in process.findings.iter().take(view.rows) {
        let _ = writeln!(
            text,
            "{:>10}  {}",
            time(finding.saving.cpu_ns),
            fit(&visible(&finding.title), WIDTH - 12)
        );
        let _ = writeln!(text, "{:>10}  {}", "", fit(&visible(&finding.detail), WIDTH - 12));
        for place in finding.places.iter().take(3) {
            let shown = format!("at {}:{}", visible(&place.file), place.line);
            let _ = writeln!(text, "{:>10}  {}", "", fit_end(&shown, WIDTH - 12));
        }
        if finding.places.len() > 3 {
            let more = figures::counted(finding.places.len() as u64 - 3, "more place");
            let _ = writeln!(text, "{:>10}  … and {more}", "");
        }
    }
}

/// The beginning of a text, as much as there is room for.
fn fit(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

/// The end of a text: of a path, the more telling part.
fn fit_end(text: &str, width: usize) -> String {
    let count = text.chars().count();
    if count <= width {
        return text.to_owned();
    }
    ['…'].into_iter().chain(text.chars().skip(count - width + 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn every_line_fits_100_columns_whatever_the_names() {
        let mut profile = sample::profile();
        profile.run.command = vec!["x".repeat(300)];
        let process = &mut profile.processes[0];
        process.modules[3].name = "very.".repeat(60);
        process.findings[0].places[0].file = "/deep".repeat(60);
        process.findings[0].title = "é".repeat(200);
        let text = render(&profile, &View::default());
        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
    }

    #[test]
    fn the_table_is_sorted_and_filtered() {
        let profile = sample::profile();
        let view = View { sort: Sort::Own, filter: Some("schema".into()), ..View::default() };
        let mut text = String::new();
        table(&mut text, &profile.processes[0], &view);
        let names: Vec<&str> = text.lines().skip(2).filter_map(|line| line.get(60..)).collect();
        assert_eq!(names, ["_schema_core  [extension, unused]", "schema  [no .pyc, unused]"]);
    }
}
