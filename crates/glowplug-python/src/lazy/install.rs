//! Puts the mechanism into an interpreter, or says why it cannot go there.

use super::events::Events;
use super::rules::Rules;
use super::state::{self, Mode, State};
use super::{execution, import, key, listing, mirror, modules, reference, store};
use crate::object::{self, Object};
use pyo3_ffi as ffi;

/// Why imports stay eager in this interpreter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsupported {
    /// Not CPython, or another minor than this library was built for.
    Version,
    /// A build without a GIL.
    FreeThreaded,
    /// A subinterpreter.
    Subinterpreter,
    /// CPython did not accept one of the parts.
    Refused,
}

impl Unsupported {
    /// The reason as a half-sentence.
    pub fn reason(self) -> &'static str {
        match self {
            Unsupported::Version => "this Python is of another version than the extension",
            Unsupported::FreeThreaded => "free-threaded builds are not supported",
            Unsupported::Subinterpreter => "subinterpreters are not supported",
            Unsupported::Refused => "the interpreter did not accept the hooks",
        }
    }
}

/// Installs, or changes the settings of what is installed.
///
/// # Safety
/// GIL.
pub unsafe fn install(
    mode: Mode,
    rules: Rules,
    events: Events,
) -> Result<&'static State, Unsupported> {
    // SAFETY: GIL by the caller.
    unsafe {
        if let Some(state) = state::get() {
            state.mode.set(mode);
            state.rules.borrow_mut().extend(rules);
            return Ok(state);
        }
        check()?;
        #[cfg(Py_3_11)]
        if !super::frame::knows_code_objects() {
            return Err(Unsupported::Version);
        }
        let Some(keys_in) = mirror::create() else { return Err(Unsupported::Refused) };
        if !(reference::initialise()
            && store::initialise()
            && key::initialise()
            && tripwires_are_ready())
        {
            return Err(Unsupported::Refused);
        }
        let state = State::publish(mode, rules, events, keys_in);
        let hooked = import_function().is_some_and(|import| mirror::install(state, &import))
            && execution::install(state)
            && listing::install(state)
            && modules::install()
            && code_objects_are_plain()
            && prepare_main(state);
        if hooked { Ok(state) } else { Err(Unsupported::Refused) }
    }
}

/// Makes the type of tripwires, where there are any.
unsafe fn tripwires_are_ready() -> bool {
    #[cfg(Py_3_12)]
    // SAFETY: GIL by the caller, who calls it once.
    return unsafe { super::tripwire::initialise() };
    #[cfg(not(Py_3_12))]
    true
}

/// Has programs see plain names in code.
unsafe fn code_objects_are_plain() -> bool {
    #[cfg(Py_3_12)]
    // SAFETY: GIL by the caller, who calls it once and has published the state.
    return unsafe { super::code_objects::install() };
    #[cfg(not(Py_3_12))]
    true
}

/// Whether this interpreter is one that the mechanism knows.
unsafe fn check() -> Result<(), Unsupported> {
    // SAFETY: GIL by the caller; both attributes of sys are there in every Python.
    unsafe {
        let version = ffi::PyLong_AsLong(ffi::PySys_GetObject(c"hexversion".as_ptr()));
        if version >> 16 != 0x0300 | built_for() {
            return Err(Unsupported::Version);
        }
        let sys = object::import(c"sys").ok_or(Unsupported::Refused)?;
        let with_gil = match sys.attribute(c"_is_gil_enabled") {
            Some(asks) => asks.call().is_some_and(|answer| answer.as_ptr() == ffi::Py_True()),
            None => true,
        };
        if !with_gil || cfg!(Py_GIL_DISABLED) {
            return Err(Unsupported::FreeThreaded);
        }
        let current = ffi::PyThreadState_GetInterpreter(ffi::PyThreadState_Get());
        if ffi::PyInterpreterState_GetID(current) != 0 {
            return Err(Unsupported::Subinterpreter);
        }
        Ok(())
    }
}

/// The minor that this library was built for.
fn built_for() -> i64 {
    [cfg!(Py_3_10), cfg!(Py_3_11), cfg!(Py_3_12), cfg!(Py_3_13), cfg!(Py_3_14), cfg!(Py_3_15)]
        .into_iter()
        .map(i64::from)
        .sum::<i64>()
        + 9
}

unsafe fn import_function() -> Option<Object> {
    // SAFETY: GIL by the caller.
    unsafe {
        execution::function(
            c"__import__",
            import::DOC,
            ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: import::import },
        )
    }
}

/// Makes the main program see the keys: its dict, and the frames that already run.
unsafe fn prepare_main(state: &State) -> bool {
    // SAFETY: GIL by the caller.
    unsafe {
        let Some(main) = object::loaded_module(c"__main__") else { return true };
        let globals = ffi::PyModule_GetDict(main.as_ptr());
        let pending = modules::follow(state, globals, &object::string(b"__main__"));
        // It ends with the program.
        super::functions::begins(&pending);
        #[cfg(Py_3_11)]
        {
            let Some(builtins) = mirror::module_of_keys(state) else { return false };
            if ffi::PyDict_SetItem(globals, state.names.builtins, builtins.as_ptr()) < 0 {
                return false;
            }
            super::frame::give_builtins(state);
        }
        true
    }
}

/// The module's dict of a frame that runs module code, if nothing is known of it yet.
///
/// # Safety
/// GIL; `globals` is a dict.
#[cfg(Py_3_11)]
pub unsafe fn adopt(state: &State, globals: super::Ptr) {
    if state.table.contains(globals) {
        return;
    }
    // SAFETY: GIL by the caller.
    unsafe {
        if let Some((name, _)) = state.module_of(globals) {
            let pending = modules::follow(state, globals, &name);
            super::functions::begins(&pending);
            // Functions that were made before have the real builtins.
            pending.released.set(true);
            mirror::attach(state, globals);
        }
        if !ffi::PyErr_Occurred().is_null() {
            ffi::PyErr_Clear();
        }
    }
}
