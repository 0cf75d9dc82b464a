//! The module `glowplug.lazy._native`: what the Python side calls.

use super::events::Events;
use super::reference::{self, View};
use super::rules::Rules;
use super::state::{self, Mode, State};
use super::{Ptr, install, opcodes};
use crate::object::{self, Object};
use pyo3_ffi as ffi;
use std::ffi::{CStr, c_int};
use std::ptr;

type Function = unsafe extern "C" fn(Ptr, Ptr) -> Ptr;

const FUNCTIONS: [(&CStr, Function); 10] = [
    (c"install", install_with),
    (c"mode", mode),
    (c"set_mode", set_mode),
    (c"filter", filter),
    (c"set_filter", set_filter),
    (c"lazy_modules", lazy_modules),
    (c"pending", pending),
    (c"resolve", resolve),
    (c"opcodes", opcode_numbers),
    (c"opcodes_with_names", opcodes_with_names),
];

/// Makes the module.
///
/// # Safety
/// Called by CPython's importer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn PyInit__native() -> Ptr {
    let method = |(name, function): (&'static CStr, Function)| ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunction: function },
        ml_flags: ffi::METH_VARARGS,
        ml_doc: ptr::null(),
    };
    let end = ffi::PyMethodDef { ml_name: ptr::null(), ..ffi::PyMethodDef::zeroed() };
    let methods: Vec<_> = FUNCTIONS.into_iter().map(method).chain([end]).collect();
    let definition = Box::leak(Box::new(ffi::PyModuleDef {
        m_base: ffi::PyModuleDef_HEAD_INIT,
        m_name: c"_native".as_ptr(),
        m_doc: ptr::null(),
        m_size: -1,
        m_methods: methods.leak().as_mut_ptr(),
        m_slots: ptr::null_mut(),
        m_traverse: None,
        m_clear: None,
        m_free: None,
    }));
    // SAFETY: GIL by CPython; the definition is leaked, as the module needs it for ever.
    unsafe { ffi::PyModule_Create(definition) }
}

fn mode_of(text: &[u8]) -> Option<Mode> {
    match text {
        b"all" => Some(Mode::All),
        b"normal" => Some(Mode::Normal),
        _ => None,
    }
}

/// The installed mechanism, or RuntimeError.
unsafe fn state_or_error() -> Option<&'static State> {
    let state = state::get();
    if state.is_none() {
        let message = c"lazy imports are not installed; call glowplug.lazy.install() first";
        // SAFETY: GIL by the caller.
        unsafe { ffi::PyErr_SetString(ffi::PyExc_RuntimeError, message.as_ptr()) };
    }
    state
}

/// An argument, borrowed, or IndexError.
unsafe fn argument(arguments: Ptr, index: isize) -> Option<Object> {
    // SAFETY: GIL by the caller; CPython passes a tuple.
    unsafe { Object::borrowed(ffi::PyTuple_GetItem(arguments, index)) }
}

/// The strings of a list.
unsafe fn strings(list: &Object) -> Option<Vec<Vec<u8>>> {
    // SAFETY: GIL by the caller.
    unsafe {
        (0..ffi::PyList_Size(list.as_ptr()))
            .map(|i| Object::borrowed(ffi::PyList_GetItem(list.as_ptr(), i))?.to_bytes())
            .collect()
    }
}

fn give(object: Option<Object>) -> Ptr {
    object.map_or(ptr::null_mut(), Object::into_ptr)
}

/// `install(mode, eager_importers, lazy_modules, descriptor)`: None, or why imports stay eager.
unsafe extern "C" fn install_with(_: Ptr, arguments: Ptr) -> Ptr {
    // SAFETY: called by CPython.
    let done = || unsafe {
        let mode = mode_of(&argument(arguments, 0)?.to_bytes()?).unwrap_or(Mode::All);
        let rules =
            Rules::new(&strings(&argument(arguments, 1)?)?, &strings(&argument(arguments, 2)?)?);
        let descriptor = ffi::PyLong_AsLong(argument(arguments, 3)?.as_ptr());
        let events = Events::new(c_int::try_from(descriptor).ok().filter(|&d| d >= 0));
        match install::install(mode, rules, events) {
            Ok(_) => Some(object::none()),
            Err(unsupported) => Some(object::string(unsupported.reason().as_bytes())),
        }
    };
    give(done())
}

/// `mode()`.
unsafe extern "C" fn mode(_: Ptr, _: Ptr) -> Ptr {
    // SAFETY: called by CPython.
    unsafe {
        give(state_or_error().map(|state| {
            object::string(if state.mode.get() == Mode::All { b"all" } else { b"normal" })
        }))
    }
}

/// `set_mode(mode)`.
unsafe extern "C" fn set_mode(_: Ptr, arguments: Ptr) -> Ptr {
    // SAFETY: called by CPython.
    let done = || unsafe {
        let state = state_or_error()?;
        let mode = mode_of(&argument(arguments, 0)?.to_bytes()?)?;
        state.mode.set(mode);
        Some(object::none())
    };
    give(done())
}

/// `filter()`.
unsafe extern "C" fn filter(_: Ptr, _: Ptr) -> Ptr {
    // SAFETY: called by CPython.
    unsafe {
        give(state_or_error().and_then(|state| {
            let filter = state.filter.get();
            Object::borrowed(if filter.is_null() { ffi::Py_None() } else { filter })
        }))
    }
}

/// `set_filter(function)`.
unsafe extern "C" fn set_filter(_: Ptr, arguments: Ptr) -> Ptr {
    // SAFETY: called by CPython; the state owns the filter.
    let done = || unsafe {
        let state = state_or_error()?;
        let filter = argument(arguments, 0)?;
        let new =
            if filter.as_ptr() == ffi::Py_None() { ptr::null_mut() } else { filter.into_ptr() };
        drop(Object::owned(state.filter.replace(new)));
        Some(object::none())
    };
    give(done())
}

/// `lazy_modules()`: the set itself.
unsafe extern "C" fn lazy_modules(_: Ptr, _: Ptr) -> Ptr {
    // SAFETY: called by CPython.
    unsafe { give(state_or_error().and_then(|state| Object::borrowed(state.lazy_modules))) }
}

/// `pending(globals)`: a dict from pending names to what they stand for.
unsafe extern "C" fn pending(_: Ptr, arguments: Ptr) -> Ptr {
    // SAFETY: called by CPython.
    let done = || unsafe {
        let state = state_or_error()?;
        let globals = argument(arguments, 0)?;
        let result = object::dict();
        let Some(pending) = state.table.find(globals.as_ptr()) else { return Some(result) };
        let (mut position, mut name, mut value) = (0, ptr::null_mut(), ptr::null_mut());
        while ffi::PyDict_Next(pending.names.as_ptr(), &mut position, &mut name, &mut value) != 0 {
            if ffi::PyDict_Contains(globals.as_ptr(), name) != 0 {
                continue;
            }
            let reference = Object::borrowed(value)?;
            let view = View::of(&reference);
            let module = view.module();
            let shown = match view.taken() {
                None => Object::borrowed(module)?,
                Some(taken) => {
                    Object::owned(ffi::PyUnicode_FromFormat(c"%U.%U".as_ptr(), module, taken))?
                }
            };
            ffi::PyDict_SetItem(result.as_ptr(), name, shown.as_ptr());
        }
        Some(result)
    };
    give(done())
}

/// `resolve(globals, name)`: the object, or KeyError.
unsafe extern "C" fn resolve(_: Ptr, arguments: Ptr) -> Ptr {
    // SAFETY: called by CPython.
    let done = || unsafe {
        let state = state_or_error()?;
        let (globals, name) = (argument(arguments, 0)?, argument(arguments, 1)?);
        if ffi::PyDict_Check(globals.as_ptr()) == 0 {
            ffi::PyErr_SetString(ffi::PyExc_TypeError, c"a dict is needed".as_ptr());
            return None;
        }
        if let Some(found) =
            Object::borrowed(ffi::PyDict_GetItemWithError(globals.as_ptr(), name.as_ptr()))
        {
            return Some(found);
        }
        let found = reference::resolve_name(state, globals.as_ptr(), name.as_ptr()).ok()?;
        if found.is_none() {
            ffi::PyErr_SetObject(ffi::PyExc_KeyError, name.as_ptr());
        }
        found
    };
    give(done())
}

/// `opcodes()`: the numbers that this library was built with, by name.
unsafe extern "C" fn opcode_numbers(_: Ptr, _: Ptr) -> Ptr {
    // SAFETY: called by CPython.
    unsafe {
        let table = object::dict();
        for (name, number) in opcodes::ALL {
            table.set_entry(name, &object::integer(number.into()));
        }
        table.into_ptr()
    }
}

/// `opcodes_with_names()`: those beside LOAD_GLOBAL that this library knows to work with a name; none before 3.12.
unsafe extern "C" fn opcodes_with_names(_: Ptr, _: Ptr) -> Ptr {
    // SAFETY: called by CPython.
    unsafe {
        let table = object::dict();
        for (name, number, _) in opcodes::NAMED {
            table.set_entry(name, &object::integer(number.into()));
        }
        table.into_ptr()
    }
}
