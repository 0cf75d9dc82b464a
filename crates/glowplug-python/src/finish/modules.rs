//! The modules of a program that ends.
//!
//! CPython empties sys.modules in its order, collects garbage, and clears the modules that are left, the newest first. Modules that were
//! frozen stay as they are: letting go of 1,400 of them would write to as many pages.

use crate::object::{self, Object};
use pyo3_ffi as ffi;
use std::collections::HashSet;
use std::ffi::CStr;
use std::ptr;

/// Attributes of sys that CPython sets to None before it lets modules go.
const FORGOTTEN: [&CStr; 11] = [
    c"path",
    c"argv",
    c"ps1",
    c"ps2",
    c"last_type",
    c"last_value",
    c"last_traceback",
    c"path_hooks",
    c"path_importer_cache",
    c"meta_path",
    c"__interactivehook__",
];

/// Streams and the originals that they get back.
const STREAMS: [(&CStr, &CStr); 3] =
    [(c"stdin", c"__stdin__"), (c"stdout", c"__stdout__"), (c"stderr", c"__stderr__")];

/// The modules of the frozen process.
pub struct Frozen {
    /// Addresses of the modules, sorted; `__main__` is not among them.
    modules: Vec<usize>,
    /// What was in builtins.
    builtins: Option<Object>,
}

impl Frozen {
    /// # Safety
    /// GIL.
    pub unsafe fn take() -> Frozen {
        // SAFETY: GIL by the caller; sys.modules is a dict.
        unsafe {
            let main = object::loaded_module(c"__main__");
            let main = main.map_or(ptr::null_mut(), |main| main.as_ptr());
            let mut modules: Vec<usize> = entries(ffi::PyImport_GetModuleDict())
                .map(|(_, module)| module as usize)
                .filter(|&module| module != main as usize)
                .collect();
            modules.sort_unstable();
            let builtins = Object::owned(ffi::PyDict_Copy(ffi::PyEval_GetBuiltins()));
            Frozen { modules, builtins }
        }
    }

    fn contains(&self, module: *mut ffi::PyObject) -> bool {
        self.modules.binary_search(&(module as usize)).is_ok()
    }
}

/// The entries of a dict, borrowed.
///
/// # Safety
/// GIL; `dict` is a dict that does not change while they are walked.
unsafe fn entries(
    dict: *mut ffi::PyObject,
) -> impl Iterator<Item = (*mut ffi::PyObject, *mut ffi::PyObject)> {
    let mut position = 0;
    std::iter::from_fn(move || {
        let (mut key, mut value) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: by the caller.
        let more = unsafe { ffi::PyDict_Next(dict, &mut position, &mut key, &mut value) };
        (more != 0).then_some((key, value))
    })
}

/// Sets what finds modules to None and gives sys its original streams back.
///
/// # Safety
/// GIL.
pub unsafe fn forget_paths() {
    // SAFETY: GIL by the caller.
    unsafe {
        let none = object::none();
        for name in FORGOTTEN {
            // Kept: freeing the finders of many folders would write to their pages.
            std::mem::forget(Object::borrowed(ffi::PySys_GetObject(name.as_ptr())));
            ffi::PySys_SetObject(name.as_ptr(), none.as_ptr());
        }
        for (name, original) in STREAMS {
            let original =
                Object::borrowed(ffi::PySys_GetObject(original.as_ptr())).unwrap_or(object::none());
            ffi::PySys_SetObject(name.as_ptr(), original.as_ptr());
        }
        ffi::PyErr_Clear();
    }
}

/// Sets the standard streams of sys to None.
///
/// # Safety
/// GIL; the originals are referred to from elsewhere.
pub unsafe fn lose_streams() {
    // SAFETY: GIL by the caller.
    unsafe {
        let none = object::none();
        for name in STREAMS.iter().flat_map(|(name, original)| [name, original]) {
            ffi::PySys_SetObject(name.as_ptr(), none.as_ptr());
        }
        ffi::PyErr_Clear();
    }
}

/// What [`remove`] took out of sys.modules.
pub struct Left {
    /// Weak references to the modules that came after the freeze, in order.
    new: Vec<Object>,
    /// The former content of sys.modules, a dict; it still refers to the frozen modules.
    frozen: Object,
}

/// Takes the modules out of sys.modules that came after the freeze, `__main__` among them, and leaves it empty.
///
/// # Safety
/// GIL.
pub unsafe fn remove(frozen: &Frozen) -> Left {
    // SAFETY: GIL by the caller; sys.modules is a dict, and the entries are copied before it changes.
    unsafe {
        let modules = ffi::PyImport_GetModuleDict();
        let mut new = newer(modules, frozen);
        let none = object::none();
        let mut left = Vec::new();
        for (name, module) in new.drain(..) {
            if ffi::PyModule_Check(module.as_ptr()) != 0 {
                left.extend(Object::owned(ffi::PyWeakref_NewRef(module.as_ptr(), ptr::null_mut())));
            }
            ffi::PyDict_SetItem(modules, name.as_ptr(), none.as_ptr());
            drop(module);
        }
        drop(new);
        ffi::PyErr_Clear();
        Left { new: left, frozen: empty(modules) }
    }
}

/// The entries of sys.modules that came after the freeze.
///
/// # Safety
/// GIL; `modules` is a dict.
unsafe fn newer(modules: *mut ffi::PyObject, frozen: &Frozen) -> Vec<(Object, Object)> {
    let collect = |entries: &mut dyn Iterator<Item = (*mut ffi::PyObject, *mut ffi::PyObject)>| {
        entries
            .filter(|&(_, module)| !frozen.contains(module))
            // SAFETY: GIL by the caller; what a dict holds is alive.
            .filter_map(|(name, module)| unsafe {
                Object::borrowed(name).zip(Object::borrowed(module))
            })
            .collect()
    };
    // SAFETY: by the caller; nothing changes the dict before the entries are copied.
    unsafe {
        #[cfg(all(Py_3_11, not(Py_3_15)))]
        if let Some(mut entries) = super::table::entries(modules) {
            return collect(&mut entries);
        }
        collect(&mut entries(modules))
    }
}

/// Empties a dict without letting go of what it held; returns a dict with that.
///
/// # Safety
/// GIL; `dict` is a dict that nobody walks.
unsafe fn empty(dict: *mut ffi::PyObject) -> Object {
    // SAFETY: by the caller. A dict owns its table alone (no keys are shared: neither is the namespace of an instance), so two dicts can
    // change tables under the GIL.
    unsafe {
        let other = object::dict();
        if ffi::PyDict_CheckExact(dict) != 0 {
            let (dict, held) =
                (dict.cast::<ffi::PyDictObject>(), other.as_ptr().cast::<ffi::PyDictObject>());
            ptr::swap(&raw mut (*dict).ma_used, &raw mut (*held).ma_used);
            ptr::swap(&raw mut (*dict).ma_keys, &raw mut (*held).ma_keys);
            ptr::swap(&raw mut (*dict).ma_values, &raw mut (*held).ma_values);
        }
        other
    }
}

/// Gives builtins back what it held, so that what the program put there goes.
///
/// # Safety
/// GIL.
pub unsafe fn restore_builtins(frozen: &Frozen) {
    // SAFETY: GIL by the caller; both are dicts, and the entries are copied before one changes.
    unsafe {
        let (builtins, Some(old)) = (ffi::PyEval_GetBuiltins(), &frozen.builtins) else { return };
        let changed: Vec<(Object, Object)> = entries(builtins)
            .filter(|&(name, value)| ffi::PyDict_GetItemWithError(old.as_ptr(), name) != value)
            .filter_map(|(name, value)| Object::borrowed(name).zip(Object::borrowed(value)))
            .collect();
        for (name, value) in changed {
            let before =
                Object::borrowed(ffi::PyDict_GetItemWithError(old.as_ptr(), name.as_ptr()));
            match before {
                Some(before) => ffi::PyDict_SetItem(builtins, name.as_ptr(), before.as_ptr()),
                None => ffi::PyDict_DelItem(builtins, name.as_ptr()),
            };
            drop(value);
        }
        ffi::PyErr_Clear();
    }
}

/// Clears the new modules that somebody still holds, the newest first.
///
/// # Safety
/// GIL.
pub unsafe fn clear(left: Left) {
    // SAFETY: GIL by the caller; the list holds weak references to modules.
    unsafe {
        for reference in left.new.into_iter().rev() {
            let Some(module) = reference.referent() else { continue };
            if let Some(globals) = Object::borrowed(ffi::PyModule_GetDict(module.as_ptr())) {
                clear_globals(&globals);
            }
        }
        ffi::PyErr_Clear();
        // Freeing the table would let go of every frozen module.
        std::mem::forget(left.frozen);
    }
}

/// Sets those names of frozen modules to None whose values are among `objects`, by address: the newest module first.
///
/// # Safety
/// GIL.
pub unsafe fn forget_values(left: &Left, objects: &HashSet<usize>) {
    // SAFETY: GIL by the caller; the names are copied before any dict changes.
    unsafe {
        let sys = ffi::PySys_GetObject(c"modules".as_ptr());
        let builtins = ffi::PyEval_GetBuiltins();
        let mut names = Vec::new();
        for (_, module) in entries(left.frozen.as_ptr()) {
            if ffi::PyModule_Check(module) == 0 {
                continue;
            }
            let globals = ffi::PyModule_GetDict(module);
            let is_sys = ffi::PyDict_GetItemString(globals, c"modules".as_ptr()) == sys;
            if globals == builtins || is_sys {
                continue;
            }
            for (name, value) in entries(globals) {
                if objects.contains(&(value as usize)) {
                    names.push(Object::borrowed(globals).zip(Object::borrowed(name)));
                }
            }
        }
        let none = object::none();
        for (globals, name) in names.into_iter().rev().flatten() {
            ffi::PyDict_SetItem(globals.as_ptr(), name.as_ptr(), none.as_ptr());
        }
        ffi::PyErr_Clear();
    }
}

/// Sets a namespace's names to None: first those with one leading underscore, then the others, as `_PyModule_ClearDict`.
///
/// # Safety
/// GIL; `globals` is a dict.
unsafe fn clear_globals(globals: &Object) {
    // SAFETY: GIL by the caller; the names are copied before finalizers can change the dict.
    unsafe {
        let Some(names) = Object::owned(ffi::PyDict_Keys(globals.as_ptr())) else { return };
        let none = object::none();
        for private in [true, false] {
            for index in 0..ffi::PyList_Size(names.as_ptr()) {
                let name = Object::borrowed(ffi::PyList_GetItem(names.as_ptr(), index));
                let Some(name) = name else { continue };
                let Some(text) = name.to_bytes() else { continue };
                let is_private = text.first() == Some(&b'_') && text.get(1) != Some(&b'_');
                if text == b"__builtins__" || is_private != private {
                    continue;
                }
                if ffi::PyDict_Contains(globals.as_ptr(), name.as_ptr()) == 1 {
                    ffi::PyDict_SetItem(globals.as_ptr(), name.as_ptr(), none.as_ptr());
                }
            }
        }
        ffi::PyErr_Clear();
    }
}
