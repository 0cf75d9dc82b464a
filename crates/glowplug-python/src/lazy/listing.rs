//! `dir()` without an argument, which lists what is pending in the namespace that it is called in.

use super::Ptr;
use super::execution::function;
use super::modules;
use super::state::{self, State};
use crate::object::Object;
use pyo3_ffi as ffi;
use std::ffi::CStr;
use std::ptr;
use std::sync::OnceLock;

/// CPython's own function, which is never freed.
static ORIGINAL: OnceLock<usize> = OnceLock::new();

/// Replaces it.
///
/// # Safety
/// GIL; called once.
pub unsafe fn install(state: &State) -> bool {
    // SAFETY: GIL by the caller; both dicts live for ever.
    unsafe {
        let name = c"dir";
        let found = ffi::PyDict_GetItemString(state.real_builtins, name.as_ptr());
        let Some(original) = Object::borrowed(found) else { return false };
        // Somebody else has replaced it.
        if ffi::PyCFunction_Check(original.as_ptr()) == 0 {
            return true;
        }
        let doc = (*(*original.as_ptr().cast::<ffi::PyCFunctionObject>()).m_ml).ml_doc;
        let doc = if doc.is_null() { name } else { CStr::from_ptr(doc) };
        let pointer = ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: list };
        let Some(new) = function(name, doc, pointer) else { return false };
        let set = |dict| ffi::PyDict_SetItemString(dict, name.as_ptr(), new.as_ptr()) == 0;
        ORIGINAL.set(original.into_ptr() as usize).is_ok()
            && state.quietly(|| set(state.real_builtins) && set(state.keys_in))
    }
}

unsafe extern "C" fn list(_: Ptr, arguments: *const Ptr, count: isize, keywords: Ptr) -> Ptr {
    // SAFETY: called by CPython with live arguments; the frame that runs is the caller's, as this is no Python function.
    unsafe {
        let original = *ORIGINAL.get().expect("installed") as Ptr;
        let names = ffi::PyObject_Vectorcall(original, arguments, count as usize, keywords);
        let Some(names) = Object::owned(names) else { return ptr::null_mut() };
        if count > 0 || ffi::PyList_Check(names.as_ptr()) == 0 {
            return names.into_ptr();
        }
        let globals = ffi::PyEval_GetGlobals();
        let locals = super::frame::Frame::running().is_some_and(|frame| frame.has_named_locals());
        if !locals || globals.is_null() {
            return names.into_ptr();
        }
        #[allow(deprecated)] // PyEval_GetFrameLocals came with 3.13 and copies.
        let is_module = ffi::PyEval_GetLocals() == globals;
        let state = state::installed();
        if is_module
            && (!modules::add_pending(state, globals, &names)
                || ffi::PyList_Sort(names.as_ptr()) < 0)
        {
            return ptr::null_mut();
        }
        names.into_ptr()
    }
}
