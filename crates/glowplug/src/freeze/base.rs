//! A template that serves, as what another one is forked from: what both import lies in memory once.

use super::Needed;
use glowplug_server::Place;
use glowplug_server::client::{Branch, NotStarted};

/// Such a template, by its server.
#[derive(Debug)]
pub struct Base {
    place: Place,
    socket: String,
    names: Needed,
}

impl Base {
    /// The template of the server with this socket, which the values of the variables of these names select.
    pub fn new<'n>(
        place: Place,
        socket: String,
        names: impl IntoIterator<Item = &'n [u8]>,
    ) -> Base {
        let mut needed = Needed::default();
        names.into_iter().for_each(|name| needed.add(name));
        Base { place, socket, names: needed }
    }

    /// The variables that its imports have read.
    pub fn names(&self) -> &Needed {
        &self.names
    }

    /// A fork of it.
    ///
    /// # Errors
    /// Where its server is gone, or refuses: its inputs may have changed.
    pub fn branch(&self) -> Result<Branch, NotStarted> {
        Branch::ask(self.place.connect(&self.socket).map_err(|_| NotStarted::NoServer)?)
    }
}
