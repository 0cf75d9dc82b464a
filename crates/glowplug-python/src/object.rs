//! Owned references to Python objects, and the few operations that the extension needs on them.
//!
//! Everything here needs the GIL, which the main thread holds from the interpreter's initialisation on; the functions are `unsafe` for that
//! one reason unless they say more.

use pyo3_ffi as ffi;
use std::ffi::CStr;

/// A strong reference.
pub struct Object(*mut ffi::PyObject);

impl Object {
    /// Takes a new reference; `None` for NULL.
    ///
    /// # Safety
    /// `pointer` is NULL or a strong reference that the caller gives away. GIL.
    pub unsafe fn owned(pointer: *mut ffi::PyObject) -> Option<Object> {
        (!pointer.is_null()).then(|| Object(pointer))
    }

    /// Copies a borrowed reference; `None` for NULL.
    ///
    /// # Safety
    /// `pointer` is NULL or a live object. GIL.
    pub unsafe fn borrowed(pointer: *mut ffi::PyObject) -> Option<Object> {
        if pointer.is_null() {
            return None;
        }
        // SAFETY: by the caller.
        unsafe { ffi::Py_INCREF(pointer) };
        Some(Object(pointer))
    }

    /// Another reference to the same object.
    ///
    /// # Safety
    /// GIL.
    pub unsafe fn again(&self) -> Object {
        // SAFETY: GIL by the caller; this reference keeps the object alive.
        unsafe { ffi::Py_INCREF(self.0) };
        Object(self.0)
    }

    /// The pointer, borrowed.
    pub fn as_ptr(&self) -> *mut ffi::PyObject {
        self.0
    }

    /// Gives the reference away.
    pub fn into_ptr(self) -> *mut ffi::PyObject {
        let pointer = self.0;
        std::mem::forget(self);
        pointer
    }

    /// An attribute; a missing one leaves no exception behind.
    ///
    /// # Safety
    /// GIL.
    pub unsafe fn attribute(&self, name: &CStr) -> Option<Object> {
        // SAFETY: GIL by the caller; the object is live.
        unsafe {
            let found = Object::owned(ffi::PyObject_GetAttrString(self.0, name.as_ptr()));
            if found.is_none() {
                ffi::PyErr_Clear();
            }
            found
        }
    }

    /// An entry of a dict, `None` where it is missing.
    ///
    /// # Safety
    /// GIL; the object is a dict.
    pub unsafe fn entry(&self, name: &CStr) -> Option<Object> {
        // SAFETY: by the caller.
        unsafe { Object::borrowed(ffi::PyDict_GetItemString(self.0, name.as_ptr())) }
    }

    /// Sets an entry of a dict.
    ///
    /// # Safety
    /// GIL; the object is a dict.
    pub unsafe fn set_entry(&self, name: &CStr, value: &Object) {
        // SAFETY: by the caller.
        unsafe { ffi::PyDict_SetItemString(self.0, name.as_ptr(), value.0) };
    }

    /// Calls without arguments; `None` leaves the exception set.
    ///
    /// # Safety
    /// GIL.
    pub unsafe fn call(&self) -> Option<Object> {
        // SAFETY: by the caller.
        unsafe { Object::owned(ffi::PyObject_CallNoArgs(self.0)) }
    }

    /// Calls with two arguments; `None` leaves the exception set.
    ///
    /// # Safety
    /// GIL.
    pub unsafe fn call_with(&self, a: &Object, b: &Object) -> Option<Object> {
        // SAFETY: by the caller; the argument list ends with NULL.
        unsafe {
            let end = std::ptr::null_mut::<ffi::PyObject>();
            Object::owned(ffi::PyObject_CallFunctionObjArgs(self.0, a.0, b.0, end))
        }
    }

    /// What a weak reference refers to, `None` where that is gone.
    ///
    /// # Safety
    /// GIL; the object is a weak reference.
    #[cfg(Py_3_13)]
    pub unsafe fn referent(&self) -> Option<Object> {
        let mut referent = std::ptr::null_mut();
        // SAFETY: by the caller; the call gives a strong reference or NULL.
        unsafe {
            ffi::PyWeakref_GetRef(self.0, &mut referent);
            Object::owned(referent)
        }
    }

    /// What a weak reference refers to, `None` where that is gone.
    ///
    /// # Safety
    /// GIL; the object is a weak reference.
    #[cfg(not(Py_3_13))]
    pub unsafe fn referent(&self) -> Option<Object> {
        // SAFETY: by the caller; the borrowed reference is None where there is nothing any more.
        unsafe {
            let referent = ffi::PyWeakref_GetObject(self.0);
            if referent == ffi::Py_None() { None } else { Object::borrowed(referent) }
        }
    }

    /// The bytes of a str (with surrogate escapes undone) or bytes object.
    ///
    /// # Safety
    /// GIL.
    pub unsafe fn to_bytes(&self) -> Option<Vec<u8>> {
        // SAFETY: GIL by the caller; the buffer is copied while the bytes object lives.
        unsafe {
            let bytes = if ffi::PyBytes_Check(self.0) != 0 {
                Object::borrowed(self.0)?
            } else {
                Object::owned(ffi::PyUnicode_EncodeFSDefault(self.0))?
            };
            let data = ffi::PyBytes_AsString(bytes.0).cast::<u8>();
            let len = ffi::PyBytes_Size(bytes.0) as usize;
            Some(std::slice::from_raw_parts(data, len).to_vec())
        }
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        // SAFETY: the reference is ours; the extension drops objects only in the thread that holds the GIL.
        unsafe { ffi::Py_DECREF(self.0) };
    }
}

/// A new, empty dict. Panics only where no memory is left for it.
///
/// # Safety
/// GIL.
pub unsafe fn dict() -> Object {
    // SAFETY: by the caller.
    unsafe { Object::owned(ffi::PyDict_New()) }.expect("memory for a dict")
}

/// A new, empty set for strings alone. It can never be part of a cycle, so that the collector does not look at it.
///
/// # Safety
/// GIL.
#[cfg(not(Py_3_15))]
pub unsafe fn set_of_strings() -> Object {
    // SAFETY: by the caller; CPython leaves a container alone that is not tracked.
    unsafe {
        let set = Object::owned(ffi::PySet_New(std::ptr::null_mut())).expect("memory for a set");
        ffi::PyObject_GC_UnTrack(set.as_ptr().cast());
        set
    }
}

/// A str from bytes in the file system's encoding.
///
/// # Safety
/// GIL.
pub unsafe fn string(bytes: &[u8]) -> Object {
    // SAFETY: GIL by the caller; surrogateescape decodes any bytes.
    unsafe {
        Object::owned(ffi::PyUnicode_DecodeFSDefaultAndSize(
            bytes.as_ptr().cast(),
            bytes.len() as isize,
        ))
    }
    .expect("memory for a str")
}

/// A bytes object.
///
/// # Safety
/// GIL.
pub unsafe fn bytes(data: &[u8]) -> Object {
    // SAFETY: GIL by the caller.
    unsafe {
        Object::owned(ffi::PyBytes_FromStringAndSize(data.as_ptr().cast(), data.len() as isize))
    }
    .expect("memory for bytes")
}

/// An int.
///
/// # Safety
/// GIL.
pub unsafe fn integer(value: u64) -> Object {
    // SAFETY: GIL by the caller.
    unsafe { Object::owned(ffi::PyLong_FromUnsignedLongLong(value)) }.expect("memory for an int")
}

/// A list of the objects.
///
/// # Safety
/// GIL.
pub unsafe fn list(items: impl IntoIterator<Item = Object>) -> Object {
    // SAFETY: GIL by the caller; PyList_Append takes its own reference.
    unsafe {
        let list = Object::owned(ffi::PyList_New(0)).expect("memory for a list");
        for item in items {
            ffi::PyList_Append(list.as_ptr(), item.as_ptr());
        }
        list
    }
}

/// `None`.
///
/// # Safety
/// GIL.
pub unsafe fn none() -> Object {
    // SAFETY: GIL by the caller; None lives for ever.
    unsafe { Object::borrowed(ffi::Py_None()) }.expect("None")
}

/// A loaded module, by its name in sys.modules.
///
/// # Safety
/// GIL.
pub unsafe fn loaded_module(name: &CStr) -> Option<Object> {
    // SAFETY: GIL by the caller; sys.modules is a dict.
    unsafe { Object::borrowed(ffi::PyImport_GetModuleDict())?.entry(name) }
}

/// Imports a module; `None` leaves the exception set.
///
/// # Safety
/// GIL.
pub unsafe fn import(name: &CStr) -> Option<Object> {
    // SAFETY: by the caller.
    unsafe { Object::owned(ffi::PyImport_ImportModule(name.as_ptr())) }
}

/// A tuple of two.
///
/// # Safety
/// GIL.
pub unsafe fn pair(a: &Object, b: &Object) -> Object {
    // SAFETY: GIL by the caller; PyTuple_Pack takes its own references.
    unsafe { Object::owned(ffi::PyTuple_Pack(2, a.0, b.0)) }.expect("memory for a tuple")
}
