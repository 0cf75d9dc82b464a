//! Which lines of a service's own code do what keeps it out of its image, for the error that names them.

use super::acts::{self, Cause};
use super::apart::Apart;
use super::examine;
use super::report::Report;
use super::subject::{Look, Subject};
use super::{Needed, Recipe};
use crate::passage::{self, Passage};
use crate::runtime::Runtime;
use crate::settings::Environment;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

/// A line of the application.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    path: PathBuf,
    /// Counted from 1.
    number: usize,
    /// What it does.
    cause: Cause,
}

/// The lines that keep a service out of its image; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lines(Vec<Line>);

/// Whether a service that does this while it is imported has to say what is to become of it. What prints or writes is imported at each
/// start without further ado, as are settings.
fn is_asked_about(cause: &Cause) -> bool {
    matches!(cause, Cause::Connects(_) | Cause::Starts(_) | Cause::Leaves(_))
}

/// Finds the lines that do one of what modules of `apart` do themselves, or read the `secret`; `None` where no line of the application
/// does. The imports are done once more for that.
///
/// # Errors
/// Where the interpreter cannot be started or spoken to.
pub fn find(
    recipe: &Recipe,
    runtime: &Runtime,
    (environment, names): (&Environment, &Needed),
    apart: &Apart,
    secret: Option<Cause>,
) -> io::Result<Option<Lines>> {
    let asked = apart.causes().filter(|&cause| is_asked_about(cause)).cloned();
    let wanted: Vec<Cause> = asked.chain(secret).collect();
    if wanted.is_empty() {
        return Ok(None);
    }
    let started = SystemTime::now();
    let variables = names.select(recipe, environment, true);
    let left_out = Apart::left_out(&recipe.left_out);
    let mut subject = Subject::start(recipe, runtime, &variables, &left_out, Look::ByLine)?;
    let report = Report::parse(&subject.hear()?);
    let record = subject.record()?;
    // What was left behind is known from the pass before; here it is only told by lines.
    let left = &examine::LEFTOVERS;
    let acts = acts::of_pass(&report, &record, started, left, recipe.program_argument());
    let mut lines: Vec<Line> = Vec::new();
    for act in acts.into_iter().filter(|act| wanted.iter().any(|cause| is_alike(cause, &act.cause)))
    {
        let Some((path, number)) = act.module.rsplit_once(':') else { continue };
        let Ok(number) = number.parse() else { continue };
        let line = Line { path: path.into(), number, cause: act.cause };
        // What a line does tells more than what it leaves behind by that, and comes later among the acts.
        lines.retain(|other| (&other.path, other.number) != (&line.path, line.number));
        lines.push(line);
    }
    Ok((!lines.is_empty()).then_some(Lines(lines)))
}

/// Whether two passes saw the same: where to a connection goes may differ.
fn is_alike(one: &Cause, other: &Cause) -> bool {
    match (one, other) {
        (Cause::Connects(_), Cause::Connects(_)) => true,
        _ => one == other,
    }
}

impl Line {
    fn help(&self) -> String {
        let secret = |entry: &str| {
            format!(
                "it would be in the image, where it can be read: read it when the service starts, or leave the module out by \
                 `--leave-out`; if it is no secret, set `allow-secrets` to [\"{entry}\"]"
            )
        };
        match &self.cause {
            Cause::Variable(name) => secret(name),
            Cause::Reads(path) => secret(&path.display().to_string()),
            _ => "no image can hold that. Let go of it by `@glowplug.before_freeze` and take it up again by \
                  `@glowplug.after_thaw`, or do it when the service starts, behind `glowplug.freeze_point()`, or leave the \
                  module out by `--leave-out`: it is then imported at each start"
                .to_owned(),
        }
    }

    fn passage(&self) -> Passage<'_> {
        let text = std::fs::read(&self.path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let start: usize = text.split_inclusive('\n').take(self.number - 1).map(str::len).sum();
        let marked = text[start..].lines().next().unwrap_or_default();
        let indent = marked.len() - marked.trim_start().len();
        Passage {
            path: &self.path,
            span: start + indent..start + marked.trim_end().len().max(indent),
            text: text.into(),
            message: format!("the application {} when it is imported", self.cause).into(),
            help: self.help().into(),
        }
    }
}

impl fmt::Display for Lines {
    /// As rustc would; without the leading `error: `, which whoever reports it adds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        passage::write_errors(f, self.0.iter().map(Line::passage))
    }
}
