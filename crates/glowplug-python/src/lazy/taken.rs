//! Submodules that `from package import name` would have left in the package, had it been eager: whoever looks them up there finds them.

use super::presence::Presence;
use super::state::{self, State};
use super::{Ptr, concerned, errors};
use crate::object::Object;
use pyo3_ffi as ffi;
use std::ptr;

/// Notes that a statement at `place` takes a name from a module that may be a package.
///
/// # Safety
/// GIL; `name` is a str and `full` its absolute name, should it be a submodule.
pub unsafe fn note(state: &State, name: Ptr, full: &Object, place: &Object) {
    // SAFETY: by the caller.
    unsafe {
        concerned::add(name);
        if ffi::PyDict_SetItem(state.taken, full.as_ptr(), place.as_ptr()) < 0 {
            ffi::PyErr_Clear();
        }
    }
}

/// Imports the submodule of a name that a module does not have, if a lazy statement takes it from there. An AttributeError is set, and stays
/// so where there is none. `Some` is what the lookup finds; another exception may be set otherwise.
///
/// # Safety
/// GIL; `dict` is the module's.
pub unsafe fn load(state: &State, module: Ptr, dict: Ptr, name: Ptr) -> Option<Object> {
    // SAFETY: GIL by the caller; what is borrowed is kept before anything is imported.
    unsafe {
        let raised = errors::Raised::take();
        let Some((full, place)) = submodule(state, dict, name) else {
            ffi::PyErr_Clear();
            raised.restore();
            return None;
        };
        if !import(state, &full) {
            if is_missing(&full) {
                ffi::PyErr_Clear();
                forget(state, &full);
                raised.restore();
            } else {
                errors::show_place(&place, full.as_ptr());
                raised.forget();
            }
            return None;
        }
        raised.forget();
        let bound = Object::borrowed(ffi::PyDict_GetItemWithError(dict, name));
        let found = bound.or_else(|| bind(state, module, name, &full))?;
        if ffi::PyDict_Contains(dict, name) == 1 {
            forget(state, &full);
            ffi::PySet_Discard(state.lazy_modules, full.as_ptr());
        }
        Some(found)
    }
}

/// Imports a submodule, and waits where another thread is at it. `false`: an exception is set.
unsafe fn import(state: &State, full: &Object) -> bool {
    // SAFETY: GIL by the caller.
    unsafe {
        let none = ffi::Py_None();
        state.taking.borrow_mut().push((state::thread(), full.again()));
        super::import::watch_finders(state);
        let module =
            ffi::PyImport_ImportModuleLevelObject(full.as_ptr(), ptr::null_mut(), none, none, 0);
        let at = position_here(state, full);
        let done = at.map(|at| state.taking.borrow_mut().remove(at));
        drop(done);
        Object::owned(module).is_some()
    }
}

/// Where it is noted that this very thread imports a submodule.
unsafe fn position_here(state: &State, full: &Object) -> Option<usize> {
    let here = state::thread();
    // SAFETY: GIL by the caller; both are str, whose comparison runs no other code.
    state.taking.borrow().iter().position(|(thread, name)| unsafe {
        *thread == here && ffi::PyUnicode_Compare(name.as_ptr(), full.as_ptr()) == 0
    })
}

/// It is not asked for any more.
unsafe fn forget(state: &State, full: &Object) {
    // SAFETY: GIL by the caller; another thread may have been quicker.
    unsafe {
        if ffi::PyDict_Contains(state.taken, full.as_ptr()) == 1 {
            ffi::PyDict_DelItem(state.taken, full.as_ptr());
        }
    }
}

/// The absolute name of such a submodule, and where the statement stands.
unsafe fn submodule(state: &State, dict: Ptr, name: Ptr) -> Option<(Object, Object)> {
    // SAFETY: GIL by the caller; what is borrowed is kept at once.
    unsafe {
        let parent = ffi::PyDict_GetItemWithError(dict, state.names.name);
        if parent.is_null()
            || ffi::PyUnicode_Check(parent) == 0
            || ffi::PyDict_Contains(dict, state.names.path) != 1
        {
            return None;
        }
        let full = Object::owned(ffi::PyUnicode_FromFormat(c"%U.%U".as_ptr(), parent, name))?;
        let place = ffi::PyDict_GetItemWithError(state.taken, full.as_ptr());
        let place = Object::borrowed(place)?;
        // Eagerly the statement would not have come to the submodule yet.
        let begins = Presence::of(state, parent) == Presence::Unfinished;
        let is_at_it = position_here(state, &full).is_some();
        (!begins && !is_at_it).then_some((full, place))
    }
}

/// Gives a package a submodule that was loaded before, and not left in it. One whose body has not ended is only handed out.
unsafe fn bind(state: &State, module: Ptr, name: Ptr, full: &Object) -> Option<Object> {
    // SAFETY: GIL by the caller.
    unsafe {
        let modules = ffi::PyImport_GetModuleDict();
        let found = Object::borrowed(ffi::PyDict_GetItemWithError(modules, full.as_ptr()));
        let Some(found) = found else {
            ffi::PyErr_SetObject(ffi::PyExc_AttributeError, name);
            return None;
        };
        let waits = Presence::of(state, full.as_ptr()) == Presence::Unfinished;
        (waits || ffi::PyObject_SetAttr(module, name, found.as_ptr()) == 0).then_some(found)
    }
}

/// Whether the exception says that there is no module of this very name.
unsafe fn is_missing(full: &Object) -> bool {
    // SAFETY: GIL by the caller; the exception is set again as it was.
    unsafe {
        if ffi::PyErr_ExceptionMatches(ffi::PyExc_ModuleNotFoundError) == 0 {
            return false;
        }
        let raised = errors::Raised::take();
        let named = raised.attribute(c"name");
        raised.restore();
        named.is_some_and(|named| {
            ffi::PyUnicode_Check(named.as_ptr()) != 0
                && ffi::PyUnicode_Compare(named.as_ptr(), full.as_ptr()) == 0
        })
    }
}
