//! Programs that ask the collector for objects are shown the preloaded ones as well.
//!
//! What `gc.freeze` has put aside is overlooked by `gc.get_objects` and `gc.get_referrers` (on which `trace`, leak finders and the like
//! rely) and counted by `gc.get_freeze_count`. A collection must leave it alone, as it would touch every page of the image; a program that
//! asks these questions is about to look at every object anyway. So the first such question takes back our freeze. The functions stay the
//! very objects that they are: only the C functions behind them are others.

use crate::object::Object;
use crate::still::Shared;
use pyo3_ffi as ffi;
use std::ffi::{CStr, c_int};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

type NoArguments =
    unsafe extern "C" fn(*mut ffi::PyObject, *mut ffi::PyObject) -> *mut ffi::PyObject;

/// Whether what is frozen is what we have frozen, and nobody has asked for it yet.
static OURS: AtomicBool = AtomicBool::new(false);

/// CPython's own functions.
static ORIGINALS: Shared<Option<Originals>> = Shared::new(None);

#[derive(Clone, Copy)]
struct Originals {
    get_objects: ffi::PyCFunctionFastWithKeywords,
    get_referrers: GetReferrers,
    get_freeze_count: NoArguments,
    freeze: NoArguments,
    unfreeze: NoArguments,
}

#[cfg(not(Py_3_13))]
type GetReferrers = NoArguments;
#[cfg(not(Py_3_13))]
const GET_REFERRERS_FLAGS: c_int = ffi::METH_VARARGS;

#[cfg(Py_3_13)]
type GetReferrers = ffi::PyCFunctionFast;
#[cfg(Py_3_13)]
const GET_REFERRERS_FLAGS: c_int = ffi::METH_FASTCALL;

/// Freezes all objects, and stands in front of gc's functions from here on. A CPython whose functions are called in another way than
/// those that this was written for keeps them as they are.
///
/// # Safety
/// GIL; `gc` is that module; called once.
pub unsafe fn freeze(gc: &Object) {
    // SAFETY: GIL by the caller. A definition is written to by nobody else; which member of its union holds is what its flags say.
    unsafe {
        drop(gc.attribute(c"freeze").and_then(|freeze| freeze.call()));
        let fast_keywords = ffi::METH_FASTCALL | ffi::METH_KEYWORDS;
        let (Some(objects), Some(referrers), Some(count), Some(freeze), Some(unfreeze)) = (
            definition(gc, c"get_objects", fast_keywords),
            definition(gc, c"get_referrers", GET_REFERRERS_FLAGS),
            definition(gc, c"get_freeze_count", ffi::METH_NOARGS),
            definition(gc, c"freeze", ffi::METH_NOARGS),
            definition(gc, c"unfreeze", ffi::METH_NOARGS),
        ) else {
            return;
        };
        ORIGINALS.get().write(Some(Originals {
            get_objects: (*objects).ml_meth.PyCFunctionFastWithKeywords,
            #[cfg(not(Py_3_13))]
            get_referrers: (*referrers).ml_meth.PyCFunction,
            #[cfg(Py_3_13)]
            get_referrers: (*referrers).ml_meth.PyCFunctionFast,
            get_freeze_count: (*count).ml_meth.PyCFunction,
            freeze: (*freeze).ml_meth.PyCFunction,
            unfreeze: (*unfreeze).ml_meth.PyCFunction,
        }));
        OURS.store(true, Relaxed);
        (*objects).ml_meth.PyCFunctionFastWithKeywords = get_objects;
        #[cfg(not(Py_3_13))]
        ((*referrers).ml_meth.PyCFunction = get_referrers);
        #[cfg(Py_3_13)]
        ((*referrers).ml_meth.PyCFunctionFast = get_referrers);
        (*count).ml_meth.PyCFunction = get_freeze_count;
        (*freeze).ml_meth.PyCFunction = program_freezes;
        (*unfreeze).ml_meth.PyCFunction = program_unfreezes;
    }
}

/// The program ends: what is frozen stays so from here on.
pub fn keep() {
    OURS.store(false, Relaxed);
}

/// The definition of a function of C, if it is called in the way that `flags` says.
///
/// # Safety
/// GIL.
unsafe fn definition(module: &Object, name: &CStr, flags: c_int) -> Option<*mut ffi::PyMethodDef> {
    // SAFETY: GIL by the caller; the type has been checked, and definitions live as long as the interpreter.
    unsafe {
        let function = module.attribute(name)?;
        if ffi::PyCFunction_CheckExact(function.as_ptr()) == 0 {
            return None;
        }
        let definition = (*function.as_ptr().cast::<ffi::PyCFunctionObject>()).m_ml;
        ((*definition).ml_flags == flags).then_some(definition)
    }
}

/// CPython's functions; nothing of ours is called before they have been noted.
fn originals() -> Option<Originals> {
    // SAFETY: written once, before the functions of this module could be called.
    unsafe { *ORIGINALS.get() }
}

/// Takes back our freeze, once.
///
/// # Safety
/// GIL.
unsafe fn show(originals: &Originals, module: *mut ffi::PyObject) {
    if OURS.swap(false, Relaxed) {
        // SAFETY: GIL by the caller; the function ignores its second argument.
        drop(unsafe { Object::owned((originals.unfreeze)(module, ptr::null_mut())) });
    }
}

unsafe extern "C" fn get_objects(
    module: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let Some(originals) = originals() else { return ptr::null_mut() };
    // SAFETY: GIL: called by CPython, with what the original takes.
    unsafe {
        show(&originals, module);
        (originals.get_objects)(module, arguments, count, names)
    }
}

#[cfg(not(Py_3_13))]
unsafe extern "C" fn get_referrers(
    module: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let Some(originals) = originals() else { return ptr::null_mut() };
    // SAFETY: as in `get_objects`.
    unsafe {
        show(&originals, module);
        (originals.get_referrers)(module, arguments)
    }
}

#[cfg(Py_3_13)]
unsafe extern "C" fn get_referrers(
    module: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
) -> *mut ffi::PyObject {
    let Some(originals) = originals() else { return ptr::null_mut() };
    // SAFETY: as in `get_objects`.
    unsafe {
        show(&originals, module);
        (originals.get_referrers)(module, arguments, count)
    }
}

unsafe extern "C" fn get_freeze_count(
    module: *mut ffi::PyObject,
    nothing: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let Some(originals) = originals() else { return ptr::null_mut() };
    // SAFETY: as in `get_objects`.
    unsafe {
        show(&originals, module);
        (originals.get_freeze_count)(module, nothing)
    }
}

/// From here on what is frozen is what the program wanted so.
unsafe extern "C" fn program_freezes(
    module: *mut ffi::PyObject,
    nothing: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let Some(originals) = originals() else { return ptr::null_mut() };
    keep();
    // SAFETY: as in `get_objects`.
    unsafe { (originals.freeze)(module, nothing) }
}

unsafe extern "C" fn program_unfreezes(
    module: *mut ffi::PyObject,
    nothing: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let Some(originals) = originals() else { return ptr::null_mut() };
    keep();
    // SAFETY: as in `get_objects`.
    unsafe { (originals.unfreeze)(module, nothing) }
}
