//! The functions of `gc` that tell which objects the collector holds.
//!
//! Preloaded objects are frozen (`gc.freeze`), so that a collection does not touch every page of the image. A program that asks for
//! objects, referrers or the count of frozen objects would see the difference: its first such call brings the preloaded objects back, for
//! good, and it sees what plain Python shows.
//!
//! The method definitions of the interpreter are changed, not the functions: `gc` is a module that can be made afresh, and functions that
//! somebody has taken from it already have to answer alike.

use crate::method::{self, OfTwo};
use crate::object;
use pyo3_ffi as ffi;
use std::ffi::{CStr, c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

type Pointer = *mut ffi::PyObject;
/// `METH_VARARGS | METH_KEYWORDS` and `METH_FASTCALL`.
type OfThree = unsafe extern "C" fn(Pointer, *mut c_void, *mut c_void) -> Pointer;
/// `METH_FASTCALL | METH_KEYWORDS`.
type OfFour = unsafe extern "C" fn(Pointer, *mut c_void, isize, Pointer) -> Pointer;

const UNFREEZE: usize = 0;
const NAMES: [&CStr; 5] =
    [c"unfreeze", c"freeze", c"get_freeze_count", c"get_objects", c"get_referrers"];

/// CPython's own functions, as [`NAMES`].
static ORIGINALS: [AtomicPtr<c_void>; NAMES.len()] =
    [const { AtomicPtr::new(ptr::null_mut()) }; NAMES.len()];

/// Whether preloaded objects are out of the collector's sight and nobody has asked for them.
static HIDDEN: AtomicBool = AtomicBool::new(false);

/// Freezes all objects; the program's first question brings them back. What is hidden already stays so.
///
/// # Safety
/// GIL.
pub unsafe fn hide() {
    // SAFETY: GIL by the caller. `gc` is built in, so importing it only adds its name to sys.modules; it is taken out again if it was not
    // there.
    unsafe {
        let present = object::loaded_module(c"gc").is_some();
        if let Some(gc) = object::import(c"gc") {
            without_showing(|| drop(gc.attribute(c"freeze").and_then(|freeze| freeze.call())));
            for (index, name) in NAMES.iter().enumerate() {
                if let Some(function) = gc.attribute(name) {
                    intercept(index, function.as_ptr());
                }
            }
            HIDDEN.store(!ORIGINALS[UNFREEZE].load(Ordering::Relaxed).is_null(), Ordering::Relaxed);
        }
        if !present {
            ffi::PyDict_DelItemString(ffi::PyImport_GetModuleDict(), c"gc".as_ptr());
        }
        ffi::PyErr_Clear();
    }
}

/// Calls `ask`, which may use the functions of `gc`, and leaves hidden what is hidden.
pub fn without_showing<T>(ask: impl FnOnce() -> T) -> T {
    let hidden = HIDDEN.swap(false, Ordering::Relaxed);
    let answer = ask();
    HIDDEN.store(hidden, Ordering::Relaxed);
    answer
}

/// Puts ours before CPython's in a function's method definition.
///
/// # Safety
/// GIL; `function` is an attribute of `gc`.
unsafe fn intercept(index: usize, function: Pointer) {
    // SAFETY: a built-in function points at its definition, which in gcmodule.c is a writable static table; the GIL is held, so nobody
    // calls it meanwhile. Which of the shapes it has is said by its flags.
    unsafe {
        let Some(definition) = method::definition(function) else { return };
        if !ORIGINALS[index].load(Ordering::Relaxed).is_null() {
            // Ours are there already.
            return;
        }
        const WITH_KEYWORDS: c_int = ffi::METH_VARARGS | ffi::METH_KEYWORDS;
        const FAST_WITH_KEYWORDS: c_int = ffi::METH_FASTCALL | ffi::METH_KEYWORDS;
        let ours = match (*definition).ml_flags {
            ffi::METH_NOARGS | ffi::METH_O | ffi::METH_VARARGS => OF_TWO[index] as *mut c_void,
            WITH_KEYWORDS | ffi::METH_FASTCALL => OF_THREE[index] as *mut c_void,
            FAST_WITH_KEYWORDS => OF_FOUR[index] as *mut c_void,
            _ => return,
        };
        ORIGINALS[index].store(method::exchange(definition, ours), Ordering::Relaxed);
    }
}

const OF_TWO: [OfTwo; NAMES.len()] = [two::<0>, two::<1>, two::<2>, two::<3>, two::<4>];
const OF_THREE: [OfThree; NAMES.len()] =
    [three::<0>, three::<1>, three::<2>, three::<3>, three::<4>];
const OF_FOUR: [OfFour; NAMES.len()] = [four::<0>, four::<1>, four::<2>, four::<3>, four::<4>];

unsafe extern "C" fn two<const INDEX: usize>(module: Pointer, a: Pointer) -> Pointer {
    // SAFETY: the original has this shape by its flags, and is called as CPython called ours.
    unsafe { std::mem::transmute::<*mut c_void, OfTwo>(original(INDEX, module))(module, a) }
}

unsafe extern "C" fn three<const INDEX: usize>(
    module: Pointer,
    a: *mut c_void,
    b: *mut c_void,
) -> Pointer {
    // SAFETY: as in `two`.
    unsafe { std::mem::transmute::<*mut c_void, OfThree>(original(INDEX, module))(module, a, b) }
}

unsafe extern "C" fn four<const INDEX: usize>(
    module: Pointer,
    arguments: *mut c_void,
    count: isize,
    names: Pointer,
) -> Pointer {
    // SAFETY: as in `two`.
    unsafe {
        let original = std::mem::transmute::<*mut c_void, OfFour>(original(INDEX, module));
        original(module, arguments, count, names)
    }
}

/// CPython's function, after preloaded objects are in sight.
///
/// # Safety
/// GIL; called by CPython with the module `gc`.
unsafe fn original(index: usize, module: Pointer) -> *mut c_void {
    if HIDDEN.swap(false, Ordering::Relaxed) {
        let unfreeze = ORIGINALS[UNFREEZE].load(Ordering::Relaxed);
        // SAFETY: `gc.unfreeze` is METH_NOARGS in every CPython there is, called as CPython does; it gives None.
        unsafe {
            let unfreeze = std::mem::transmute::<*mut c_void, OfTwo>(unfreeze);
            ffi::Py_XDECREF(unfreeze(module, ptr::null_mut()));
        }
    }
    ORIGINALS[index].load(Ordering::Relaxed)
}
