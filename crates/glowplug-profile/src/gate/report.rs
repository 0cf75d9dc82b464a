//! What a gate found, and its JSON form.
//!
//! The JSON has a version and a published schema, docs/schema/gate.schema.json.

use super::budget::Figure;
use super::chain::Link;
use super::comparison::Comparison;
use super::growth::Cause;
use crate::model::Place;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version of the format that this build writes.
pub const FORMAT_VERSION: u32 = 1;

/// What `format` says in every report.
pub const FORMAT_NAME: &str = "glowplug-gate";

/// How a gate, or one entry point of it, came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything that was asked for was measured and is within its budget.
    Passed,
    /// Something is beyond its budget.
    Violated,
    /// Nothing that was measured is beyond its budget, but something could not be measured.
    NotMeasured,
}

impl Verdict {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Passed => "passed",
            Verdict::Violated => "violated",
            Verdict::NotMeasured => "could not measure",
        }
    }

    /// Of a whole, of its parts: one violation is enough, and what could not be measured is never passed.
    pub fn of(parts: impl IntoIterator<Item = Verdict>) -> Verdict {
        parts.into_iter().fold(Verdict::Passed, |whole, part| match (whole, part) {
            (Verdict::Violated, _) | (_, Verdict::Violated) => Verdict::Violated,
            (Verdict::NotMeasured, _) | (_, Verdict::NotMeasured) => Verdict::NotMeasured,
            _ => Verdict::Passed,
        })
    }
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// A figure is beyond its limit.
    Limit,
    /// A module is loaded that is forbidden.
    Forbidden,
    /// A module is loaded eagerly that has to be lazy.
    NotLazy,
    /// A module costs more than it may.
    Exclusive,
    /// The start takes more CPU time than it may.
    CpuTime,
    /// The start is slower than the base's.
    Slower,
    /// A figure is beyond that of the recorded baseline.
    Grown,
    /// An entry of `sys.path` that should not be there.
    SysPath,
    /// Something could not be measured.
    NotMeasured,
}

impl ProblemKind {
    /// All of them, in the order in which formats with rules list them.
    pub const ALL: [ProblemKind; 9] = [
        ProblemKind::Limit,
        ProblemKind::Forbidden,
        ProblemKind::NotLazy,
        ProblemKind::Exclusive,
        ProblemKind::CpuTime,
        ProblemKind::Slower,
        ProblemKind::Grown,
        ProblemKind::SysPath,
        ProblemKind::NotMeasured,
    ];

    /// Its name in formats for programs.
    pub fn id(self) -> &'static str {
        match self {
            ProblemKind::Limit => "start-limit",
            ProblemKind::Forbidden => "start-forbidden-module",
            ProblemKind::NotLazy => "start-not-lazy",
            ProblemKind::Exclusive => "start-exclusive-cost",
            ProblemKind::CpuTime => "start-cpu-time",
            ProblemKind::Slower => "start-slower",
            ProblemKind::Grown => "start-grown",
            ProblemKind::SysPath => "start-sys-path",
            ProblemKind::NotMeasured => "start-not-measured",
        }
    }

    /// One sentence that says what it is.
    pub fn summary(self) -> &'static str {
        match self {
            ProblemKind::Limit => "a figure of the start is beyond its limit",
            ProblemKind::Forbidden => "a forbidden module is loaded at the start",
            ProblemKind::NotLazy => "a module that has to be lazy is loaded eagerly",
            ProblemKind::Exclusive => "a module costs more than it may",
            ProblemKind::CpuTime => "the start takes more CPU time than it may",
            ProblemKind::Slower => "the start is slower than that of the base",
            ProblemKind::Grown => "a figure of the start has grown beyond the baseline",
            ProblemKind::SysPath => "an entry of sys.path slows imports down for nothing",
            ProblemKind::NotMeasured => "something that has a budget could not be measured",
        }
    }
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Fails the gate.
    Violation,
    /// Keeps the gate from passing, as nothing is known.
    NotMeasured,
    /// Worth knowing.
    Note,
}

/// Something that is wrong with a start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// What it is.
    pub kind: ProblemKind,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do about it.
    pub help: String,
    /// Where to do it: the import or line that is at fault, where that is known.
    pub place: Option<Place>,
    /// How the module came to be loaded, the program first.
    pub chain: Vec<Link>,
    /// The figure that is beyond its limit.
    pub figure: Option<Figure>,
    /// Its value.
    pub value: Option<u64>,
    /// The limit.
    pub limit: Option<u64>,
    /// The entry of `sys.path` that is at fault: relative to the project's folder or the environment that it lies in.
    pub path_entry: Option<String>,
}

impl Problem {
    /// A violation without a place.
    pub fn violation(kind: ProblemKind, message: String, help: String) -> Problem {
        Problem {
            kind,
            severity: Severity::Violation,
            message,
            help,
            place: None,
            chain: Vec::new(),
            figure: None,
            value: None,
            limit: None,
            path_entry: None,
        }
    }

    /// Something that could not be measured.
    pub fn not_measured(message: String, help: String) -> Problem {
        let kind = ProblemKind::NotMeasured;
        Problem { severity: Severity::NotMeasured, ..Problem::violation(kind, message, help) }
    }

    /// The same with the chain to a module; the place is where the chain's last import stands.
    pub fn through(mut self, chain: Vec<Link>) -> Problem {
        self.place = place(&chain);
        self.chain = chain;
        self
    }
}

/// Where the last import of a chain stands whose place is known.
pub fn place(chain: &[Link]) -> Option<Place> {
    let known = chain.iter().rev().find(|link| link.line > 0 && !link.file.starts_with('<'))?;
    (!known.file.is_empty()).then(|| Place { file: known.file.clone(), line: known.line })
}

/// A figure and its limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FigureReport {
    /// Which.
    pub figure: Figure,
    /// What was measured.
    pub value: u64,
    /// The limit, if it has one.
    pub limit: Option<u64>,
    /// What was measured for the base, or recorded in the baseline.
    pub base: Option<u64>,
}

/// One entry point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EntryReport {
    /// Its name in the configuration.
    pub name: String,
    /// What was run.
    pub command: Vec<String>,
    /// How it came out.
    pub verdict: Verdict,
    /// What was measured.
    pub figures: Vec<FigureReport>,
    /// The comparison of CPU times with the base.
    pub time: Option<Comparison>,
    /// What came or became dearer since the base, the dearest first.
    pub causes: Vec<Cause>,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

impl EntryReport {
    /// Sets the verdict by the problems.
    pub fn judge(&mut self) {
        self.verdict = Verdict::of(self.problems.iter().map(|problem| match problem.severity {
            Severity::Violation => Verdict::Violated,
            Severity::NotMeasured => Verdict::NotMeasured,
            Severity::Note => Verdict::Passed,
        }));
    }

    /// Changes the paths of all files that it names.
    pub fn rename_files(&mut self, rename: impl Fn(&str) -> Option<String>) {
        let change = |file: &mut String| {
            if let Some(new) = rename(file) {
                *file = new;
            }
        };
        for problem in &mut self.problems {
            problem.chain.iter_mut().for_each(|link| change(&mut link.file));
            problem.place.iter_mut().for_each(|place| change(&mut place.file));
        }
        for cause in &mut self.causes {
            cause.chain.iter_mut().for_each(|link| change(&mut link.file));
            cause.place.iter_mut().for_each(|place| change(&mut place.file));
        }
    }
}

/// What a gate found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Always `glowplug-gate`.
    pub format: String,
    /// [`FORMAT_VERSION`].
    pub version: u32,
    /// How it came out.
    pub verdict: Verdict,
    /// The commit that was judged; `None` outside of a repository.
    pub commit: Option<String>,
    /// The commit that it was compared with.
    pub base: Option<String>,
    /// Each entry point, in the order of the configuration.
    pub entries: Vec<EntryReport>,
    /// What the reader should know.
    pub notes: Vec<String>,
}

impl Report {
    /// A report of some entry points.
    pub fn new(entries: Vec<EntryReport>) -> Report {
        Report {
            format: FORMAT_NAME.to_owned(),
            version: FORMAT_VERSION,
            verdict: Verdict::of(entries.iter().map(|entry| entry.verdict)),
            commit: None,
            base: None,
            entries,
            notes: Vec::new(),
        }
    }

    /// All problems with the entry point that has them.
    pub fn problems(&self) -> impl Iterator<Item = (&EntryReport, &Problem)> {
        self.entries.iter().flat_map(|entry| entry.problems.iter().map(move |one| (entry, one)))
    }

    /// The JSON schema of reports.
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Report).to_value()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_outweighs_what_could_not_be_measured() {
        use Verdict::{NotMeasured, Passed, Violated};
        assert_eq!(Verdict::of([]), Passed);
        assert_eq!(Verdict::of([Passed, NotMeasured, Passed]), NotMeasured);
        assert_eq!(Verdict::of([NotMeasured, Violated, Passed]), Violated);
    }

    #[test]
    fn the_place_is_the_last_known_import() {
        let link = |file: &str, line| Link {
            importer: "a".into(),
            module: "b".into(),
            file: file.into(),
            line,
        };
        let chain = [link("app.py", 3), link("<frozen importlib._bootstrap>", 241), link("", 0)];
        assert_eq!(place(&chain), Some(Place { file: "app.py".into(), line: 3 }));
        assert_eq!(place(&[]), None);
    }
}
