//! Types of our own, static as CPython's own are.

use pyo3_ffi as ffi;
use std::ffi::CStr;
use std::mem::MaybeUninit;

/// A new static type, to be filled in and given to [`ready`]. It lives for ever.
#[allow(clippy::mut_from_ref)] // The type is a new one: nothing of it is borrowed from the name.
pub fn new(name: &'static CStr, size: usize) -> &'static mut ffi::PyTypeObject {
    // SAFETY: for this struct of pointers, integers and optional functions, zero is a valid value; PyType_Ready fills it in.
    let mut kind: ffi::PyTypeObject = unsafe { MaybeUninit::zeroed().assume_init() };
    kind.ob_base.ob_base = ffi::PyObject_HEAD_INIT;
    kind.tp_name = name.as_ptr();
    kind.tp_basicsize = size as isize;
    kind.tp_flags = ffi::Py_TPFLAGS_DEFAULT;
    Box::leak(Box::new(kind))
}

/// Makes a type usable.
///
/// # Safety
/// GIL; the type's functions fit its objects.
pub unsafe fn ready(kind: *mut ffi::PyTypeObject) -> bool {
    // SAFETY: by the caller.
    unsafe { ffi::PyType_Ready(kind) == 0 }
}

/// The dict of a type.
///
/// # Safety
/// GIL; the type is ready. A new reference.
pub unsafe fn dict_of(kind: *mut ffi::PyTypeObject) -> Option<crate::object::Object> {
    // SAFETY: by the caller. Since 3.12 the dicts of the interpreter's own types lie elsewhere.
    unsafe {
        #[cfg(Py_3_12)]
        return crate::object::Object::owned(ffi::PyType_GetDict(kind));
        #[cfg(not(Py_3_12))]
        return crate::object::Object::borrowed((*kind).tp_dict);
    }
}

/// Has CPython forget what it remembers of one of its own types, whose dict has changed.
///
/// # Safety
/// GIL.
pub unsafe fn modified(kind: *mut ffi::PyTypeObject) {
    // SAFETY: by the caller.
    unsafe {
        if is_debug_build() {
            // It takes its own types for unchangeable; it can only forget all types.
            ffi::PyType_ClearCache();
        } else {
            ffi::PyType_Modified(kind);
        }
    }
}

/// Whether the interpreter checks itself by assertions, which hold it to more than it needs.
///
/// # Safety
/// GIL.
pub unsafe fn is_debug_build() -> bool {
    // SAFETY: by the caller.
    unsafe { !ffi::PySys_GetObject(c"gettotalrefcount".as_ptr()).is_null() }
}
