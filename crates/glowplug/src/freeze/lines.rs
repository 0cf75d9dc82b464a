//! Which lines of a service's own code do what keeps it out of its image, for the error that names them.

use super::acts::{self, Cause};
use super::apart::Apart;
use super::examine;
use super::report::Report;
use super::subject::{Look, Subject};
use super::{Needed, Recipe};
use crate::runtime::Runtime;
use crate::settings::Environment;
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

/// A line of the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The file.
    pub path: PathBuf,
    /// Counted from 1.
    pub number: usize,
    /// What it does.
    pub cause: Cause,
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

impl Lines {
    /// Their number and what they do.
    pub fn iter(&self) -> impl Iterator<Item = &Line> {
        self.0.iter()
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
}

impl fmt::Display for Lines {
    /// As rustc would; without the leading `error: `, which whoever reports it adds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let renderer = Renderer::plain().decor_style(DecorStyle::Ascii);
        for (index, line) in self.0.iter().enumerate() {
            let title = format!("the application {} when it is imported", line.cause);
            let text = std::fs::read(&line.path).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let start: usize = text.split_inclusive('\n').take(line.number - 1).map(str::len).sum();
            let marked = text[start..].lines().next().unwrap_or_default();
            let indent = marked.len() - marked.trim_start().len();
            let path = line.path.to_string_lossy();
            let span = start + indent..start + marked.trim_end().len().max(indent);
            let snippet = Snippet::source(text.as_ref())
                .path(path.as_ref())
                .annotation(AnnotationKind::Primary.span(span));
            let help = line.help();
            let group = Level::ERROR
                .primary_title(title.as_str())
                .element(snippet)
                .element(Level::HELP.message(help.as_str()));
            let shown = renderer.render(&[group]).to_string();
            let shown = if index == 0 { shown.trim_start_matches("error: ") } else { &shown };
            let separator = if index == 0 { "" } else { "\n\n" };
            write!(f, "{separator}{shown}")?;
        }
        Ok(())
    }
}
