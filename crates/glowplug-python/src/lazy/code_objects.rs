//! What programs see of code objects with tripwires: their plain names. 3.12 and later.

use super::state::{self, State};
use super::{Ptr, types};
use crate::object::{self, Object};
use pyo3_ffi as ffi;
use std::ffi::{CStr, c_void};
use std::ptr;
use std::sync::OnceLock;

/// CPython's own, which are never freed.
struct Originals {
    /// The method `replace`.
    replace: usize,
    /// `marshal.dumps` and `marshal.dump`.
    marshal: [usize; 2],
}

static ORIGINALS: OnceLock<Originals> = OnceLock::new();

/// The names of `replace`: 3.13 has it twice.
const REPLACE: &[&CStr] = if cfg!(Py_3_13) { &[c"replace", c"__replace__"] } else { &[c"replace"] };

type Method = unsafe extern "C" fn(Ptr, Ptr, Ptr) -> Ptr;

/// Hooks the type of code objects, and `marshal`.
///
/// # Safety
/// GIL; called once, after the state has been published.
pub unsafe fn install() -> bool {
    // SAFETY: GIL by the caller; the definitions are leaked, as CPython needs them for ever, and the functions fit their flags.
    unsafe {
        let kind = &raw mut ffi::PyCode_Type;
        let (Some(dict), Some(marshal)) = (types::dict_of(kind), object::import(c"marshal")) else {
            return false;
        };
        let (Some(old), Some(dumps), Some(dump)) =
            (dict.entry(REPLACE[0]), marshal.attribute(c"dumps"), marshal.attribute(c"dump"))
        else {
            return false;
        };
        let shown = Box::leak(Box::new(ffi::PyGetSetDef {
            name: c"co_names".as_ptr(),
            get: Some(names),
            set: None,
            doc: ptr::null(),
            closure: ptr::null_mut(),
        }));
        let Some(names) = Object::owned(ffi::PyDescr_NewGetSet(kind, shown)) else { return false };
        dict.set_entry(c"co_names", &names);
        for name in REPLACE {
            let Some(named) = dict.entry(name) else { return false };
            let method = ffi::PyDescr_NewMethod(kind, definition(name, replace, text(&named)));
            let Some(method) = Object::owned(method) else { return false };
            dict.set_entry(name, &method);
        }
        types::modified(kind);
        let module_name = object::string(b"marshal");
        for (name, function, old) in
            [(c"dumps", dumps_plainly as Method, &dumps), (c"dump", dump_plainly, &dump)]
        {
            let definition = definition(name, function, text(old));
            let new = ffi::PyCFunction_NewEx(definition, marshal.as_ptr(), module_name.as_ptr());
            let Some(new) = Object::owned(new) else { return false };
            if ffi::PyObject_SetAttrString(marshal.as_ptr(), name.as_ptr(), new.as_ptr()) < 0 {
                return false;
            }
        }
        let marshal = [dumps.into_ptr() as usize, dump.into_ptr() as usize];
        ORIGINALS.set(Originals { replace: old.into_ptr() as usize, marshal }).is_ok()
    }
}

/// The text of a function of CPython's, whose first line is its signature.
unsafe fn text(function: &Object) -> *const std::ffi::c_char {
    // SAFETY: GIL by the caller; both kinds of functions hold their definition for ever.
    unsafe {
        if ffi::PyCFunction_Check(function.as_ptr()) != 0 {
            (*(*function.as_ptr().cast::<ffi::PyCFunctionObject>()).m_ml).ml_doc
        } else {
            (*(*function.as_ptr().cast::<ffi::PyMethodDescrObject>()).d_method).ml_doc
        }
    }
}

fn definition(
    name: &'static CStr,
    function: Method,
    doc: *const std::ffi::c_char,
) -> *mut ffi::PyMethodDef {
    Box::leak(Box::new(ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunctionWithKeywords: function },
        ml_flags: ffi::METH_VARARGS | ffi::METH_KEYWORDS,
        ml_doc: doc,
    }))
}

/// `code.co_names`.
unsafe extern "C" fn names(code: Ptr, _: *mut c_void) -> Ptr {
    // SAFETY: called by CPython with a code object.
    unsafe {
        let plain = state::installed().tripwires.plain_names(code);
        let own = || Object::borrowed((*super::frame::code(code)).names);
        plain.or_else(own).map_or(ptr::null_mut(), Object::into_ptr)
    }
}

/// `code.replace(…)`: the new code has plain names.
unsafe extern "C" fn replace(code: Ptr, arguments: Ptr, keywords: Ptr) -> Ptr {
    // SAFETY: called by CPython with a code object, a tuple, and a dict or NULL.
    let done = || unsafe {
        let original = ORIGINALS.get().expect("installed").replace as Ptr;
        let given = if keywords.is_null() {
            object::dict()
        } else {
            Object::owned(ffi::PyDict_Copy(keywords))?
        };
        if let Some(plain) = state::installed().tripwires.plain_names(code)
            && ffi::PyDict_GetItemString(given.as_ptr(), c"co_names".as_ptr()).is_null()
        {
            given.set_entry(c"co_names", &plain);
        }
        let this = Object::owned(ffi::PyTuple_Pack(1, code))?;
        let all = Object::owned(ffi::PySequence_Concat(this.as_ptr(), arguments))?;
        Object::owned(ffi::PyObject_Call(original, all.as_ptr(), given.as_ptr()))
    };
    done().map_or(ptr::null_mut(), Object::into_ptr)
}

unsafe extern "C" fn dumps_plainly(_: Ptr, arguments: Ptr, keywords: Ptr) -> Ptr {
    // SAFETY: called by CPython.
    unsafe { marshalled(0, arguments, keywords) }
}

unsafe extern "C" fn dump_plainly(_: Ptr, arguments: Ptr, keywords: Ptr) -> Ptr {
    // SAFETY: called by CPython.
    unsafe { marshalled(1, arguments, keywords) }
}

/// `marshal` writes plain strings only: where it refuses, it is asked again without tripwires. Nothing has been written until then.
unsafe fn marshalled(which: usize, arguments: Ptr, keywords: Ptr) -> Ptr {
    let original = ORIGINALS.get().expect("installed").marshal[which] as Ptr;
    let state: &State = state::installed();
    // SAFETY: called by CPython with a tuple, and a dict or NULL.
    unsafe {
        let call = || ffi::PyObject_Call(original, arguments, keywords);
        let done = call();
        if !done.is_null()
            || ffi::PyErr_ExceptionMatches(ffi::PyExc_ValueError) == 0
            || state.tripwires.is_empty()
        {
            return done;
        }
        ffi::PyErr_Clear();
        state.tripwires.without(call)
    }
}
