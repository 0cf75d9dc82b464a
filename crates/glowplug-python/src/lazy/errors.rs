//! Exceptions at first use: of the type that an eager import would raise, and with the import statement as their cause.

use super::Ptr;
use super::reference::{Place, View};
use crate::object::Object;
use pyo3_ffi as ffi;
use std::ffi::{CStr, c_char, c_int};
use std::ptr;

unsafe extern "C" {
    /// Adds an entry to the traceback of the current exception (`Python/traceback.c`; pyexpat and others use it).
    fn _PyTraceback_Add(function: *const c_char, file: *const c_char, line: c_int);
}

/// ImportError, as IMPORT_FROM raises it.
///
/// # Safety
/// GIL; no exception is set.
pub unsafe fn cannot_import_name(module: &Object, its_name: Option<Object>, name: Ptr) {
    // SAFETY: GIL by the caller; the formats fit their arguments.
    unsafe {
        let unknown =
            || Object::owned(ffi::PyUnicode_FromString(c"<unknown module name>".as_ptr()));
        let Some(module_name) = its_name.or_else(unknown) else { return };
        let file = (ffi::PyModule_Check(module.as_ptr()) != 0)
            .then(|| Object::owned(ffi::PyModule_GetFilenameObject(module.as_ptr())))
            .flatten();
        ffi::PyErr_Clear();
        let shown = name;
        let initialising = is_initialising(module);
        let message = match &file {
            None => ffi::PyUnicode_FromFormat(
                c"cannot import name %R from %R (unknown location)".as_ptr(),
                shown,
                module_name.as_ptr(),
            ),
            Some(file) => {
                let format: &CStr = if initialising {
                    c"cannot import name %R from partially initialized module %R (most likely due to a circular import) (%S)"
                } else {
                    c"cannot import name %R from %R (%S)"
                };
                ffi::PyUnicode_FromFormat(
                    format.as_ptr(),
                    shown,
                    module_name.as_ptr(),
                    file.as_ptr(),
                )
            }
        };
        let Some(message) = Object::owned(message) else { return };
        let path = file.as_ref().map_or(ptr::null_mut(), Object::as_ptr);
        ffi::PyErr_SetImportError(message.as_ptr(), module_name.as_ptr(), path);
        set_name_from(name);
    }
}

/// `__spec__._initializing`.
unsafe fn is_initialising(module: &Object) -> bool {
    // SAFETY: GIL by the caller.
    unsafe {
        let value = module.attribute(c"__spec__").and_then(|spec| spec.attribute(c"_initializing"));
        value.is_some_and(|value| ffi::PyObject_IsTrue(value.as_ptr()) == 1)
    }
}

/// `ImportError.name_from`, since 3.12.
unsafe fn set_name_from(name: Ptr) {
    // SAFETY: GIL by the caller; an exception is set.
    unsafe {
        let raised = Raised::take();
        if cfg!(Py_3_12)
            && ffi::PyObject_SetAttrString(raised.value, c"name_from".as_ptr(), name) < 0
        {
            ffi::PyErr_Clear();
        }
        raised.restore();
    }
}

/// Gives the current exception a cause that shows the import statement.
///
/// # Safety
/// GIL; an exception is set; the view's reference is live, `name` a str.
pub unsafe fn show_statement(view: &View, name: Ptr) {
    // SAFETY: GIL by the caller.
    unsafe {
        let raised = Raised::take();
        if let Some(place) = view.place() {
            let taken = view.taken().map_or(view.module(), |_| name);
            show(&raised, &place, taken, view.module());
        }
        raised.restore();
    }
}

/// As [`show_statement`], for a place: a pair of a code object and an offset in it.
///
/// # Safety
/// GIL; an exception is set.
pub unsafe fn show_place(place: &Object, name: Ptr) {
    // SAFETY: GIL by the caller; the pair was made by `place_of`.
    unsafe {
        let raised = Raised::take();
        if let Some(code) = Object::borrowed(ffi::PyTuple_GetItem(place.as_ptr(), 0))
            && let Some(file) = code.attribute(c"co_filename")
        {
            let offset = ffi::PyLong_AsLong(ffi::PyTuple_GetItem(place.as_ptr(), 1));
            let line = ffi::PyCode_Addr2Line(code.as_ptr().cast(), offset as c_int);
            show(&raised, &Place { file, line }, name, name);
        }
        raised.restore();
    }
}

/// A place for [`show_place`].
///
/// # Safety
/// GIL; `code` is a code object.
pub unsafe fn place_of(code: &Object, offset: usize) -> Object {
    // SAFETY: GIL by the caller.
    unsafe { crate::object::pair(code, &crate::object::integer(offset as u64)) }
}

/// Adds the cause, or a note to an exception that has one or that was raised while another was handled.
unsafe fn show(raised: &Raised, place: &Place, taken: Ptr, module: Ptr) {
    // SAFETY: GIL by the caller.
    unsafe {
        if !raised.is_exception() {
        } else if raised.is_chained() {
            add_note(raised, place, module);
        } else {
            add_cause(raised, place, taken);
        }
    }
}

/// Where there is a cause or a context already, a note says where the statement stands. Notes came with 3.11.
unsafe fn add_note(raised: &Raised, place: &Place, module: Ptr) {
    // SAFETY: GIL by the caller; no exception is set, and one that the note raises is dropped.
    unsafe {
        if !cfg!(Py_3_11) {
            return;
        }
        let format = c"lazy import of '%U' declared in <module> at %U:%d".as_ptr();
        let file = place.file.as_ptr();
        let note = Object::owned(ffi::PyUnicode_FromFormat(format, module, file, place.line));
        let method = Object::owned(ffi::PyUnicode_FromString(c"add_note".as_ptr()));
        if let Some((note, method)) = note.zip(method) {
            let end = ptr::null_mut::<ffi::PyObject>();
            let (value, method, note) = (raised.value, method.as_ptr(), note.as_ptr());
            drop(Object::owned(ffi::PyObject_CallMethodObjArgs(value, method, note, end)));
        }
        ffi::PyErr_Clear();
    }
}

unsafe fn add_cause(raised: &Raised, place: &Place, name: Ptr) {
    // SAFETY: GIL by the caller; no exception is set, and the one that is made here is taken again.
    unsafe {
        let format = c"deferred import of '%U' raised an exception during resolution".as_ptr();
        let Some(message) = Object::owned(ffi::PyUnicode_FromFormat(format, name)) else {
            ffi::PyErr_Clear();
            return;
        };
        ffi::PyErr_SetObject(ffi::PyExc_ImportError, message.as_ptr());
        if let Some(file) = place.file.to_bytes().and_then(|f| std::ffi::CString::new(f).ok()) {
            _PyTraceback_Add(c"<module>".as_ptr(), file.as_ptr(), place.line);
        }
        let cause = Raised::take();
        if !cause.value.is_null() {
            if !cause.trace.is_null() {
                ffi::PyException_SetTraceback(cause.value, cause.trace);
            }
            ffi::Py_INCREF(cause.value);
            ffi::PyException_SetCause(raised.value, cause.value);
        }
        cause.forget();
    }
}

/// An exception, normalised and taken.
pub struct Raised {
    kind: Ptr,
    value: Ptr,
    trace: Ptr,
}

#[allow(deprecated)] // The successors came with 3.12; older versions are built from the same lines.
impl Raised {
    /// Takes the current exception, if there is one.
    ///
    /// # Safety
    /// GIL.
    pub unsafe fn take() -> Raised {
        let (mut kind, mut value, mut trace) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        // SAFETY: GIL by the caller.
        unsafe {
            ffi::PyErr_Fetch(&mut kind, &mut value, &mut trace);
            if kind.is_null() {
                return Raised { kind, value, trace };
            }
            ffi::PyErr_NormalizeException(&mut kind, &mut value, &mut trace);
            if !value.is_null() && !trace.is_null() {
                ffi::PyException_SetTraceback(value, trace);
            }
        }
        Raised { kind, value, trace }
    }

    /// Whether it has a cause or a context, or hides its context: what is shown of it stays as it is.
    unsafe fn is_chained(&self) -> bool {
        // SAFETY: GIL by the caller; the value is an exception.
        unsafe {
            let value = self.value;
            let hides = ffi::PyObject_GetAttrString(value, c"__suppress_context__".as_ptr());
            let hides = Object::owned(hides).is_some_and(|it| it.as_ptr() == ffi::Py_True());
            hides
                || Object::owned(ffi::PyException_GetCause(value)).is_some()
                || Object::owned(ffi::PyException_GetContext(value)).is_some()
        }
    }

    /// Whether it is an `Exception`.
    unsafe fn is_exception(&self) -> bool {
        // SAFETY: GIL by the caller.
        unsafe {
            !self.value.is_null()
                && ffi::PyErr_GivenExceptionMatches(self.kind, ffi::PyExc_Exception) != 0
        }
    }

    /// Makes it the current one again.
    ///
    /// # Safety
    /// GIL.
    pub unsafe fn restore(self) {
        // SAFETY: GIL by the caller; the references are given back.
        unsafe { ffi::PyErr_Restore(self.kind, self.value, self.trace) };
    }

    /// An attribute of the exception.
    ///
    /// # Safety
    /// GIL; there is one.
    pub unsafe fn attribute(&self, name: &CStr) -> Option<Object> {
        // SAFETY: by the caller; the value is live.
        unsafe { Object::borrowed(self.value)?.attribute(name) }
    }

    /// Lets it go.
    ///
    /// # Safety
    /// GIL.
    pub unsafe fn forget(self) {
        // SAFETY: GIL by the caller; the references are ours.
        unsafe {
            for object in [self.kind, self.value, self.trace] {
                ffi::Py_XDECREF(object);
            }
        }
    }
}
