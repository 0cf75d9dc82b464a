//! From 3.15 on lazy imports are the interpreter's own: a filter makes them follow the settings.

use super::run::Settings;
use crate::object::{self, Object};
use pyo3_ffi as ffi;
use std::ffi::{CStr, CString};

/// Defines `install(mode, lazy, eager, note)`; the package `glowplug.lazy` has the same file.
const FILTER: &str = include_str!("../../../../python/glowplug/lazy/_filter.py");

/// Defines `follow(descriptor)`, which gives the `note` of the filter.
const LOG: &str = include_str!("../../../../python/glowplug/lazy/_log.py");

/// Sets the filter and the mode, and begins the log.
///
/// # Safety
/// GIL; the interpreter has just been initialised.
pub unsafe fn install(settings: &Settings<'_>) -> Result<(), &'static str> {
    // SAFETY: GIL by the caller; the argument lists end with NULL.
    unsafe {
        let end = std::ptr::null_mut::<ffi::PyObject>();
        let note = match settings.events() {
            None => Some(object::none()),
            Some(descriptor) => function(LOG, c"follow").and_then(|follow| {
                let descriptor = Object::owned(ffi::PyLong_FromLong(descriptor.into()))?;
                Object::owned(ffi::PyObject_CallFunctionObjArgs(
                    follow.as_ptr(),
                    descriptor.as_ptr(),
                    end,
                ))
            }),
        };
        let names = |names: &[Vec<u8>]| object::list(names.iter().map(|name| object::string(name)));
        let done = note.zip(function(FILTER, c"install")).and_then(|(note, install)| {
            let mode: &[u8] = if settings.all() { b"all" } else { b"normal" };
            Object::owned(ffi::PyObject_CallFunctionObjArgs(
                install.as_ptr(),
                object::string(mode).as_ptr(),
                names(settings.modules()).as_ptr(),
                names(settings.eager()).as_ptr(),
                note.as_ptr(),
                end,
            ))
        });
        if done.is_none() {
            ffi::PyErr_Clear();
            return Err("the interpreter does not take the filter");
        }
    }
    Ok(())
}

/// A function that a source text defines.
unsafe fn function(source: &str, name: &CStr) -> Option<Object> {
    let source = CString::new(source).ok()?;
    // SAFETY: GIL by the caller.
    unsafe {
        let namespace = object::dict();
        namespace.set_entry(c"__builtins__", &Object::borrowed(ffi::PyEval_GetBuiltins())?);
        let file = c"<glowplug.lazy>".as_ptr();
        let code = Object::owned(ffi::Py_CompileString(source.as_ptr(), file, ffi::Py_file_input))?;
        let globals = namespace.as_ptr();
        Object::owned(ffi::PyEval_EvalCode(code.as_ptr(), globals, globals))?;
        namespace.entry(name)
    }
}
