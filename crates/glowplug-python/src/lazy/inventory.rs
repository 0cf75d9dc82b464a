//! Notes which modules are loaded when the program ends.

use super::{Ptr, state};
use crate::object::{self, Object};
use pyo3_ffi as ffi;
use std::ptr;

/// Has the log told at the end of the program what is loaded then. Functions that `atexit` holds are called last in, first out, so that
/// this one comes after the program's own.
///
/// # Safety
/// GIL; the mechanism is installed.
pub unsafe fn note_at_exit() {
    // SAFETY: GIL by the caller; the definition is leaked, as the function may live as long as the process.
    unsafe {
        let definition = Box::leak(Box::new(ffi::PyMethodDef {
            ml_name: c"note_modules".as_ptr(),
            ml_meth: ffi::PyMethodDefPointer { PyCFunction: note },
            ml_flags: ffi::METH_NOARGS,
            ml_doc: ptr::null(),
        }));
        let function =
            Object::owned(ffi::PyCFunction_NewEx(definition, ptr::null_mut(), ptr::null_mut()));
        let register = object::import(c"atexit").and_then(|atexit| atexit.attribute(c"register"));
        if let Some((function, register)) = function.zip(register) {
            let call = ffi::PyObject_CallFunctionObjArgs(
                register.as_ptr(),
                function.as_ptr(),
                ptr::null_mut::<ffi::PyObject>(),
            );
            drop(Object::owned(call));
        }
        // A log that ends early is no reason to keep a program from running.
        ffi::PyErr_Clear();
    }
}

unsafe extern "C" fn note(_: Ptr, _: Ptr) -> Ptr {
    // SAFETY: GIL by CPython, which calls this; None lives for ever.
    unsafe {
        if let Some(state) = state::get() {
            state.events.end();
        }
        object::none().into_ptr()
    }
}
