//! What a run came to, and how two runs differ.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With an exit status.
    Status(i32),
    /// By a signal.
    Signal(i32),
    /// It had to be killed, as it ran for much longer than the eager run.
    TimedOut,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::Status(status) => write!(f, "exit status {status}"),
            Ended::Signal(signal) => write!(f, "signal {signal}"),
            Ended::TimedOut => f.write_str("no end in sight"),
        }
    }
}

/// How a test ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestOutcome {
    /// `passed`, `failed`, `error` or `skipped`.
    pub outcome: &'static str,
    /// The message of a failure.
    pub message: String,
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub ended: Ended,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// What it said on standard error.
    pub stderr: String,
    /// Its tests by name, where it is pytest and wrote its report.
    pub tests: Option<BTreeMap<String, TestOutcome>>,
}

/// One way in which a lazy run differs from the eager one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It ended otherwise.
    Ended {
        /// The eager run.
        eager: Ended,
        /// The lazy run.
        lazy: Ended,
    },
    /// It printed something else.
    Stdout {
        /// The first line that differs, from 1.
        line: usize,
        /// That line of the eager run.
        eager: String,
        /// That line of the lazy run.
        lazy: String,
    },
    /// A test ended otherwise.
    Test {
        /// Its name.
        name: String,
        /// Of the eager run; `missing` where it was not run.
        eager: &'static str,
        /// Of the lazy run.
        lazy: &'static str,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Ended { eager, lazy } => write!(f, "{lazy} instead of {eager}"),
            Difference::Stdout { line, eager, lazy } => {
                write!(f, "line {line} of the output is `{lazy}` instead of `{eager}`")
            }
            Difference::Test { name, eager, lazy } => write!(f, "{name} {lazy} instead of {eager}"),
        }
    }
}

/// What can be compared: eager runs that differ among themselves say nothing by a further difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Baseline {
    outcome: Outcome,
    /// Whether the program ended in the same way twice.
    ended: bool,
    /// Whether the output was the same twice.
    stdout: bool,
    /// Tests that ended differently.
    unsteady: BTreeSet<String>,
}

impl Baseline {
    /// Of two eager runs.
    pub fn of(first: Outcome, second: &Outcome) -> Baseline {
        // What pytest prints holds times and the path of its report; its tests are compared instead.
        let stdout = first.tests.is_none() && first.stdout == second.stdout;
        let unsteady = test_differences(&first, second).map(|(name, ..)| name.to_owned()).collect();
        Baseline { ended: first.ended == second.ended, outcome: first, stdout, unsteady }
    }

    /// Whether the program fails without lazy imports.
    pub fn fails(&self) -> bool {
        self.outcome.ended != Ended::Status(0)
    }

    /// The first of the eager runs.
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// What is not compared, as it was not the same in two eager runs; for people.
    pub fn unsteady(&self) -> Vec<String> {
        let stdout = !self.stdout && self.outcome.tests.is_none();
        let parts = [(!self.ended, "the exit status"), (stdout, "the output")];
        let parts = parts.into_iter().filter(|(unsteady, _)| *unsteady);
        parts.map(|(_, name)| name.to_owned()).chain(self.unsteady.iter().cloned()).collect()
    }

    /// How a run differs.
    pub fn differences(&self, lazy: &Outcome) -> Vec<Difference> {
        let eager = &self.outcome;
        let mut differences = Vec::new();
        if eager.ended != lazy.ended && self.ended && self.unsteady.is_empty() {
            differences.push(Difference::Ended { eager: eager.ended, lazy: lazy.ended });
        }
        let tests =
            test_differences(eager, lazy).filter(|(name, ..)| !self.unsteady.contains(*name));
        differences.extend(tests.map(|(name, eager, lazy)| Difference::Test {
            name: name.to_owned(),
            eager,
            lazy,
        }));
        if self.stdout {
            differences.extend(stdout_difference(&eager.stdout, &lazy.stdout));
        }
        differences
    }
}

/// Tests whose outcomes differ: name, first, second.
fn test_differences<'a>(
    first: &'a Outcome,
    second: &'a Outcome,
) -> impl Iterator<Item = (&'a str, &'static str, &'static str)> {
    let none = const { &BTreeMap::new() };
    let (first, second) =
        (first.tests.as_ref().unwrap_or(none), second.tests.as_ref().unwrap_or(none));
    let names: BTreeSet<&String> = first.keys().chain(second.keys()).collect();
    let outcome = |tests: &BTreeMap<String, TestOutcome>, name: &String| {
        tests.get(name).map_or("missing", |test| test.outcome)
    };
    names.into_iter().filter_map(move |name| {
        let (one, other) = (outcome(first, name), outcome(second, name));
        (one != other).then_some((name.as_str(), one, other))
    })
}

fn stdout_difference(eager: &[u8], lazy: &[u8]) -> Option<Difference> {
    if eager == lazy {
        return None;
    }
    let lines = |bytes: &[u8]| -> Vec<String> {
        bytes
            .split(|byte| *byte == b'\n')
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect()
    };
    let (eager, lazy) = (lines(eager), lines(lazy));
    let same = eager.iter().zip(&lazy).take_while(|(one, other)| one == other).count();
    let at = |lines: &[String]| {
        lines.get(same).map_or_else(|| "the end".to_owned(), |line| shortened(line))
    };
    Some(Difference::Stdout { line: same + 1, eager: at(&eager), lazy: at(&lazy) })
}

/// At most 80 characters of a line.
fn shortened(line: &str) -> String {
    match line.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

/// The tests in a report of pytest in JUnit's format; `None` where it is no such report.
pub fn tests_of_junit(xml: &str) -> Option<BTreeMap<String, TestOutcome>> {
    let document = roxmltree::Document::parse(xml).ok()?;
    let mut tests = BTreeMap::new();
    for case in document.descendants().filter(|node| node.has_tag_name("testcase")) {
        let class = case.attribute("classname").unwrap_or_default();
        let name = case.attribute("name").unwrap_or_default();
        let name = if class.is_empty() { name.to_owned() } else { format!("{class}::{name}") };
        let problem = case.children().find_map(|child| match child.tag_name().name() {
            "failure" => Some(("failed", child)),
            "error" => Some(("error", child)),
            "skipped" => Some(("skipped", child)),
            _ => None,
        });
        let outcome = problem.map_or("passed", |(outcome, _)| outcome);
        let message = problem.and_then(|(_, child)| child.attribute("message").or(child.text()));
        let message = message.unwrap_or_default().to_owned();
        // A test whose teardown fails appears twice; what went wrong counts.
        let test = TestOutcome { outcome, message };
        let entry = tests.entry(name).or_insert_with(|| test.clone());
        if entry.outcome == "passed" {
            *entry = test;
        }
    }
    Some(tests)
}

impl Outcome {
    /// The last thing that went wrong, as `Type: message`; `None` where nothing is seen.
    pub fn last_error(&self) -> Option<String> {
        let of_tests = self.tests.iter().flat_map(BTreeMap::values).find(|test| {
            (test.outcome == "failed" || test.outcome == "error") && looks_like_error(&test.message)
        });
        if let Some(test) = of_tests {
            return Some(first_line(&test.message));
        }
        let lines = self.stderr.lines().rev();
        lines.map(str::trim_end).find(|line| looks_like_error(line)).map(first_line)
    }

    /// The last lines that it wrote, at most so many: of standard error, and where that is empty, of its output; of pytest, which reports
    /// on its output, the other way round.
    pub fn last_lines(&self, most: usize) -> Vec<String> {
        let stdout = String::from_utf8_lossy(&self.stdout);
        let by_tests = self.tests.as_ref().is_some_and(|tests| !tests.is_empty());
        let (first, other) = match by_tests {
            true => (stdout.as_ref(), self.stderr.as_str()),
            false => (self.stderr.as_str(), stdout.as_ref()),
        };
        let said = if first.trim().is_empty() { other } else { first }.trim_end();
        let lines: Vec<&str> = said.lines().collect();
        let from = lines.len().saturating_sub(most);
        lines[from..].iter().map(|line| shortened_to(line, 200)).collect()
    }

    /// How many of its tests failed; `None` where none was run.
    pub fn failed_tests(&self) -> Option<usize> {
        let tests = self.tests.as_ref().filter(|tests| !tests.is_empty())?;
        let failed = |test: &&TestOutcome| matches!(test.outcome, "failed" | "error");
        Some(tests.values().filter(failed).count())
    }
}

/// `package.SomeError: message`, at the start of a line.
fn looks_like_error(line: &str) -> bool {
    let name = line.split(':').next().unwrap_or_default();
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    let last = name.rsplit('.').next().unwrap_or_default();
    !name.is_empty()
        && name.chars().all(is_name)
        && (last.ends_with("Error")
            || last.ends_with("Exception")
            || last.ends_with("Warning")
            || last == "KeyboardInterrupt")
}

fn first_line(text: &str) -> String {
    shortened_to(text.lines().next().unwrap_or_default(), 200)
}

fn shortened_to(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: i32, stdout: &str) -> Outcome {
        Outcome {
            ended: Ended::Status(status),
            stdout: stdout.into(),
            stderr: String::new(),
            tests: None,
        }
    }

    fn told(differences: &[Difference]) -> Vec<String> {
        differences.iter().map(ToString::to_string).collect()
    }

    const REPORT: &str = "<?xml version='1.0'?><testsuites><testsuite>\
        <testcase classname='a.B' name='one'/>\
        <testcase classname='a' name='two'><failure message='KeyError: 1'>text</failure></testcase>\
        <testcase classname='a' name='three'><skipped message='why'/></testcase>\
        <testcase classname='a' name='four'/>\
        <testcase classname='a' name='four'><error message='in teardown'/></testcase>\
        </testsuite></testsuites>";

    #[test]
    fn statuses_and_output_are_compared() {
        let baseline = Baseline::of(outcome(0, "a\nb\n"), &outcome(0, "a\nb\n"));
        assert!(baseline.differences(&outcome(0, "a\nb\n")).is_empty());
        assert_eq!(
            told(&baseline.differences(&outcome(1, "a\n"))),
            ["exit status 1 instead of exit status 0", "line 2 of the output is `` instead of `b`"]
        );
    }

    #[test]
    fn what_is_unsteady_is_not_compared() {
        let baseline = Baseline::of(outcome(0, "pid 1"), &outcome(0, "pid 2"));
        assert!(baseline.differences(&outcome(0, "pid 3")).is_empty());
        assert_eq!(baseline.unsteady(), ["the output"]);
        let baseline = Baseline::of(outcome(0, ""), &outcome(1, ""));
        assert!(baseline.differences(&outcome(1, "")).is_empty());
        assert_eq!(baseline.unsteady(), ["the exit status"]);
    }

    #[test]
    fn what_a_program_that_fails_said_last_is_found() {
        let plain = Outcome { stderr: "a\nb\nc\n".into(), ..outcome(1, "out") };
        assert_eq!(plain.last_lines(2), ["b", "c"]);
        assert_eq!(outcome(1, "out\n").last_lines(2), ["out"]);
        assert_eq!(outcome(1, "").last_lines(2), [""; 0]);
        assert_eq!(plain.failed_tests(), None);
        let suite = Outcome { tests: tests_of_junit(REPORT), ..plain.clone() };
        assert_eq!(suite.last_lines(2), ["out"]);
        assert_eq!(suite.failed_tests(), Some(2));
        let none = Outcome { tests: Some(BTreeMap::new()), ..plain };
        assert_eq!((none.last_lines(1), none.failed_tests()), (vec!["c".to_owned()], None));
    }

    #[test]
    fn tests_are_compared_one_by_one() {
        let tests = tests_of_junit(REPORT).unwrap();
        let outcomes: Vec<_> =
            tests.iter().map(|(name, test)| (name.as_str(), test.outcome)).collect();
        assert_eq!(
            outcomes,
            [
                ("a.B::one", "passed"),
                ("a::four", "error"),
                ("a::three", "skipped"),
                ("a::two", "failed")
            ]
        );
        let eager = Outcome { tests: Some(tests.clone()), ..outcome(1, "in 0.1 s") };
        let mut other = tests;
        other.remove("a.B::one");
        other.get_mut("a::two").unwrap().outcome = "passed";
        let lazy = Outcome { tests: Some(other), ..outcome(1, "in 0.2 s") };
        let baseline = Baseline::of(eager.clone(), &eager);
        assert_eq!(
            told(&baseline.differences(&lazy)),
            ["a.B::one missing instead of passed", "a::two passed instead of failed"]
        );
        let flaky = Baseline::of(eager, &lazy);
        assert!(flaky.differences(&lazy).is_empty());
    }

    #[test]
    fn a_report_that_was_not_written_differs() {
        let eager = Outcome { tests: tests_of_junit(REPORT), ..outcome(0, "") };
        let baseline = Baseline::of(eager.clone(), &eager);
        let crashed = Outcome { ended: Ended::Signal(11), ..outcome(0, "") };
        assert_eq!(baseline.differences(&crashed).len(), 5);
    }

    #[test]
    fn the_error_is_found_in_what_was_said() {
        let stderr = "Traceback (most recent call last):\n  File \"x\", line 1\nsqlalchemy.exc.InvalidRequestError: No such event\nbye\n";
        let run = Outcome { stderr: stderr.into(), ..outcome(1, "") };
        assert_eq!(
            run.last_error().as_deref(),
            Some("sqlalchemy.exc.InvalidRequestError: No such event")
        );
        assert_eq!(outcome(1, "").last_error(), None);
        let run = Outcome { tests: tests_of_junit(REPORT), ..outcome(1, "") };
        assert_eq!(run.last_error().as_deref(), Some("KeyError: 1"));
    }
}
