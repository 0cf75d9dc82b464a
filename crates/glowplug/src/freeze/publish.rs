//! Brings a new image, or a refusal, into the cache or into a file.

use super::unfinished::Unfinished;
use super::{FreezeError, Frozen, Recipe, cpu, freeze};
use crate::cache::{Cache, StoreError};
use crate::key;
use crate::runtime::Runtime;
use crate::settings::{ByteSize, Environment};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

/// Why a freeze did not end with an image in the cache.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// There is nothing to publish.
    #[error(transparent)]
    Freeze(#[from] FreezeError),
    /// The cache has no room or cannot be written.
    #[error("cannot keep the image: {0}")]
    Store(#[from] StoreError),
    /// The file cannot be written.
    #[error("cannot write the image: {0}")]
    Write(#[from] io::Error),
}

/// Where in the cache an image is to be kept.
#[derive(Debug)]
pub struct Place<'c> {
    /// The cache.
    pub cache: &'c Cache,
    /// How much its images may take altogether.
    pub limit: ByteSize,
    /// Whether it takes the place of an image that may still be used.
    pub renewal: bool,
}

/// Freezes into the cache. A refusal is kept as well, so that it is not tried again until its inputs change; but not in
/// place of an image whose inputs are unchanged: what hinders its renewal is of the moment.
///
/// # Errors
/// Also for a refusal, after it was kept.
pub fn into_cache(
    recipe: &Recipe,
    runtime: &Runtime,
    environment: &Environment,
    place: &Place<'_>,
) -> Result<(), PublishError> {
    let Place { cache, limit, renewal } = *place;
    let frozen = match freeze(recipe, runtime, environment) {
        Err(FreezeError::Refused(refusal)) if !renewal => {
            let image = cache.begin(refusal.length(recipe), limit)?;
            refusal.write(recipe, &file_of(&image)?)?;
            let names: Vec<&[u8]> = refusal.names.names().collect();
            let values = key::of_values(names.iter().copied(), environment);
            image.publish(&recipe.key, &values)?;
            cache.write_selector(&recipe.key, names)?;
            return Err(FreezeError::Refused(refusal).into());
        }
        frozen => frozen?,
    };
    let image = cache.begin(frozen.length(), limit)?;
    let file = file_of(&image)?;
    fill(&frozen, recipe, runtime, environment, &file)?;
    image.publish(&recipe.key, frozen.values())?;
    cache.write_selector(&recipe.key, frozen.names().names())?;
    Ok(())
}

/// Freezes into a file of its own, which appears when it is complete.
///
/// The result says where the image may need another CPU than was wanted.
///
/// # Errors
/// Also for a refusal: nothing is written then.
pub fn into_file(
    recipe: &Recipe,
    runtime: &Runtime,
    environment: &Environment,
    path: &Path,
) -> Result<Vec<String>, PublishError> {
    let frozen = freeze(recipe, runtime, environment)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let unfinished = Unfinished::begin(folder.unwrap_or(Path::new(".")))?;
    fill(&frozen, recipe, runtime, environment, unfinished.file())?;
    unfinished.finish(path)?;
    Ok(cpu::notes(recipe.cpu, &frozen.report.modules))
}

/// Writes the image, thaws it once, and writes it again with what that taught.
fn fill(
    frozen: &Frozen,
    recipe: &Recipe,
    runtime: &Runtime,
    environment: &Environment,
    file: &File,
) -> Result<(), PublishError> {
    frozen.write(recipe, file, None)?;
    let touched = frozen.rehearse(recipe, runtime, environment, file)?;
    Ok(frozen.write(recipe, file, Some(&touched))?)
}

fn file_of(image: &impl AsFd) -> io::Result<File> {
    Ok(image.as_fd().try_clone_to_owned()?.into())
}
