//! `glowplug lazy run`: the program runs in an interpreter that has the mechanism from the start.

use crate::interpreter;
use crate::job::Job;
use pyo3_ffi as ffi;
use std::ffi::{c_char, c_int};

#[cfg(Py_3_15)]
use super::own::install;

/// The name in a job that says that it is one for this module; its value is the mode.
pub const KIND: &[u8] = b"lazy";

/// Initialises the interpreter, installs the mechanism and runs the program as python's own `main` does.
///
/// | name in the job | value |
/// |---|---|
/// | `lazy` | `all` or `normal` |
/// | `eager` | an importer that stays eager, once for each |
/// | `module` | a module that is lazy whatever the mode, once for each |
/// | `events` | the number of a descriptor for the log |
///
/// # Safety
/// `argc` and `argv` are those of `main`; no interpreter has been initialised.
pub unsafe fn run(job: &Job, argc: c_int, argv: *mut *mut c_char) -> c_int {
    // SAFETY: by the caller; after the initialisation this thread holds the GIL.
    unsafe {
        if let Err(message) = interpreter::initialise_with_site(argc, argv) {
            eprintln!("error: {message}");
            return crate::EXIT_NOT_PREPARED;
        }
        let settings = Settings { job };
        if let Err(reason) = install(&settings) {
            eprintln!("warning: imports stay eager: {reason}");
        }
        ffi::Py_RunMain()
    }
}

/// What a job says.
pub struct Settings<'a> {
    job: &'a Job,
}

impl Settings<'_> {
    fn values(&self, name: &[u8]) -> &[Vec<u8>] {
        self.job.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether every import is lazy.
    pub fn all(&self) -> bool {
        !self.values(KIND).iter().any(|mode| mode == b"normal")
    }

    /// Importers that stay eager.
    pub fn eager(&self) -> &[Vec<u8>] {
        self.values(b"eager")
    }

    /// Modules that are lazy whatever the mode.
    pub fn modules(&self) -> &[Vec<u8>] {
        self.values(b"module")
    }

    /// The descriptor of the log.
    pub fn events(&self) -> Option<c_int> {
        std::str::from_utf8(self.values(b"events").first()?).ok()?.parse().ok()
    }
}

/// Puts the mechanism in place.
///
/// # Safety
/// GIL; the interpreter has just been initialised.
#[cfg(not(Py_3_15))]
unsafe fn install(settings: &Settings<'_>) -> Result<(), &'static str> {
    use super::{events::Events, install, inventory, rules::Rules, state::Mode};
    let mode = if settings.all() { Mode::All } else { Mode::Normal };
    let rules = Rules::new(settings.eager(), settings.modules());
    // SAFETY: by the caller.
    unsafe {
        let installed = install::install(mode, rules, Events::new(settings.events()));
        installed.map_err(install::Unsupported::reason)?;
        if settings.events().is_some() {
            inventory::note_at_exit();
        }
    }
    Ok(())
}
