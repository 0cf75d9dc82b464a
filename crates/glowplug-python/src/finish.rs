//! Ends the program: what `Py_FinalizeEx` does that anybody can see, without touching every page of the frozen heap.
//!
//! In this order, as CPython does: threads are joined, atexit handlers run, streams are flushed, the program's globals go (so that
//! finalizers run and open files are flushed), whatever still holds unwritten data is flushed, and the process exits.

use crate::object::{self, Object};
use crate::program::Outcome;
use pyo3_ffi as ffi;
use std::ffi::{CStr, c_int};
use std::ptr;

/// Exit status where the streams could not be flushed, as CPython's.
const EXIT_FLUSH: c_int = 120;

/// Ends the process. In a freezer's rehearsal it stops itself first, so that its pages can be looked at.
///
/// # Safety
/// GIL; no Python frame is active.
pub unsafe fn finish(namespace: &Object, outcome: Outcome, rehearsal: bool) -> ! {
    // SAFETY: GIL by the caller.
    unsafe {
        let mut status = outcome.status;
        join_threads();
        run_exit_functions();
        if !flush_streams(true) {
            status = EXIT_FLUSH;
        }
        drop_modules();
        flush_leftovers(namespace);
        // What finalizers printed: CPython drops the streams by then, which flushes them without a word.
        flush_streams(false);
        libc::fflush(ptr::null_mut());
        if outcome.interrupted {
            libc::signal(libc::SIGINT, libc::SIG_DFL);
            libc::kill(libc::getpid(), libc::SIGINT);
            status = 128 + libc::SIGINT;
        }
        if rehearsal {
            libc::raise(libc::SIGSTOP);
        }
        libc::_exit(status)
    }
}

/// # Safety
/// GIL.
unsafe fn join_threads() {
    // SAFETY: GIL by the caller.
    unsafe {
        let Some(threading) = object::loaded_module(c"threading") else { return };
        let shutdown = threading.attribute(c"_shutdown");
        if shutdown.and_then(|shutdown| shutdown.call()).is_none() {
            ffi::PyErr_WriteUnraisable(threading.as_ptr());
        }
    }
}

/// # Safety
/// GIL.
unsafe fn run_exit_functions() {
    // SAFETY: GIL by the caller.
    unsafe {
        let run = object::import(c"atexit").and_then(|m| m.attribute(c"_run_exitfuncs"));
        if run.and_then(|run| run.call()).is_none() {
            ffi::PyErr_Clear();
        }
    }
}

/// Flushes sys.stdout and sys.stderr; `false` where that failed, which `report` says on standard error.
///
/// # Safety
/// GIL.
unsafe fn flush_streams(report: bool) -> bool {
    // SAFETY: GIL by the caller.
    unsafe {
        let mut flushed = true;
        for (name, report) in [(c"stdout", report), (c"stderr", false)] {
            let stream = Object::borrowed(ffi::PySys_GetObject(name.as_ptr()));
            let Some(stream) = stream.filter(|s| s.as_ptr() != ffi::Py_None()) else { continue };
            let closed = stream.attribute(c"closed");
            if closed.is_some_and(|closed| ffi::PyObject_IsTrue(closed.as_ptr()) == 1) {
                continue;
            }
            if call_method(&stream, c"flush").is_none() {
                if report {
                    ffi::PyErr_WriteUnraisable(stream.as_ptr());
                }
                ffi::PyErr_Clear();
                flushed = false;
            }
        }
        flushed
    }
}

/// # Safety
/// GIL.
unsafe fn call_method(object: &Object, name: &CStr) -> Option<Object> {
    // SAFETY: GIL by the caller; a missing method leaves its exception.
    unsafe {
        Object::owned(ffi::PyObject_GetAttrString(object.as_ptr(), name.as_ptr()))
            .and_then(|method| method.call())
    }
}

/// Lets go of `__main__`, the only module that no frozen module refers to for sure.
///
/// # Safety
/// GIL.
unsafe fn drop_modules() {
    // SAFETY: GIL by the caller; sys.modules and a module's namespace are dicts.
    unsafe {
        let Some(main) = object::loaded_module(c"__main__") else { return };
        let Some(globals) = Object::borrowed(ffi::PyModule_GetDict(main.as_ptr())) else { return };
        let modules = ffi::PyImport_GetModuleDict();
        let none = object::none();
        ffi::PyDict_SetItemString(modules, c"__main__".as_ptr(), none.as_ptr());
        drop(main);
        ffi::PyGC_Collect();
        clear_globals(&globals);
        drop(globals);
        ffi::PyGC_Collect();
    }
}

/// Sets a namespace's names to None: first those with one leading underscore, then the others, as `_PyModule_ClearDict`.
///
/// # Safety
/// GIL; `globals` is a dict.
unsafe fn clear_globals(globals: &Object) {
    // SAFETY: GIL by the caller; the names are copied before finalizers can change the dict.
    unsafe {
        let Some(names) = Object::owned(ffi::PyDict_Keys(globals.as_ptr())) else { return };
        let none = object::none();
        for private in [true, false] {
            for index in 0..ffi::PyList_Size(names.as_ptr()) {
                let name = Object::borrowed(ffi::PyList_GetItem(names.as_ptr(), index));
                let Some(name) = name else { continue };
                let text = name.to_bytes().unwrap_or_default();
                let is_private = text.first() == Some(&b'_') && text.get(1) != Some(&b'_');
                if text == b"__builtins__" || is_private != private {
                    continue;
                }
                if ffi::PyDict_Contains(globals.as_ptr(), name.as_ptr()) == 1 {
                    ffi::PyDict_SetItem(globals.as_ptr(), name.as_ptr(), none.as_ptr());
                }
            }
        }
        ffi::PyErr_Clear();
    }
}

/// Flushes files that objects of other modules still hold open.
///
/// # Safety
/// GIL.
unsafe fn flush_leftovers(namespace: &Object) {
    // SAFETY: GIL by the caller. Objects made since the thaw are all that gc.get_objects() lists: the others are frozen.
    unsafe {
        let objects = object::import(c"gc")
            .and_then(|gc| gc.attribute(c"get_objects"))
            .and_then(|get| get.call());
        let leftovers = objects.zip(namespace.entry(c"leftovers")).and_then(|(objects, find)| {
            let end = ptr::null_mut::<ffi::PyObject>();
            let found = ffi::PyObject_CallFunctionObjArgs(find.as_ptr(), objects.as_ptr(), end);
            Object::owned(found)
        });
        if let Some(leftovers) = leftovers {
            for index in 0..ffi::PyList_Size(leftovers.as_ptr()) {
                let file = Object::borrowed(ffi::PyList_GetItem(leftovers.as_ptr(), index));
                if file.is_some_and(|file| call_method(&file, c"flush").is_none()) {
                    ffi::PyErr_Clear();
                }
            }
        }
        ffi::PyErr_Clear();
    }
}
