//! The code of `-c`, as CPython's `main` runs it.

use super::compiler_flags;
#[cfg(Py_3_13)]
use crate::object;
use crate::object::Object;
use pyo3_ffi as ffi;
use std::ffi::{CStr, c_char, c_int};
#[cfg(Py_3_13)]
use std::ptr;

/// `PyCF_IGNORE_COOKIE`: the source is UTF-8 whatever a coding line says.
const IGNORE_COOKIE: c_int = 0x0800;

/// What tracebacks call the code.
#[cfg(Py_3_13)]
const NAME: &CStr = c"<string>";

#[cfg(Py_3_14)]
unsafe extern "C" {
    fn PySys_Audit(event: *const c_char, format: *const c_char, ...) -> c_int;
}

/// Runs the code in a namespace; `None` leaves the exception set.
///
/// # Safety
/// GIL; `globals` is a dict.
pub unsafe fn run(code: &CStr, globals: &Object) -> Option<Object> {
    let mut source = code.to_bytes().to_vec();
    source.push(b'\n');
    #[cfg(Py_3_14)]
    let mut source = dedented(&source);
    // SAFETY: GIL by the caller.
    unsafe {
        // 3.13 has the lines of the code in tracebacks: it leaves them with linecache, by name.
        #[cfg(all(Py_3_13, not(Py_3_14)))]
        remember(&object::string(NAME.to_bytes()), &source);
        source.push(0);
        evaluate(&source, globals)
    }
}

/// # Safety
/// GIL; `source` ends with a zero; `globals` is a dict.
#[cfg(not(Py_3_14))]
unsafe fn evaluate(source: &[u8], globals: &Object) -> Option<Object> {
    // SAFETY: by the caller.
    unsafe {
        let mut flags = compiler_flags(IGNORE_COOKIE);
        let (text, globals) = (source.as_ptr().cast::<c_char>(), globals.as_ptr());
        let start = ffi::Py_file_input;
        Object::owned(ffi::PyRun_StringFlags(text, start, globals, globals, &mut flags))
    }
}

/// From 3.14 on, linecache knows the lines by the code object, so that this has to be made first.
///
/// # Safety
/// GIL; `source` ends with a zero; `globals` is a dict.
#[cfg(Py_3_14)]
unsafe fn evaluate(source: &[u8], globals: &Object) -> Option<Object> {
    // SAFETY: by the caller; the audit event's format takes one object.
    unsafe {
        let mut flags = compiler_flags(IGNORE_COOKIE);
        let text = source.as_ptr().cast::<c_char>();
        let start = ffi::Py_file_input;
        let compiled = ffi::Py_CompileStringExFlags(text, NAME.as_ptr(), start, &mut flags, -1);
        let code = Object::owned(compiled)?;
        remember(&code, &source[..source.len() - 1]);
        if PySys_Audit(c"exec".as_ptr(), c"O".as_ptr(), code.as_ptr()) != 0 {
            return None;
        }
        let globals = globals.as_ptr();
        Object::owned(ffi::PyEval_EvalCode(code.as_ptr(), globals, globals))
    }
}

/// Leaves the code's lines with linecache under `key`.
///
/// # Safety
/// GIL.
#[cfg(Py_3_13)]
unsafe fn remember(key: &Object, source: &[u8]) {
    // SAFETY: GIL by the caller; the argument list ends with NULL.
    unsafe {
        let register = object::import(c"linecache").and_then(|m| m.attribute(c"_register_code"));
        if let Some(register) = register {
            let (name, text) = (object::string(NAME.to_bytes()), object::string(source));
            drop(Object::owned(ffi::PyObject_CallFunctionObjArgs(
                register.as_ptr(),
                key.as_ptr(),
                text.as_ptr(),
                name.as_ptr(),
                ptr::null_mut::<ffi::PyObject>(),
            )));
        }
        ffi::PyErr_Clear();
    }
}

/// The code without the blanks that all its lines begin with, which 3.14 and later take away. Lines of nothing but blanks do not count,
/// and become empty where any are taken away.
#[cfg(Py_3_14)]
fn dedented(source: &[u8]) -> Vec<u8> {
    let lines = || source.split_inclusive(|&byte| byte == b'\n');
    let blanks = |line: &[u8]| line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let is_blank = |line: &[u8]| matches!(line.get(blanks(line)), None | Some(b'\n'));
    let indents = lines().filter(|line| !is_blank(line)).map(|line| &line[..blanks(line)]);
    let common = indents
        .reduce(|common, indent| {
            let same = common.iter().zip(indent).take_while(|(a, b)| a == b).count();
            &common[..same]
        })
        .map_or(0, <[u8]>::len);
    if common == 0 {
        return source.to_vec();
    }
    lines()
        .flat_map(|line| &line[if is_blank(line) { blanks(line) } else { common }..])
        .copied()
        .collect()
}
