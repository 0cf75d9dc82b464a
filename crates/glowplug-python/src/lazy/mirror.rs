//! The copy of the builtins that holds the keys, on 3.11 and later.
//!
//! A dict with a key that is no plain str loses the fast lookups that CPython specialises code for, so the real builtins stay clean.
//! Modules run with the copy as their `__builtins__` while something of theirs is pending.

use super::Ptr;
use super::state::State;
use crate::object::Object;
use pyo3_ffi as ffi;

/// The dict for the keys: before 3.11 the real builtins, since nothing is specialised by them there.
///
/// # Safety
/// GIL.
#[cfg(not(Py_3_11))]
pub unsafe fn create() -> Option<Ptr> {
    // SAFETY: GIL by the caller.
    Some(unsafe { super::state::real_builtins() })
}

/// As above: a copy.
///
/// # Safety
/// GIL.
#[cfg(Py_3_11)]
pub unsafe fn create() -> Option<Ptr> {
    // SAFETY: GIL by the caller.
    unsafe { Object::owned(ffi::PyDict_Copy(super::state::real_builtins())).map(Object::into_ptr) }
}

/// Makes a module's code run with the keys from here on: what is called or made next, not the frame that runs.
///
/// # Safety
/// GIL; `globals` is a module's dict.
pub unsafe fn attach(state: &State, globals: Ptr) -> bool {
    if !state.has_mirror() {
        return true;
    }
    // SAFETY: GIL by the caller.
    unsafe {
        let builtins = ffi::PyDict_GetItemWithError(globals, state.names.builtins);
        let present = builtins == state.keys_in
            || !builtins.is_null()
                && ffi::PyModule_Check(builtins) != 0
                && ffi::PyModule_GetDict(builtins) == state.keys_in;
        present || ffi::PyDict_SetItem(globals, state.names.builtins, state.keys_in) == 0
    }
}

/// The module has the real builtins again.
///
/// # Safety
/// GIL; `globals` is a module's dict.
pub unsafe fn detach(state: &State, globals: Ptr) {
    if !state.has_mirror() {
        return;
    }
    // SAFETY: GIL by the caller.
    unsafe {
        let builtins = ffi::PyDict_GetItemWithError(globals, state.names.builtins);
        if builtins == state.keys_in
            && ffi::PyDict_SetItem(globals, state.names.builtins, state.real_builtins) < 0
        {
            ffi::PyErr_Clear();
        }
    }
}

/// Whether the running frame cannot meet keys.
///
/// # Safety
/// GIL.
pub unsafe fn is_missing_here(state: &State) -> bool {
    // SAFETY: GIL by the caller.
    unsafe { ffi::PyEval_GetBuiltins() != state.keys_in }
}

/// Copies what has changed among the real builtins. Where CPython tells of each change there is nothing to do.
///
/// # Safety
/// GIL.
#[cfg(not(all(Py_3_11, not(Py_3_12))))]
pub unsafe fn keep_in_step(_: &State) {}

/// As above, by the version that 3.11 gives each state of a dict.
///
/// # Safety
/// GIL.
#[cfg(all(Py_3_11, not(Py_3_12)))]
pub unsafe fn keep_in_step(state: &State) {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COPIED: AtomicU64 = AtomicU64::new(0);
    // SAFETY: GIL by the caller; the real builtins are a dict.
    unsafe {
        let version = (*state.real_builtins.cast::<ffi::PyDictObject>()).ma_version_tag;
        if COPIED.swap(version, Ordering::Relaxed) != version {
            state.quietly(|| copy_all(state));
        }
    }
}

#[cfg(all(Py_3_11, not(Py_3_12)))]
unsafe fn copy_all(state: &State) {
    let (mut position, mut name, mut value) = (0, std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: GIL by the caller; the real builtins do not change meanwhile, nor do the names of the copy in the second loop.
    unsafe {
        while ffi::PyDict_Next(state.real_builtins, &mut position, &mut name, &mut value) != 0 {
            copy(state, name, value);
        }
        let mut gone = Vec::new();
        position = 0;
        while ffi::PyDict_Next(state.keys_in, &mut position, &mut name, &mut value) != 0 {
            if !super::key::is(name) && ffi::PyDict_Contains(state.real_builtins, name) == 0 {
                gone.extend(Object::borrowed(name));
            }
        }
        for name in gone {
            copy(state, name.as_ptr(), std::ptr::null_mut());
        }
    }
}

/// Does in the copy what was done in the original; NULL stands for a deletion. Keys equal nothing meanwhile.
#[cfg(Py_3_11)]
unsafe fn copy(state: &State, name: Ptr, value: Ptr) {
    // SAFETY: GIL by the caller.
    unsafe {
        if ffi::PyUnicode_Check(name) != 0
            && ffi::PyUnicode_Compare(name, state.names.import) == 0
            && ffi::PyErr_Occurred().is_null()
        {
            return;
        }
        let failed = if !value.is_null() {
            ffi::PyDict_SetItem(state.keys_in, name, value) < 0
        } else {
            ffi::PyDict_Contains(state.keys_in, name) == 1
                && ffi::PyDict_DelItem(state.keys_in, name) < 0
        };
        if failed {
            ffi::PyErr_Clear();
        }
    }
}

/// Puts `__import__` where modules find it, and has CPython tell of changes.
///
/// # Safety
/// GIL; called once, when the state is published.
pub unsafe fn install(state: &State, import: &Object) -> bool {
    state.import.set(import.as_ptr());
    // SAFETY: GIL by the caller.
    unsafe {
        ffi::Py_INCREF(import.as_ptr());
        ffi::PyDict_SetItem(state.keys_in, state.names.import, import.as_ptr()) == 0 && watch(state)
    }
}

#[cfg(not(Py_3_11))]
unsafe fn watch(_: &State) -> bool {
    true
}

#[cfg(all(Py_3_11, not(Py_3_12)))]
use writes::watch;

/// 3.11 does not tell of changes to a dict. The module `builtins` becomes one of a type that tells of assignments, and after its dict
/// has been asked for, what was written there is copied as soon as CPython pauses between instructions.
#[cfg(all(Py_3_11, not(Py_3_12)))]
mod writes {
    use super::super::{state, types};
    use super::{Ptr, State, ffi, keep_in_step};
    use crate::object;
    use std::ffi::{c_int, c_void};
    use std::ptr;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// How many pauses are used after the dict has been asked for: `vars(builtins)["x"] = y` has one before it writes.
    const PAUSES: u32 = 8;

    static LEFT: AtomicU32 = AtomicU32::new(0);

    pub unsafe fn watch(_: &State) -> bool {
        // SAFETY: GIL by the caller; the new type has the layout of a module and calls the functions of its base.
        unsafe {
            let base = &raw mut ffi::PyModule_Type;
            let kind = types::new(c"module", 0);
            kind.tp_base = base;
            kind.tp_basicsize = (*base).tp_basicsize;
            kind.tp_setattro = Some(assign);
            kind.tp_getattro = Some(get);
            // `__dict__` is where a module has it.
            kind.tp_dictoffset = (*base).tp_dictoffset;
            kind.tp_weaklistoffset = (*base).tp_weaklistoffset;
            let Some(module) = object::loaded_module(c"builtins") else { return false };
            if !types::ready(kind) {
                return false;
            }
            (*module.as_ptr()).ob_type = kind;
            true
        }
    }

    unsafe extern "C" fn assign(module: Ptr, name: Ptr, value: Ptr) -> c_int {
        // SAFETY: called by CPython.
        unsafe {
            let original = ffi::PyModule_Type.tp_setattro.expect("modules have it");
            let result = original(module, name, value);
            if let Some(state) = state::get() {
                keep_in_step(state);
            }
            result
        }
    }

    unsafe extern "C" fn get(module: Ptr, name: Ptr) -> Ptr {
        // SAFETY: called by CPython.
        unsafe {
            if ffi::PyUnicode_Check(name) != 0
                && ffi::PyUnicode_CompareWithASCIIString(name, c"__dict__".as_ptr()) == 0
            {
                LEFT.store(PAUSES, Ordering::Relaxed);
                ffi::Py_AddPendingCall(Some(pause), ptr::null_mut());
            }
            let original = ffi::PyModule_Type.tp_getattro.expect("modules have it");
            original(module, name)
        }
    }

    extern "C" fn pause(_: *mut c_void) -> c_int {
        // SAFETY: CPython makes pending calls between instructions, with the GIL.
        unsafe {
            if let Some(state) = state::get() {
                keep_in_step(state);
            }
            if LEFT.fetch_sub(1, Ordering::Relaxed) > 1 {
                ffi::Py_AddPendingCall(Some(pause), ptr::null_mut());
            }
        }
        0
    }
}

#[cfg(Py_3_12)]
unsafe fn watch(state: &State) -> bool {
    // SAFETY: GIL by the caller; the callbacks are what CPython asks for.
    unsafe {
        let builtins = watchers::PyDict_AddWatcher(watchers::builtins_changed);
        builtins >= 0
            && ffi::PyDict_Watch(builtins, state.real_builtins) == 0
            && watchers::PyFunction_AddWatcher(watchers::function_changed) >= 0
    }
}

#[cfg(Py_3_12)]
mod watchers {
    use super::super::state;
    use super::{Ptr, ffi};
    use std::ffi::c_int;

    // `Include/cpython/dictobject.h`, `Include/cpython/funcobject.h`: the numbers of the events.
    const DICT_CLONED: c_int = 3;
    const FUNCTION_CREATE: c_int = 0;
    const FUNCTION_MODIFY_CODE: c_int = 2;

    unsafe extern "C" {
        pub fn PyDict_AddWatcher(
            callback: unsafe extern "C" fn(c_int, Ptr, Ptr, Ptr) -> c_int,
        ) -> c_int;
        pub fn PyFunction_AddWatcher(
            callback: unsafe extern "C" fn(c_int, *mut ffi::PyFunctionObject, Ptr) -> c_int,
        ) -> c_int;
    }

    /// CPython is about to change the real builtins.
    pub unsafe extern "C" fn builtins_changed(
        event: c_int,
        _: Ptr,
        name: Ptr,
        value: Ptr,
    ) -> c_int {
        let state = state::installed();
        if event < DICT_CLONED && !name.is_null() {
            // SAFETY: called by CPython with the GIL and live objects; a deletion has no value.
            state.quietly(|| unsafe { super::copy(state, name, value) });
        }
        0
    }

    pub unsafe extern "C" fn function_changed(
        event: c_int,
        function: *mut ffi::PyFunctionObject,
        new: Ptr,
    ) -> c_int {
        use super::super::functions;
        let state = state::installed();
        // SAFETY: called by CPython with the GIL and a live function, which is about to get the code `new`.
        unsafe {
            match event {
                FUNCTION_CREATE => functions::consider(state, function),
                FUNCTION_MODIFY_CODE => functions::gets_code(state, function, new),
                _ => {}
            }
        }
        0
    }
}

/// The main program's `__builtins__` is a module; it gets one whose names are those of the copy.
///
/// # Safety
/// GIL.
#[cfg(Py_3_11)]
pub unsafe fn module_of_keys(state: &State) -> Option<Object> {
    // SAFETY: GIL by the caller; a module object begins with its head and its dict (`Objects/moduleobject.c`,
    // `Include/internal/pycore_moduleobject.h`).
    unsafe {
        let module = Object::owned(ffi::PyModule_New(c"builtins".as_ptr()))?;
        let field = module.as_ptr().cast::<u8>().add(size_of::<ffi::PyObject>()).cast::<Ptr>();
        ffi::Py_INCREF(state.keys_in);
        drop(Object::owned(std::mem::replace(&mut *field, state.keys_in)));
        (ffi::PyModule_GetDict(module.as_ptr()) == state.keys_in).then_some(module)
    }
}
