//! What `sys.modules` says of a module, found out without running any code of the program.

use super::Ptr;
use super::state::State;
use crate::object::Object;
use pyo3_ffi as ffi;

/// Whether a module is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is not, or None keeps it from being imported, which the first use is to tell.
    Absent,
    /// Its body has not ended.
    Unfinished,
    /// An object of the program's own, or a module with such a spec: only its own code could say more.
    Foreign,
    /// A module that is ready.
    Complete,
}

impl Presence {
    /// Of a module by its absolute name.
    ///
    /// # Safety
    /// GIL; `name` is a str.
    pub unsafe fn of(state: &State, name: Ptr) -> Presence {
        // SAFETY: GIL by the caller; nothing here runs code that could take away what is borrowed.
        unsafe {
            let module = ffi::PyDict_GetItemWithError(ffi::PyImport_GetModuleDict(), name);
            if module.is_null() || module == ffi::Py_None() {
                return Presence::Absent;
            }
            if ffi::Py_TYPE(module) != &raw mut ffi::PyModule_Type {
                return Presence::Foreign;
            }
            let dict = ffi::PyModule_GetDict(module);
            let spec = ffi::PyDict_GetItemWithError(dict, state.names.spec);
            if spec.is_null() || spec == ffi::Py_None() {
                return Presence::Complete;
            }
            if ffi::Py_TYPE(spec).cast() != state.module_spec {
                return Presence::Foreign;
            }
            // The class has no attribute of this name, so that this reads what the instance holds.
            let flag = Object::owned(ffi::PyObject_GenericGetAttr(spec, state.names.initialising));
            match flag {
                Some(flag) if flag.as_ptr() != ffi::Py_False() => Presence::Unfinished,
                Some(_) => Presence::Complete,
                None => {
                    ffi::PyErr_Clear();
                    Presence::Complete
                }
            }
        }
    }

    /// Whether `lazy_modules` names it once it is imported lazily.
    pub fn is_awaited(self) -> bool {
        matches!(self, Presence::Absent | Presence::Unfinished)
    }
}
