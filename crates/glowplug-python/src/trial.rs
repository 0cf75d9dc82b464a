//! A service runs until it is about to serve, and tells which modules it has imported by then: `python/trial.py`.

use crate::interpreter;
use crate::job::{Freezer, Job};
use crate::native;
use crate::object::{self, Object};
use pyo3_ffi as ffi;
use std::ffi::{c_char, c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// The name in a job that says that it is one for this module; its value is what ends the trial beside sockets, or empty.
pub const KIND: &[u8] = b"trial";

const TRIAL: &str = include_str!("python/trial.py");

/// What is called with the name of what was reached; a reference of its own, never dropped.
static REACHED: AtomicPtr<ffi::PyObject> = AtomicPtr::new(ptr::null_mut());

/// Initialises the interpreter, puts in place what ends the trial, and runs the program as python's own `main` does.
///
/// # Safety
/// `argc` and `argv` are those of `main`; no interpreter has been initialised.
pub unsafe fn run(freezer: Freezer, job: &Job, argc: c_int, argv: *mut *mut c_char) -> c_int {
    // SAFETY: by the caller; after the initialisation this thread holds the GIL.
    unsafe {
        if let Err(message) = interpreter::initialise_with_site(argc, argv) {
            eprintln!("error: {message}");
            return crate::EXIT_NOT_PREPARED;
        }
        let until = job.get(KIND).and_then(|values| values.first()).map_or(&[][..], Vec::as_slice);
        let Some(reached) = begin(freezer, until) else {
            ffi::PyErr_Print();
            return crate::EXIT_NOT_PREPARED;
        };
        REACHED.store(reached.into_ptr(), Ordering::Relaxed);
        native::call_at_sockets(at_socket);
        ffi::Py_RunMain()
    }
}

/// Runs the Python part; returns what is to be called at sockets.
///
/// # Safety
/// GIL.
unsafe fn begin(freezer: Freezer, until: &[u8]) -> Option<Object> {
    // SAFETY: GIL by the caller.
    unsafe {
        let namespace = object::dict();
        namespace.set_entry(c"__builtins__", &object::import(c"builtins")?);
        if !native::run_code(TRIAL, &namespace) {
            return None;
        }
        let descriptor = u64::try_from(freezer.into_descriptor()).ok()?;
        let begin = namespace.entry(c"begin")?;
        begin.call_with(&object::integer(descriptor), &object::string(until))
    }
}

/// Called by the recorder before a socket is bound or connected, in whatever thread does it.
unsafe extern "C" fn at_socket(what: *const c_char) {
    // SAFETY: the recorder passes a C string; PyGILState_Ensure serves any thread, with the GIL or without; the reference is never
    // dropped.
    unsafe {
        let reached = REACHED.load(Ordering::Relaxed);
        if reached.is_null() || ffi::Py_IsInitialized() == 0 {
            return;
        }
        let state = ffi::PyGILState_Ensure();
        let result = ffi::PyObject_CallFunction(reached, c"s".as_ptr(), what.cast::<c_void>());
        if result.is_null() {
            ffi::PyErr_Clear();
        } else {
            ffi::Py_DECREF(result);
        }
        ffi::PyGILState_Release(state);
    }
}
