//! Listeners in front of built-in functions, while imports are recorded.
//!
//! A listener that took a function's place in its module would be what imports take from there and keep. So it is called in place of the C
//! function behind it, and calls its twin: a function object of our own with the original C function.

use crate::method::{self, OfTwo};
use crate::object;
use pyo3_ffi as ffi;
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};

type Pointer = *mut ffi::PyObject;

/// A function that is listened to.
struct Place {
    definition: AtomicPtr<ffi::PyMethodDef>,
    original: AtomicPtr<c_void>,
    listener: AtomicPtr<ffi::PyObject>,
}

/// More than there are functions to listen to.
const PLACES: usize = 16;

static LISTENED: [Place; PLACES] = [const {
    Place {
        definition: AtomicPtr::new(ptr::null_mut()),
        original: AtomicPtr::new(ptr::null_mut()),
        listener: AtomicPtr::new(ptr::null_mut()),
    }
}; PLACES];

const STANDINS: [OfTwo; PLACES] = [
    standin::<0>,
    standin::<1>,
    standin::<2>,
    standin::<3>,
    standin::<4>,
    standin::<5>,
    standin::<6>,
    standin::<7>,
    standin::<8>,
    standin::<9>,
    standin::<10>,
    standin::<11>,
    standin::<12>,
    standin::<13>,
    standin::<14>,
    standin::<15>,
];

/// `twin(function)`: another function object with the same C function; `None` where that is called in a way that cannot be listened to.
pub unsafe extern "C" fn twin(_: Pointer, arguments: Pointer) -> Pointer {
    // SAFETY: GIL: called by CPython with a tuple. The copied definition is leaked, so that it outlives the function.
    unsafe {
        let function = ffi::PyTuple_GetItem(arguments, 0);
        if function.is_null() {
            return ptr::null_mut();
        }
        let Some(definition) = method::definition(function).filter(|found| is_of_two(*found))
        else {
            return object::none().into_ptr();
        };
        let copy = Box::leak(Box::new(ptr::read(definition)));
        ffi::PyCFunction_NewEx(copy, ffi::PyCFunction_GetSelf(function), ptr::null_mut())
    }
}

/// `listen(function, listener)`: calls of the function, which has a twin, become calls of the listener; `None` ends that.
pub unsafe extern "C" fn listen(_: Pointer, arguments: Pointer) -> Pointer {
    // SAFETY: GIL: called by CPython with a tuple; nobody calls the function while its definition is written.
    unsafe {
        let function = ffi::PyTuple_GetItem(arguments, 0);
        let listener = ffi::PyTuple_GetItem(arguments, 1);
        if function.is_null() || listener.is_null() {
            return ptr::null_mut();
        }
        if let Some(definition) = method::definition(function) {
            if listener == ffi::Py_None() {
                end(definition);
            } else {
                begin(definition, listener);
            }
        }
        object::none().into_ptr()
    }
}

/// # Safety
/// The definition is CPython's.
unsafe fn is_of_two(definition: *mut ffi::PyMethodDef) -> bool {
    // SAFETY: by the caller.
    let flags = unsafe { (*definition).ml_flags };
    matches!(flags, ffi::METH_NOARGS | ffi::METH_O | ffi::METH_VARARGS)
}

/// # Safety
/// GIL; the definition is CPython's, of a function that has a twin.
unsafe fn begin(definition: *mut ffi::PyMethodDef, listener: Pointer) {
    let free = LISTENED.iter().zip(STANDINS).find(|(p, _)| p.definition.load(Relaxed).is_null());
    let Some((place, standin)) = free else { return };
    // SAFETY: by the caller, who has a twin only of functions that are called as ours is.
    unsafe {
        ffi::Py_INCREF(listener);
        place.definition.store(definition, Relaxed);
        place.listener.store(listener, Relaxed);
        place.original.store(method::exchange(definition, standin as *mut c_void), Relaxed);
    }
}

/// # Safety
/// GIL.
unsafe fn end(definition: *mut ffi::PyMethodDef) {
    let listened = LISTENED.iter().find(|place| place.definition.load(Relaxed) == definition);
    if let Some(place) = listened {
        let original = place.original.swap(ptr::null_mut(), Relaxed);
        place.definition.store(ptr::null_mut(), Relaxed);
        // SAFETY: `begin` took this function from the same definition, and the reference.
        unsafe {
            method::exchange(definition, original);
            ffi::Py_DECREF(place.listener.swap(ptr::null_mut(), Relaxed));
        }
    }
}

unsafe extern "C" fn standin<const INDEX: usize>(_: Pointer, given: Pointer) -> Pointer {
    let place = &LISTENED[INDEX];
    let (definition, listener) = (place.definition.load(Relaxed), place.listener.load(Relaxed));
    // SAFETY: GIL: called by CPython by way of the definition, whose flags say what is given; the listener may end the listening.
    unsafe {
        ffi::Py_INCREF(listener);
        let result = match (*definition).ml_flags {
            ffi::METH_NOARGS => ffi::PyObject_CallNoArgs(listener),
            ffi::METH_VARARGS => ffi::PyObject_CallObject(listener, given),
            _ => ffi::PyObject_CallOneArg(listener, given),
        };
        ffi::Py_DECREF(listener);
        result
    }
}
