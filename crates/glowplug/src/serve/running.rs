//! The servers that run.

use super::place;
use crate::cache::{Cache, CacheError};
use crate::commandline::RunOptions;
use crate::settings::{Environment, Settings, SettingsError};
use crate::start;
use glowplug_server::client::{self, NotStarted};
use glowplug_server::{Place, Report};
use glowplug_wire::Wish;
use std::path::Path;
use std::rc::Rc;

/// A server that runs.
#[derive(Debug)]
pub struct Running {
    place: Rc<Place>,
    name: String,
}

/// Why servers cannot be found.
#[derive(Debug, thiserror::Error)]
pub enum NotFound {
    /// The settings are wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Their folder cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// All servers of this user's cache.
///
/// # Errors
/// Where the cache cannot be used.
pub fn all(environment: &Environment) -> Result<Vec<Running>, NotFound> {
    let folder = start::working_directory();
    let folder = folder.as_deref().unwrap_or(Path::new("/"));
    let settings = Settings::load(&RunOptions::default(), environment, folder)?;
    let cache = settings.cache_dir.as_deref().ok_or(CacheError::NoFolder)?;
    let place = match Cache::open(cache).and_then(|cache| place(&cache)) {
        Ok(place) => Rc::new(place),
        Err(CacheError::Missing) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let names = place.names().map_err(|source| CacheError::Io {
        action: "list",
        path: cache.to_owned(),
        source,
    })?;
    let running = names.into_iter().map(|name| Running { place: Rc::clone(&place), name });
    Ok(running.filter(|server| server.place.connect(&server.name).is_ok()).collect())
}

impl Running {
    /// What it tells about itself; `None` where it is gone.
    pub fn report(&self) -> Option<Report> {
        client::status(self.place.connect(&self.name).ok()?).ok()
    }

    /// Ends it.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn stop(&self, wish: Wish) -> Result<(), NotStarted> {
        match self.place.connect(&self.name) {
            Ok(connection) => client::stop(connection, wish),
            Err(_) => Ok(()),
        }
    }
}
