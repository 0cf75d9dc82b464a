//! The keys that stand for pending names among the builtins.

use super::state::{self, State};
use super::{Ptr, concerned, reference, types};
use crate::object::Object;
use pyo3_ffi as ffi;
use std::ffi::c_int;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

static TYPE: AtomicPtr<ffi::PyTypeObject> = AtomicPtr::new(ptr::null_mut());

/// Makes the type: a str that compares in its own way.
///
/// # Safety
/// GIL; called once.
pub unsafe fn initialise() -> bool {
    let kind = types::new(c"str", 0);
    // SAFETY: GIL by the caller; PyUnicode_Type is ready.
    unsafe {
        let text = &raw mut ffi::PyUnicode_Type;
        kind.tp_base = text;
        kind.tp_basicsize = (*text).tp_basicsize;
        kind.tp_flags |= ffi::Py_TPFLAGS_UNICODE_SUBCLASS;
        kind.tp_richcompare = Some(compare);
        kind.tp_hash = (*text).tp_hash;
        TYPE.store(kind, Ordering::Relaxed);
        types::ready(kind)
    }
}

/// Whether an object is a key.
pub fn is(object: Ptr) -> bool {
    // SAFETY: only the object's head is read.
    unsafe { ffi::Py_TYPE(object) == TYPE.load(Ordering::Relaxed) }
}

/// Whether there is a key for a name.
///
/// # Safety
/// GIL; `name` is a str.
pub unsafe fn stands_for(state: &State, name: Ptr) -> bool {
    // SAFETY: GIL by the caller.
    unsafe { ffi::PyDict_Contains(state.keys, name) == 1 }
}

/// Sees to it that there is a key for a name.
///
/// # Safety
/// GIL; `name` is a str.
pub unsafe fn ensure(state: &State, name: Ptr) -> bool {
    // SAFETY: GIL by the caller.
    unsafe {
        match ffi::PyDict_Contains(state.keys, name) {
            1 => return true,
            0 => {}
            _ => return false,
        }
        concerned::add(name);
        let kind = TYPE.load(Ordering::Relaxed).cast::<ffi::PyObject>();
        let end = ptr::null_mut::<ffi::PyObject>();
        let key = Object::owned(ffi::PyObject_CallFunctionObjArgs(kind, name, end));
        key.is_some_and(|key| {
            ffi::PyDict_SetItem(state.keys, name, key.as_ptr()) == 0
                && answer(state, key.as_ptr(), ffi::Py_None())
        })
    }
}

/// Sets the value that a lookup of a key finds.
unsafe fn answer(state: &State, key: Ptr, value: Ptr) -> bool {
    // SAFETY: GIL by the caller; quiet, the key is found by identity alone.
    state.quietly(|| unsafe { ffi::PyDict_SetItem(state.keys_in, key, value) == 0 })
}

/// Lets go of the value that was last found: it is the module's alone.
///
/// # Safety
/// GIL; no lookup is under way that was answered.
pub unsafe fn forget_answer(state: &State) {
    let key = state.answered.replace(ptr::null_mut());
    if !key.is_null() {
        // SAFETY: keys live for ever.
        unsafe { answer(state, key, ffi::Py_None()) };
    }
}

extern "C" fn forget_later(_: *mut std::ffi::c_void) -> c_int {
    // SAFETY: CPython makes pending calls between instructions, with the GIL.
    unsafe { forget_answer(state::installed()) };
    0
}

/// CPython asks whether a key equals the name that it looks up.
unsafe extern "C" fn compare(this: Ptr, other: Ptr, operation: c_int) -> Ptr {
    // SAFETY: called by CPython with live objects, `this` being a str.
    unsafe {
        let plain = ffi::PyUnicode_Type.tp_richcompare.expect("str compares");
        // Two keys compare as the strings that they are; so do a key and a string that is not its own.
        let result = plain(this, other, operation);
        let state = state::installed();
        if operation != ffi::Py_EQ || result != ffi::Py_True() || is(other) {
            return result;
        }
        ffi::Py_DECREF(result);
        if state.quiet.get() > 0 {
            return ffi::PyBool_FromLong(0);
        }
        match look_up(state, other) {
            Ok(None) => ffi::PyBool_FromLong(0),
            Ok(Some(value)) => {
                forget_answer(state);
                if !answer(state, this, value.as_ptr()) {
                    return ptr::null_mut();
                }
                state.answered.set(this);
                ffi::Py_AddPendingCall(Some(forget_later), ptr::null_mut());
                ffi::PyBool_FromLong(1)
            }
            Err(()) => ptr::null_mut(),
        }
    }
}

/// What the running frame finds under a name that may be pending in its module.
unsafe fn look_up(state: &State, name: Ptr) -> Result<Option<Object>, ()> {
    // SAFETY: GIL by the caller.
    unsafe {
        #[cfg(not(Py_3_11))]
        if !loads_one_of(&[super::opcodes::LOAD_NAME, super::opcodes::LOAD_GLOBAL]) {
            return Ok(None);
        }
        let globals = ffi::PyEval_GetGlobals();
        if globals.is_null() {
            return Ok(None);
        }
        let found = in_namespace(state, globals, name)?;
        if found.is_some() {
            return Ok(found);
        }
        // `eval(code, class_dict, module_dict)`, as typing.get_type_hints has it.
        let Some(frame) = super::frame::Frame::running() else { return Ok(None) };
        if !frame.has_named_locals() {
            return Ok(None);
        }
        #[allow(deprecated)] // PyEval_GetFrameLocals came with 3.13 and copies.
        let locals = ffi::PyEval_GetLocals();
        if locals.is_null() {
            ffi::PyErr_Clear();
            return Ok(None);
        }
        if locals == globals || ffi::PyDict_CheckExact(locals) == 0 {
            return Ok(None);
        }
        in_namespace(state, locals, name)
    }
}

unsafe fn in_namespace(state: &State, globals: Ptr, name: Ptr) -> Result<Option<Object>, ()> {
    if !state.table.contains(globals) {
        return Ok(None);
    }
    // SAFETY: GIL by the caller.
    unsafe {
        // The lookup may have begun before another one, or another thread, resolved the name.
        if let Some(stored) = Object::borrowed(ffi::PyDict_GetItemWithError(globals, name)) {
            return Ok(Some(stored));
        }
        reference::resolve_name(state, globals, name)
    }
}

/// Whether the running instruction is one of these. Where the keys lie in the real builtins, `getattr(builtins, …)` meets them too, and
/// `hash(code)` meets tripwires.
///
/// # Safety
/// GIL.
#[cfg(any(not(Py_3_11), Py_3_12))]
pub unsafe fn loads_one_of(opcodes: &[u16]) -> bool {
    // SAFETY: GIL by the caller.
    unsafe {
        let Some(frame) = super::frame::Frame::running() else { return false };
        let (Some(offset), Some(code)) = (frame.offset(), frame.code.attribute(c"co_code")) else {
            return false;
        };
        let code = super::frame::bytes(code.as_ptr());
        let at = super::statement::behind_extensions(code, offset);
        code.get(at).is_some_and(|&op| opcodes.contains(&u16::from(op)))
    }
}
