//! An interpreter that has preloaded and lives on: programs are forked from it in place of being thawed from an image of it.

use super::subject::{Serving, Subject};
use super::{Base, FreezeError, Needed, Preloaded, Recipe, Refusal, preload};
use crate::cache::OpenImage;
use crate::runtime::Runtime;
use crate::settings::Environment;
use rustix::fs::{MemfdFlags, Mode};
use std::fs::File;
use std::io;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// A template.
pub struct Template {
    /// The process.
    pub serving: Serving,
    /// The variables whose values select it.
    pub names: Needed,
    /// Images without memory that have its inputs: its own, and those of the templates that it was forked from.
    pub inputs: Vec<OpenImage>,
    /// The connection to the server whose template it was forked from.
    pub guardian: Option<UnixStream>,
    /// With this value the process ends, and all that it has forked.
    pub life: Life,
}

/// What keeps a template alive.
pub struct Life {
    _subject: Subject,
}

/// Starts the interpreter, or has it forked from the template of another server, imports, and lets it serve.
///
/// # Errors
/// See [`FreezeError`]: what must not be frozen must not be forked again and again either.
pub fn template(
    recipe: &Recipe,
    base: Option<&Base>,
    runtime: &Runtime,
    environment: &Environment,
) -> Result<Template, FreezeError> {
    let broken =
        |source| FreezeError::Interpreter { interpreter: recipe.interpreter.clone(), source };
    let Preloaded { mut subject, tables, names, .. } = settled(recipe, base, runtime, environment)?;
    let serving = subject.let_serve().map_err(broken)?;
    let refusal = Refusal { reason: String::new(), inputs: tables, names };
    let mut inputs = vec![in_memory(&refusal, recipe)?];
    let mut guardian = None;
    if let Some(branch) = subject.branch() {
        guardian = Some(branch.connection.try_clone()?);
        for file in branch.inputs.drain(..) {
            inputs.push(OpenImage::check(file).map_err(io::Error::other)?);
        }
    }
    let life = Life { _subject: subject };
    Ok(Template { serving, names: refusal.names, inputs, guardian, life })
}

/// Most attempts while files are being edited.
const ATTEMPTS: usize = 4;

/// Between two attempts: more than the clock of a file system lags behind, which is what made the first one doubtful.
const PAUSE: Duration = Duration::from_millis(25);

/// Preloads; once more where a file was edited a moment ago, as somebody waits for the program.
fn settled(
    recipe: &Recipe,
    base: Option<&Base>,
    runtime: &Runtime,
    environment: &Environment,
) -> Result<Preloaded, FreezeError> {
    for _ in 1..ATTEMPTS {
        match preload(recipe, base, runtime, environment) {
            Err(FreezeError::Passing(_)) => std::thread::sleep(PAUSE),
            preloaded => return preloaded,
        }
    }
    preload(recipe, base, runtime, environment)
}

/// Writes down inputs as those of an image are, so that they are checked as those of an image are.
fn in_memory(refusal: &Refusal, recipe: &Recipe) -> io::Result<OpenImage> {
    let file = rustix::fs::memfd_create("glowplug-inputs", MemfdFlags::CLOEXEC)?;
    rustix::fs::fchmod(&file, Mode::RUSR | Mode::WUSR)?;
    let file = File::from(file);
    refusal.write(recipe, &file)?;
    OpenImage::check(file.into()).map_err(io::Error::other)
}
