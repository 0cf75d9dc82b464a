//! What the cache keeps for servers: their sockets, and which variables choose among the templates of a key.

use super::{Cache, Lock, Selector};
use crate::key::Digest;
use std::io;
use std::path::PathBuf;

/// The folder of the servers, relative to the cache.
pub(super) const FOLDER: &str = "servers";

impl Cache {
    /// The folder of the servers' sockets.
    pub fn servers(&self) -> PathBuf {
        self.path.join(FOLDER)
    }

    /// The names of the environment variables that the imports of a served `key` read; `None` where it was never served.
    pub fn server_selector(&self, key: &Digest) -> Option<Selector> {
        self.read(&format!("{FOLDER}/{key}.selector")).ok().map(Selector)
    }

    /// Writes the selector of a served `key`.
    ///
    /// # Errors
    /// Where the cache is full or read-only.
    pub fn write_server_selector<'n>(
        &self,
        key: &Digest,
        names: impl IntoIterator<Item = &'n [u8]>,
    ) -> io::Result<()> {
        self.write(&format!("{FOLDER}/{key}.selector"), &Selector::of(names).0)
    }

    /// Takes the lock of `key` that whoever makes a template holds, waiting for its holder.
    ///
    /// # Errors
    /// Where the cache is full or read-only.
    pub fn wait_for_server_lock(&self, key: &Digest) -> io::Result<Lock> {
        Lock::wait(&self.path.join(format!("{FOLDER}/{key}.lock")))
    }
}
