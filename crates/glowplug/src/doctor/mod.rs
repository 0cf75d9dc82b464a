//! What of Glowplug works on this machine, in this container, for this user: found out by trying it.
//!
//! ```text
//! machine    kernel, processor, system calls, rights
//! limits     limits of the process and of its control groups
//! places     the cache and the folder for temporary files
//! python     the interpreter and Glowplug's parts for it
//! trial      freezes a program and thaws it
//! terminal   the report as a screen of text
//! ```

mod limits;
mod machine;
mod places;
mod python;
mod terminal;
mod trial;

pub use terminal::text;

use crate::exit;
use crate::interpreter::Interpreter;
use crate::runtime::Runtime;
use crate::settings::{Environment, Settings};
use schemars::JsonSchema;
use serde::Serialize;
use std::path::Path;

/// Version of the report; a change that a reader of the old one would stumble over raises it.
pub const FORMAT_VERSION: u32 = 1;

/// Whether something works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It works.
    Works,
    /// It works with limits.
    Limited,
    /// It does not work.
    DoesNotWork,
}

impl State {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            State::Works => "works",
            State::Limited => "limited",
            State::DoesNotWork => "does not work",
        }
    }
}

/// A command, or commands, of Glowplug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// `glowplug run` and `glowplug thaw`. Where it does not work, programs start plainly.
    Run,
    /// `glowplug freeze`, and the freezer that `glowplug run` starts.
    Freeze,
    /// `glowplug profile` and `glowplug gate`.
    Profile,
    /// `glowplug lazy`.
    Lazy,
}

impl Part {
    /// All of them.
    pub const ALL: [Part; 4] = [Part::Run, Part::Freeze, Part::Profile, Part::Lazy];

    /// The names of its commands.
    pub fn name(self) -> &'static str {
        match self {
            Part::Run => "run, thaw",
            Part::Freeze => "freeze",
            Part::Profile => "profile",
            Part::Lazy => "lazy",
        }
    }

    /// The exit status where it does not work.
    fn status(self) -> u8 {
        match self {
            Part::Run => exit::FORCED,
            Part::Freeze => exit::REFUSED,
            Part::Profile => exit::PROFILE,
            Part::Lazy => exit::UNEXPLAINED,
        }
    }
}

/// What was found out about one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Check {
    /// The thing.
    pub name: &'static str,
    /// Whether it works.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What that means for programs, where it does not just work.
    pub consequence: Option<String>,
    /// What can be done, where something can.
    pub help: Option<String>,
    /// What it matters to.
    pub affects: Vec<Part>,
}

impl Check {
    fn works(name: &'static str, found: impl Into<String>) -> Check {
        Check {
            name,
            state: State::Works,
            found: found.into(),
            consequence: None,
            help: None,
            affects: Vec::new(),
        }
    }

    fn limited(name: &'static str, found: impl Into<String>) -> Check {
        Check { state: State::Limited, ..Check::works(name, found) }
    }

    fn fails(name: &'static str, found: impl Into<String>) -> Check {
        Check { state: State::DoesNotWork, ..Check::works(name, found) }
    }

    fn so(self, consequence: impl Into<String>) -> Check {
        Check { consequence: Some(consequence.into()), ..self }
    }

    fn help(self, help: impl Into<String>) -> Check {
        Check { help: Some(help.into()), ..self }
    }

    fn affecting(self, parts: &[Part]) -> Check {
        Check { affects: parts.to_vec(), ..self }
    }
}

/// What of one part works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Summary {
    /// The part.
    pub part: Part,
    /// The worst state of all that matters to it.
    pub state: State,
    /// The checks that are not at their best.
    pub because: Vec<&'static str>,
}

/// All that was found out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Report {
    /// [`FORMAT_VERSION`].
    pub version: u32,
    /// The version of Glowplug.
    pub glowplug: &'static str,
    /// What was found out, thing by thing.
    pub checks: Vec<Check>,
    /// What follows for the commands.
    pub parts: Vec<Summary>,
    /// The exit status of the command.
    pub status: u8,
}

impl Report {
    fn of(checks: Vec<Check>, has_interpreter: bool) -> Report {
        let parts: Vec<Summary> = Part::ALL.map(|part| summary(part, &checks)).into();
        let broken = parts.iter().find(|summary| summary.state == State::DoesNotWork);
        let limited = checks.iter().any(|check| check.state != State::Works);
        let status = match broken {
            _ if !has_interpreter => exit::NOT_FOUND,
            Some(summary) => summary.part.status(),
            None if limited => exit::FOUND,
            None => 0,
        };
        Report {
            version: FORMAT_VERSION,
            glowplug: env!("CARGO_PKG_VERSION"),
            checks,
            parts,
            status,
        }
    }

    /// The JSON schema of reports.
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Report).to_value()
    }
}

fn summary(part: Part, checks: &[Check]) -> Summary {
    let lacking = |check: &&Check| check.state != State::Works && check.affects.contains(&part);
    let lacking: Vec<&Check> = checks.iter().filter(lacking).collect();
    Summary {
        part,
        state: lacking.iter().map(|check| check.state).max().unwrap_or(State::Works),
        because: lacking.iter().map(|check| check.name).collect(),
    }
}

/// Finds out what works; where it is to be `quick`, without freezing and thawing a program.
pub fn examine(
    settings: &Settings,
    environment: &Environment,
    folder: Option<&Path>,
    quick: bool,
) -> Report {
    let interpreter = Interpreter::find(settings, environment, folder);
    let runtime = Runtime::find(environment);
    let mut checks = machine::checks();
    checks.extend(limits::checks());
    let place = places::Place::of(settings);
    checks.extend(place.checks());
    checks.push(places::temporary());
    let asked = python::Asked::of(interpreter.as_ref());
    checks.extend(asked.checks(runtime.as_ref()));
    checks.push(limits::imposing());
    if let (false, Some(path)) = (quick, asked.freezable()) {
        checks.push(trial::check(path, place.for_trial()));
    }
    Report::of(checks, interpreter.is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_what_matters_to_a_part_is_its_state() {
        let checks = vec![
            Check::works("a", "").affecting(&Part::ALL),
            Check::limited("b", "").affecting(&[Part::Run, Part::Freeze]),
            Check::fails("c", "").affecting(&[Part::Freeze]),
        ];
        let report = Report::of(checks, true);
        let states: Vec<State> = report.parts.iter().map(|summary| summary.state).collect();
        assert_eq!(
            states,
            [State::Limited, State::DoesNotWork, State::Works, State::Works],
            "{report:?}"
        );
        assert_eq!(report.parts[1].because, ["b", "c"]);
        assert_eq!(report.status, exit::REFUSED);
    }

    #[test]
    fn statuses_tell_the_cases_apart() {
        let status = |state: State, part| {
            let check = Check { state, ..Check::works("x", "").affecting(&[part]) };
            Report::of(vec![check], true).status
        };
        assert_eq!(status(State::Works, Part::Run), 0);
        assert_eq!(status(State::Limited, Part::Run), exit::FOUND);
        let mut all = Part::ALL.map(|part| status(State::DoesNotWork, part)).to_vec();
        all.extend([exit::FOUND, exit::USAGE, Report::of(Vec::new(), false).status]);
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), Part::ALL.len() + 3);
    }
}
