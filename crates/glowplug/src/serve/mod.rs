//! Fork servers: which one a start belongs to, starting programs by them, and being one.
//!
//! ```text
//! start    a program by a server that runs, or by one that is started for it
//! running  the servers that run
//! host     being a server: from what is asked for to a template that serves
//! ```

pub mod host;
pub mod running;
pub mod start;

use crate::cache::{Cache, CacheError};
use crate::key::{self, Digest};
use crate::settings::Environment;
use glowplug_server::{Place, SUFFIX};
use std::io;

/// The preload set that is meant where none is named.
pub const DEFAULT_SET: &str = "default";

/// The folder of the servers' sockets, open.
///
/// # Errors
/// Where it is not there or may not be used.
pub fn place(cache: &Cache) -> Result<Place, CacheError> {
    let path = cache.servers();
    Place::open(&path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => CacheError::Missing,
        _ => CacheError::Io { action: "open", path, source },
    })
}

/// The name of the socket of the template of `key` that an environment selects; `None` where `key` was never served.
fn socket_name(cache: &Cache, key: &Digest, environment: &Environment) -> Option<String> {
    let values = key::of_values(cache.server_selector(key)?.names(), environment);
    Some(format!("{key}-{values}{SUFFIX}"))
}
