//! Catches the stores of a lazy statement.
//!
//! From its IMPORT_NAME until its last store the type of the module's dict is a subclass with an assignment of its own, which STORE_NAME
//! obeys. It looks like a dict and reads like one, so that another thread may use it meanwhile.

use super::pending::Pending;
use super::state::{self, State};
use super::{Ptr, key, mirror, reference, types};
use pyo3_ffi as ffi;
use std::ffi::c_int;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

static TYPE: AtomicPtr<ffi::PyTypeObject> = AtomicPtr::new(ptr::null_mut());

/// Makes the type.
///
/// # Safety
/// GIL; called once.
pub unsafe fn initialise() -> bool {
    // SAFETY: GIL by the caller; PyDict_Type is ready, and its mapping functions are copied but for one.
    unsafe {
        let mapping = Box::leak(Box::new(ptr::read(ffi::PyDict_Type.tp_as_mapping)));
        mapping.mp_ass_subscript = Some(assign);
        let kind = types::new(c"dict", 0);
        kind.tp_base = &raw mut ffi::PyDict_Type;
        kind.tp_basicsize = ffi::PyDict_Type.tp_basicsize;
        kind.tp_as_mapping = mapping;
        TYPE.store(kind, Ordering::Relaxed);
        types::ready(kind)
    }
}

/// Catches the next stores into a module's dict.
///
/// # Safety
/// GIL; the running frame is the module's and is about to store this many references.
pub unsafe fn expect(pending: &Pending, stores: usize) {
    pending.stores.set(stores);
    // SAFETY: the subclass has the layout of a dict.
    unsafe { (*pending.globals).ob_type = TYPE.load(Ordering::Relaxed) };
}

/// Gives a dict its own type back, whatever was still expected.
///
/// # Safety
/// GIL.
pub unsafe fn expect_none(pending: &Pending) {
    pending.stores.set(0);
    // SAFETY: the dict was one before `expect`.
    unsafe { (*pending.globals).ob_type = &raw mut ffi::PyDict_Type };
}

unsafe extern "C" fn assign(dict: Ptr, name: Ptr, value: Ptr) -> c_int {
    // SAFETY: called by CPython with live objects, for a dict whose type `expect` has flipped.
    unsafe {
        let state = state::installed();
        let ours = !value.is_null() && reference::is(value) && ffi::PyUnicode_CheckExact(name) != 0;
        let pending = state.table.find(dict).filter(|_| ours);
        let Some(pending) = pending else {
            // Some other store, of another thread perhaps.
            return if value.is_null() {
                ffi::PyDict_DelItem(dict, name)
            } else {
                ffi::PyDict_SetItem(dict, name, value)
            };
        };
        let left = pending.stores.get().saturating_sub(1);
        pending.stores.set(left);
        if left == 0 {
            expect_none(&pending);
        }
        if hold(state, &pending, name, value) { 0 } else { -1 }
    }
}

/// Makes a name pending.
///
/// # Safety
/// GIL; `reference` is one.
unsafe fn hold(state: &State, pending: &Pending, name: Ptr, reference: Ptr) -> bool {
    // SAFETY: GIL by the caller.
    unsafe {
        if !key::ensure(state, name)
            || !pending.attached.get() && !mirror::attach(state, pending.globals)
            || ffi::PyDict_SetItem(pending.names.as_ptr(), name, reference) < 0
        {
            return false;
        }
        pending.attached.set(true);
        // What the name stood for before is gone, as an import would have replaced it.
        match ffi::PyDict_Contains(pending.globals, name) {
            0 => true,
            1 => ffi::PyDict_DelItem(pending.globals, name) == 0,
            _ => false,
        }
    }
}
