//! Functions get the real builtins back as soon as nothing is pending that they name: loads of builtins are specialised only there.

#[cfg(Py_3_11)]
use super::Ptr;
use super::pending::Pending;
use super::state::State;
#[cfg(Py_3_12)]
use crate::object::Object;
#[cfg(Py_3_11)]
use pyo3_ffi as ffi;
#[cfg(Py_3_11)]
use std::rc::Rc;

/// Whether code may still meet a pending name.
#[cfg(Py_3_11)]
unsafe fn needs_keys(pending: &Pending, code: Ptr) -> bool {
    // SAFETY: GIL by the caller; `code` is a code object.
    unsafe {
        if pending.unread.get() {
            return true;
        }
        let names = (*super::frame::code(code)).names;
        (0..ffi::PyTuple_Size(names)).any(|i| awaits(pending, ffi::PyTuple_GetItem(names, i)))
    }
}

/// Whether a name is pending, or may become so while the module's body runs.
///
/// # Safety
/// GIL; `name` is a str.
#[cfg(Py_3_11)]
pub unsafe fn awaits(pending: &Pending, name: Ptr) -> bool {
    // SAFETY: GIL by the caller.
    unsafe {
        ffi::PyDict_Contains(pending.names.as_ptr(), name) != 0
            || !pending.complete.get()
                && ffi::PySet_Contains(pending.expected.as_ptr(), name) != 0
                && ffi::PyDict_Contains(pending.globals, name) != 1
    }
}

/// Gives a function other builtins.
#[cfg(Py_3_11)]
unsafe fn set_builtins(function: *mut ffi::PyFunctionObject, builtins: Ptr) {
    // SAFETY: GIL by the caller; the function owns the reference in this field. Frames that run it borrow the dict, which lives for ever.
    unsafe {
        ffi::Py_INCREF(builtins);
        let before = std::mem::replace(&mut (*function).func_builtins, builtins);
        ffi::Py_XDECREF(before);
    }
}

/// Looks at a function that has been made, or that is found in a module.
///
/// # Safety
/// GIL; the function is live.
#[cfg(Py_3_11)]
pub unsafe fn consider(state: &State, function: *mut ffi::PyFunctionObject) {
    // SAFETY: GIL by the caller.
    unsafe {
        if (*function).func_builtins != state.keys_in || !state.has_mirror() {
            return;
        }
        // A module's or class's body, which CPython runs as a function for once.
        if (*super::frame::code((*function).func_code)).flags & ffi::CO_OPTIMIZED == 0 {
            return;
        }
        let Some(pending) = state.table.find((*function).func_globals) else {
            set_builtins(function, state.real_builtins);
            return;
        };
        let code = (*function).func_code;
        if !needs_keys(&pending, code) || has_tripwires(state, &pending, code) {
            pending.released.set(true);
            set_builtins(function, state.real_builtins);
        } else {
            #[cfg(Py_3_12)]
            follow(&pending, function);
        }
    }
}

/// A function is about to get other code: `types.coroutine` does that, say.
///
/// # Safety
/// GIL; the function is live, `code` a code object.
#[cfg(Py_3_12)]
pub unsafe fn gets_code(state: &State, function: *mut ffi::PyFunctionObject, code: Ptr) {
    // SAFETY: GIL by the caller.
    unsafe {
        let Some(pending) = state.table.find((*function).func_globals) else { return };
        let is_released = (*function).func_builtins == state.real_builtins;
        if is_released && needs_keys(&pending, code) && !has_tripwires(state, &pending, code) {
            set_builtins(function, state.keys_in);
            follow(&pending, function);
        }
    }
}

/// Whether the code itself stands in for the keys.
#[cfg(Py_3_12)]
unsafe fn has_tripwires(state: &State, pending: &Pending, code: Ptr) -> bool {
    // SAFETY: GIL by the caller; `code` is a code object.
    !pending.unread.get() && unsafe { super::tripwire::arm(state, pending, code) }
}

/// 3.11 reads the names of a running function from where they were when it began.
#[cfg(all(Py_3_11, not(Py_3_12)))]
unsafe fn has_tripwires(_: &State, _: &Pending, _: Ptr) -> bool {
    false
}

/// Keeps a function in mind that got the keys.
#[cfg(Py_3_12)]
unsafe fn follow(pending: &Pending, function: *mut ffi::PyFunctionObject) {
    // SAFETY: GIL by the caller; the function is live.
    unsafe {
        let weak = ffi::PyWeakref_NewRef(function.cast(), std::ptr::null_mut());
        let Some(weak) = Object::owned(weak) else {
            ffi::PyErr_Clear();
            return;
        };
        let mut functions = pending.functions.borrow_mut();
        if functions.len() == functions.capacity() {
            functions.retain(|weak| weak.referent().is_some());
        }
        functions.push(weak);
    }
}

/// Looks again at the functions of a module, after a name has been resolved or its body has ended.
///
/// # Safety
/// GIL.
#[cfg(Py_3_12)]
pub unsafe fn release(state: &State, pending: &Pending) {
    let functions = pending.functions.take();
    // SAFETY: GIL by the caller; a dead reference yields nothing.
    unsafe {
        for weak in functions {
            if let Some(function) = weak.referent() {
                consider(state, function.as_ptr().cast());
            }
        }
    }
}

/// 3.11 says nothing of functions that are made, so that the module is searched.
///
/// # Safety
/// GIL.
#[cfg(all(Py_3_11, not(Py_3_12)))]
pub unsafe fn release(state: &State, pending: &Pending) {
    if pending.unread.get() {
        return;
    }
    // SAFETY: GIL by the caller. Nothing in the search runs Python code, so that the dict stays as it is.
    unsafe { search_dict(state, pending.globals, pending.globals, 0) };
}

/// How deep classes within classes are searched; deeper ones keep working, only slower.
#[cfg(all(Py_3_11, not(Py_3_12)))]
const MAX_DEPTH: u32 = 4;

#[cfg(all(Py_3_11, not(Py_3_12)))]
unsafe fn search_dict(state: &State, dict: Ptr, globals: Ptr, depth: u32) {
    let (mut position, mut value) = (0, std::ptr::null_mut());
    // SAFETY: GIL by the caller; the dict does not change meanwhile.
    unsafe {
        while ffi::PyDict_Next(dict, &mut position, std::ptr::null_mut(), &mut value) != 0 {
            search(state, value, globals, depth);
        }
    }
}

#[cfg(all(Py_3_11, not(Py_3_12)))]
unsafe fn search(state: &State, object: Ptr, globals: Ptr, depth: u32) {
    // SAFETY: GIL by the caller; the layouts are those of 3.11: a static or class method begins with its function, a property
    // with its three (`Objects/funcobject.c`, `Objects/descrobject.c`).
    unsafe {
        let field = |index: usize| *object.cast::<Ptr>().add(2 + index);
        let kind = ffi::Py_TYPE(object);
        if kind == &raw mut ffi::PyFunction_Type {
            let function = object.cast::<ffi::PyFunctionObject>();
            if (*function).func_globals == globals {
                consider(state, function);
            }
        } else if depth >= MAX_DEPTH {
        } else if ffi::PyType_Check(object) != 0 {
            let dict = (*object.cast::<ffi::PyTypeObject>()).tp_dict;
            if !dict.is_null() {
                search_dict(state, dict, globals, depth + 1);
            }
        } else if kind == &raw mut ffi::PyStaticMethod_Type
            || kind == &raw mut ffi::PyClassMethod_Type
        {
            if !field(0).is_null() {
                search(state, field(0), globals, depth + 1);
            }
        } else if kind == &raw mut ffi::PyProperty_Type {
            for part in (0..3).map(field).filter(|part| !part.is_null()) {
                search(state, part, globals, depth + 1);
            }
        }
    }
}

/// Before 3.11 the keys lie among the real builtins.
///
/// # Safety
/// None is needed.
#[cfg(not(Py_3_11))]
pub unsafe fn release(_: &State, _: &Pending) {}

/// A module's body is about to run, and has ended.
pub fn begins(pending: &Pending) {
    pending.running.set(pending.running.get() + 1);
}

/// See [`begins`].
///
/// # Safety
/// GIL.
#[cfg(Py_3_11)]
pub unsafe fn ends(state: &State, pending: &Rc<Pending>) {
    let running = pending.running.get().saturating_sub(1);
    pending.running.set(running);
    // SAFETY: GIL by the caller.
    unsafe {
        if pending.stores.get() > 0 {
            super::store::expect_none(pending);
        }
        if running > 0 {
            return;
        }
        pending.complete.set(true);
        pending.code.replace(None);
        #[cfg(Py_3_12)]
        super::tripwire::settle(state, pending, false);
        release(state, pending);
        if pending.is_empty() {
            super::mirror::detach(state, pending.globals);
            drop(state.table.remove(pending.globals));
        }
    }
}
