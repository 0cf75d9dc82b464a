//! From 3.15 on lazy imports are the interpreter's own: a filter makes them follow the settings.

use super::run::Settings;
use crate::object::{self, Object};
use pyo3_ffi as ffi;
use std::ffi::CString;

/// Defines `install(mode, lazy, eager)`; the package `glowplug.lazy` has the same file.
const SOURCE: &str = include_str!("../../../../python/glowplug/lazy/_filter.py");

/// Sets the filter and the mode.
///
/// # Safety
/// GIL; the interpreter has just been initialised.
pub unsafe fn install(settings: &Settings<'_>) -> Result<(), &'static str> {
    let source = CString::new(SOURCE).map_err(|_| "the filter holds a zero byte")?;
    // SAFETY: GIL by the caller; the argument list ends with NULL.
    unsafe {
        let names = |names: &[Vec<u8>]| object::list(names.iter().map(|name| object::string(name)));
        let namespace = object::dict();
        let builtins = Object::borrowed(ffi::PyEval_GetBuiltins());
        if let Some(builtins) = &builtins {
            namespace.set_entry(c"__builtins__", builtins);
        }
        let file = c"<glowplug.lazy>".as_ptr();
        let done = Object::owned(ffi::Py_CompileString(source.as_ptr(), file, ffi::Py_file_input))
            .and_then(|code| {
                let globals = namespace.as_ptr();
                Object::owned(ffi::PyEval_EvalCode(code.as_ptr(), globals, globals))
            })
            .and_then(|_| namespace.entry(c"install"))
            .and_then(|install| {
                let mode: &[u8] = if settings.all() { b"all" } else { b"normal" };
                Object::owned(ffi::PyObject_CallFunctionObjArgs(
                    install.as_ptr(),
                    object::string(mode).as_ptr(),
                    names(settings.modules()).as_ptr(),
                    names(settings.eager()).as_ptr(),
                    std::ptr::null_mut::<ffi::PyObject>(),
                ))
            });
        if done.is_none() {
            ffi::PyErr_Clear();
            return Err("the interpreter does not take the filter");
        }
    }
    Ok(())
}
