//! The method definitions of built-in functions. They say which C function is called, and can be changed while the functions stay the
//! objects that they are, for everybody who has taken them from their module.

use pyo3_ffi as ffi;
use std::ffi::c_void;

type Pointer = *mut ffi::PyObject;

/// How `METH_NOARGS`, `METH_O` and `METH_VARARGS` are called.
pub type OfTwo = unsafe extern "C" fn(Pointer, Pointer) -> Pointer;

/// How `PyCFunctionObject` of methodobject.h begins, in every CPython that is supported; pyo3-ffi's is not `repr(C)`.
#[repr(C)]
struct BuiltinFunction {
    base: ffi::PyObject,
    definition: *mut ffi::PyMethodDef,
}

/// The definition of a built-in function, `None` for any other object. CPython's are writable static tables.
///
/// # Safety
/// GIL.
pub unsafe fn definition(function: Pointer) -> Option<*mut ffi::PyMethodDef> {
    // SAFETY: GIL by the caller; the type is checked before the object is taken for what it then is.
    unsafe {
        (ffi::PyCFunction_CheckExact(function) != 0)
            .then(|| (*function.cast::<BuiltinFunction>()).definition)
    }
}

/// Puts another C function into a definition; returns the one that was there.
///
/// # Safety
/// GIL, so that nobody calls it meanwhile; the definition is CPython's, and the function is called as its flags say.
pub unsafe fn exchange(definition: *mut ffi::PyMethodDef, function: *mut c_void) -> *mut c_void {
    // SAFETY: by the caller; the union holds a pointer to a function, which is as large as any other.
    unsafe { (&raw mut (*definition).ml_meth).cast::<*mut c_void>().replace(function) }
}
