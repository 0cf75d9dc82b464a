//! Runs a program eagerly and lazily, and finds the fewest importers that must stay eager for it to do the same.

mod cause;
mod command;
mod outcome;
mod search;
mod start;

pub use crate::lazy::bisect::Found;
pub use cause::{Cause, CauseKind, Evidence, cause};
pub use command::{CommandError, Program};
pub use outcome::{Baseline, Difference, Ended, Outcome, TestOutcome, tests_of_junit};
pub use search::{Keep, Run, Runner, Step, Stopped, Verdict, search};
pub use start::Starter;
