//! `glowplug lazy run`: the program runs in an interpreter that has the mechanism from the start.

use super::events::Events;
use super::rules::Rules;
use super::state::Mode;
use super::{install, inventory};
use crate::interpreter;
use crate::job::Job;
use pyo3_ffi as ffi;
use std::ffi::{c_char, c_int};

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
    let values = |name: &[u8]| job.get(name).map_or(&[][..], Vec::as_slice);
    // SAFETY: by the caller; after the initialisation this thread holds the GIL.
    unsafe {
        if let Err(message) = interpreter::initialise(argc, argv) {
            eprintln!("error: {message}");
            return crate::EXIT_NOT_PREPARED;
        }
        let mode = if values(KIND).iter().any(|mode| mode == b"normal") {
            Mode::Normal
        } else {
            Mode::All
        };
        let descriptor =
            values(b"events").first().and_then(|v| std::str::from_utf8(v).ok()?.parse().ok());
        let rules = Rules::new(values(b"eager"), values(b"module"));
        if let Err(unsupported) = install::install(mode, rules, Events::new(descriptor)) {
            eprintln!("warning: imports stay eager: {}", unsupported.reason());
        }
        if descriptor.is_some() {
            inventory::note_at_exit();
        }
        ffi::Py_RunMain()
    }
}
