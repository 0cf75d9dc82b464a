//! Functions that the embedded Python code calls.

use crate::object::{self, Object};
use crate::{listening, population, watch};
use pyo3_ffi as ffi;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;

/// State of numpy's MT19937, as `mt19937_state` in numpy/random/src/mt19937.h: 624 words and the place of the next.
const MT19937_WORDS: usize = 624;

type Method = unsafe extern "C" fn(*mut ffi::PyObject, *mut ffi::PyObject) -> *mut ffi::PyObject;

/// The functions, by name.
///
/// # Safety
/// GIL.
pub unsafe fn functions() -> Object {
    // SAFETY: GIL by the caller; the method definitions are leaked, so they outlive the functions.
    unsafe {
        let table = object::dict();
        let methods: [(&CStr, Method); 12] = [
            (c"recorder_flags", recorder_flags),
            (c"population", population),
            (c"flush_c", flush_c),
            (c"refill_mt19937", refill_mt19937),
            (c"is_finalizing", is_finalizing),
            (c"recorder_module", recorder_module),
            (c"mt19937_state", mt19937_state),
            (c"watch_begin", watch::begin),
            (c"watch_end", watch::end),
            (c"watch_own", watch::own),
            (c"twin", listening::twin),
            (c"listen", listening::listen),
        ];
        for (name, method) in methods {
            let definition = Box::leak(Box::new(ffi::PyMethodDef {
                ml_name: name.as_ptr(),
                ml_meth: ffi::PyMethodDefPointer { PyCFunction: method },
                ml_flags: ffi::METH_VARARGS,
                ml_doc: ptr::null(),
            }));
            let function = ffi::PyCFunction_NewEx(definition, ptr::null_mut(), ptr::null_mut());
            if let Some(function) = Object::owned(function) {
                table.set_entry(name, &function);
            }
        }
        table
    }
}

/// A function of the recorder's, which lies in front of libc.
///
/// # Safety
/// The caller casts to the function's true type.
unsafe fn recorder(name: &CStr) -> *mut c_void {
    // SAFETY: dlsym only looks the name up.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }
}

/// Ends recording and unmaps the record.
pub fn stop_recorder() {
    // SAFETY: the recorder exports `void glowplug_recorder_stop(void)`.
    unsafe {
        let stop = recorder(c"glowplug_recorder_stop");
        if !stop.is_null() {
            std::mem::transmute::<*mut c_void, unsafe extern "C" fn()>(stop)();
        }
    }
}

/// Begins recording anew, in a memory file.
pub fn record_again(file: c_int) {
    // SAFETY: the recorder exports `void glowplug_recorder_again(int)`; a fork of a template has one thread and does not record.
    unsafe {
        let again = recorder(c"glowplug_recorder_again");
        if !again.is_null() {
            std::mem::transmute::<*mut c_void, unsafe extern "C" fn(c_int)>(again)(file);
        }
    }
}

/// Has `callback` called with a word, before the process binds or connects a socket.
pub fn call_at_sockets(callback: unsafe extern "C" fn(*const c_char)) {
    // SAFETY: the recorder exports `void glowplug_recorder_at_sockets(void (*)(const char *))`.
    unsafe {
        let set = recorder(c"glowplug_recorder_at_sockets");
        if !set.is_null() {
            type Set = unsafe extern "C" fn(unsafe extern "C" fn(*const c_char));
            std::mem::transmute::<*mut c_void, Set>(set)(callback);
        }
    }
}

/// Starts the threads that the recorder has held back, in a thawed process.
pub fn start_held_threads() {
    // SAFETY: the recorder exports `int glowplug_recorder_start_threads(void)`; a thawed process calls it once.
    unsafe {
        let start = recorder(c"glowplug_recorder_start_threads");
        if !start.is_null() {
            std::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> c_int>(start)();
        }
    }
}

/// `recorder_flags(set, clear)`.
unsafe extern "C" fn recorder_flags(
    _: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: called by CPython with a tuple.
    unsafe {
        let argument = |i| ffi::PyLong_AsUnsignedLongLong(ffi::PyTuple_GetItem(arguments, i));
        let (set, clear) = (argument(0), argument(1));
        if !ffi::PyErr_Occurred().is_null() {
            return ptr::null_mut();
        }
        change_recorder_flags(set, clear);
        object::none().into_ptr()
    }
}

/// The recorder's flag that the import system's finder is listing.
pub const FINDER_LISTS: u64 = 1;

/// Sets and clears flags of the recorder, in this order.
pub fn change_recorder_flags(set: u64, clear: u64) {
    // SAFETY: the recorder exports `void glowplug_recorder_flags(uint64_t, uint64_t)`.
    unsafe {
        let flags = recorder(c"glowplug_recorder_flags");
        if !flags.is_null() {
            std::mem::transmute::<*mut c_void, unsafe extern "C" fn(u64, u64)>(flags)(set, clear);
        }
    }
}

/// `recorder_module(name)`: what happens from here on is the doing of this module; an empty name for none.
unsafe extern "C" fn recorder_module(
    _: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: called by CPython with a tuple; the recorder exports `void glowplug_recorder_module(const char *)`.
    unsafe {
        let name = Object::borrowed(ffi::PyTuple_GetItem(arguments, 0));
        let Some(name) = name.and_then(|name| name.to_bytes()) else { return ptr::null_mut() };
        let Ok(name) = CString::new(name) else { return object::none().into_ptr() };
        let tell = recorder(c"glowplug_recorder_module");
        if !tell.is_null() {
            let tell =
                std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*const c_char)>(tell);
            tell(name.as_ptr());
        }
        object::none().into_ptr()
    }
}

/// `population(closely)`: how many descriptors, threads, child processes and, if one looks closely, shared writable mappings the process
/// has, by system calls that the recorder does not see.
unsafe extern "C" fn population(
    _: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: GIL: called by CPython with a tuple.
    unsafe {
        let closely = ffi::PyTuple_GetItem(arguments, 0);
        if closely.is_null() {
            return ptr::null_mut();
        }
        let counts = population::count(ffi::PyObject_IsTrue(closely) == 1);
        let list = object::list(counts.map(|count| object::integer(count)));
        ffi::PyList_AsTuple(list.as_ptr())
    }
}

/// `flush_c()`: writes out what C code has printed.
unsafe extern "C" fn flush_c(_: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: GIL: called by CPython; NULL stands for all streams.
    unsafe {
        libc::fflush(ptr::null_mut());
        object::none().into_ptr()
    }
}

/// The state of the generator in a capsule of numpy's: its words, and behind them the place of the next. NULL with an exception set
/// where it is something else.
///
/// # Safety
/// GIL; the tuple's first entry is the capsule of an MT19937, as the legacy global generator is.
unsafe fn mt19937(arguments: *mut ffi::PyObject) -> *mut u32 {
    // SAFETY: a capsule of this name holds numpy's `bitgen_t`, whose first member points at the generator's state.
    unsafe {
        let capsule = ffi::PyTuple_GetItem(arguments, 0);
        let generator = ffi::PyCapsule_GetPointer(capsule, c"BitGenerator".as_ptr());
        if generator.is_null() {
            return ptr::null_mut();
        }
        generator.cast::<*mut u32>().read()
    }
}

/// `refill_mt19937(capsule)`: fresh entropy for numpy's global generator, in place.
///
/// Seeding through numpy's own function costs about 3 ms and 225 page faults after a thaw.
unsafe extern "C" fn refill_mt19937(
    _: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the caller passes the capsule of numpy's global generator.
    unsafe {
        let state = mt19937(arguments);
        if state.is_null() {
            return ptr::null_mut();
        }
        fill(state.cast(), MT19937_WORDS * 4);
        state.add(MT19937_WORDS).cast::<i32>().write(MT19937_WORDS as i32);
        object::none().into_ptr()
    }
}

/// `mt19937_state(capsule)`: the state of numpy's global generator, bytes to be compared.
unsafe extern "C" fn mt19937_state(
    _: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the caller passes the capsule of numpy's global generator.
    unsafe {
        let state = mt19937(arguments);
        if state.is_null() {
            return ptr::null_mut();
        }
        let words = std::slice::from_raw_parts(state.cast::<u8>(), (MT19937_WORDS + 1) * 4);
        object::bytes(words).into_ptr()
    }
}

/// `is_finalizing()`: takes the place of sys's function when the program ends.
unsafe extern "C" fn is_finalizing(
    _: *mut ffi::PyObject,
    _: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: GIL: called by CPython.
    unsafe { ffi::PyBool_FromLong(1) }
}

/// Fills memory from the kernel's generator, by the system call itself: the C library's wrapper keeps state in memory.
///
/// # Safety
/// `len` writable bytes are at `data`.
unsafe fn fill(data: *mut u8, len: usize) {
    let mut done = 0;
    while done < len {
        // SAFETY: by the caller; the kernel writes at most what is left.
        let got = unsafe { libc::syscall(libc::SYS_getrandom, data.add(done), len - done, 0) };
        done += usize::try_from(got).unwrap_or(0);
    }
}

/// Compiles and runs embedded Python code in a namespace.
///
/// # Safety
/// GIL; `namespace` is a dict.
pub unsafe fn run_code(code: &str, namespace: &Object) -> bool {
    let mut source = code.as_bytes().to_vec();
    source.push(0);
    // SAFETY: GIL by the caller; the source is NUL-terminated.
    unsafe {
        let start = ffi::Py_file_input;
        let text = source.as_ptr().cast::<c_char>();
        let flags = ptr::null_mut();
        Object::owned(ffi::Py_CompileStringExFlags(text, c"<glowplug>".as_ptr(), start, flags, -1))
            .and_then(|code| {
                let namespace = namespace.as_ptr();
                Object::owned(ffi::PyEval_EvalCode(code.as_ptr(), namespace, namespace))
            })
            .is_some()
    }
}
