//! An interpreter that has preloaded and lives on: programs are forked from it in place of being thawed from an image of it.

use super::subject::{Serving, Subject};
use super::{FreezeError, Needed, Preloaded, Recipe, Refusal, preload};
use crate::cache::OpenImage;
use crate::runtime::Runtime;
use crate::settings::Environment;
use rustix::fs::{MemfdFlags, Mode};
use std::fs::File;
use std::io;

/// A template.
pub struct Template {
    /// The process.
    pub serving: Serving,
    /// The variables whose values select it.
    pub names: Needed,
    /// An image without memory that has its inputs.
    pub inputs: OpenImage,
    /// With this value the process ends, and all that it has forked.
    pub life: Life,
}

/// What keeps a template alive.
pub struct Life {
    _subject: Subject,
}

/// Starts the interpreter, imports, and lets it serve.
///
/// # Errors
/// See [`FreezeError`]: what must not be frozen must not be forked again and again either.
pub fn template(
    recipe: &Recipe,
    runtime: &Runtime,
    environment: &Environment,
) -> Result<Template, FreezeError> {
    let broken =
        |source| FreezeError::Interpreter { interpreter: recipe.interpreter.clone(), source };
    let Preloaded { mut subject, tables, names, .. } = preload(recipe, runtime, environment)?;
    let serving = subject.let_serve().map_err(broken)?;
    let refusal = Refusal { reason: String::new(), inputs: tables, names };
    let inputs = in_memory(&refusal, recipe)?;
    Ok(Template { serving, names: refusal.names, inputs, life: Life { _subject: subject } })
}

/// Writes down inputs as those of an image are, so that they are checked as those of an image are.
fn in_memory(refusal: &Refusal, recipe: &Recipe) -> io::Result<OpenImage> {
    let file = rustix::fs::memfd_create("glowplug-inputs", MemfdFlags::CLOEXEC)?;
    rustix::fs::fchmod(&file, Mode::RUSR | Mode::WUSR)?;
    let file = File::from(file);
    refusal.write(recipe, &file)?;
    OpenImage::check(file.into()).map_err(io::Error::other)
}
