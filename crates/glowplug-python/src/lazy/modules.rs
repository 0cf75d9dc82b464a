//! Attribute access to modules from outside, and what follows a module's dict until its end.

use super::pending::Pending;
use super::presence::Presence;
use super::reference::{self, View};
use super::state::{self, State};
use super::{Ptr, concerned, errors, taken, types};
use crate::object::Object;
use pyo3_ffi as ffi;
use std::ptr;
use std::rc::Rc;
use std::sync::OnceLock;

/// What the hooks stand in front of.
struct Originals {
    attribute: ffi::getattrofunc,
    list: usize,
}

static ORIGINALS: OnceLock<Originals> = OnceLock::new();

/// Hooks the type of modules.
///
/// # Safety
/// GIL; called once.
pub unsafe fn install() -> bool {
    // SAFETY: GIL by the caller; PyModule_Type is ready, and its functions are called through with their own arguments.
    unsafe {
        let kind = &raw mut ffi::PyModule_Type;
        let Some(dict) = types::dict_of(kind) else { return false };
        let Some(list) = dict.entry(c"__dir__") else { return false };
        let Some(attribute) = (*kind).tp_getattro else { return false };
        if ORIGINALS.set(Originals { attribute, list: list.into_ptr() as usize }).is_err() {
            return false;
        }
        let definition = Box::leak(Box::new(ffi::PyMethodDef {
            ml_name: c"__dir__".as_ptr(),
            ml_meth: ffi::PyMethodDefPointer { PyCFunction: list_names },
            ml_flags: ffi::METH_NOARGS,
            ml_doc: c"__dir__() -> list\nspecialized dir() implementation".as_ptr(),
        }));
        let Some(method) = Object::owned(ffi::PyDescr_NewMethod(kind, definition)) else {
            return false;
        };
        dict.set_entry(c"__dir__", &method);
        (*kind).tp_getattro = Some(get_attribute);
        types::modified(kind);
        follow_ends()
    }
}

/// Whether an object looks promised submodules up when it is asked for them.
///
/// # Safety
/// GIL.
pub unsafe fn looks_up_submodules(object: Ptr) -> bool {
    // SAFETY: GIL by the caller.
    unsafe {
        let its_own = (*ffi::Py_TYPE(object)).tp_getattro;
        its_own
            .is_some_and(|function| ptr::fn_addr_eq(function, get_attribute as ffi::getattrofunc))
    }
}

unsafe extern "C" fn get_attribute(module: Ptr, name: Ptr) -> Ptr {
    // SAFETY: called by CPython with the GIL; subclasses of the module type inherit it.
    unsafe {
        let original = ORIGINALS.get().expect("installed").attribute;
        if !concerned::may_hold(name) {
            return original(module, name);
        }
        let Some(state) = state::get() else { return original(module, name) };
        let dict = ffi::PyModule_GetDict(module);
        if dict.is_null() {
            ffi::PyErr_Clear();
            return original(module, name);
        }
        match pending_attribute(state, dict, name) {
            Ok(Some(found)) => return found.into_ptr(),
            Ok(None) => {}
            Err(()) => return ptr::null_mut(),
        }
        #[cfg(Py_3_14)]
        if dict == state.real_builtins {
            match annotation(state, dict, name) {
                Ok(Some(found)) => return found.into_ptr(),
                Ok(None) => {}
                Err(()) => return ptr::null_mut(),
            }
        }
        if ffi::PyDict_Size(state.submodules) > 0 {
            match load_promised(state, dict, name) {
                Ok(Some(found)) => return found.into_ptr(),
                Ok(None) => {}
                Err(()) => return ptr::null_mut(),
            }
        }
        let found = original(module, name);
        if found.is_null() && ffi::PyErr_ExceptionMatches(ffi::PyExc_AttributeError) != 0 {
            return taken::load(state, module, dict, name).map_or(found, Object::into_ptr);
        }
        found
    }
}

/// `annotationlib` looks a plain name up in dicts and then with `hasattr(builtins, name)`, without running any code that would load it.
#[cfg(Py_3_14)]
unsafe fn annotation(state: &State, builtins: Ptr, name: Ptr) -> Result<Option<Object>, ()> {
    // SAFETY: GIL by the caller.
    unsafe {
        if ffi::PyDict_Contains(state.keys, name) != 1 || ffi::PyDict_Contains(builtins, name) != 0
        {
            return Ok(None);
        }
        let frame = ffi::PyEval_GetFrame();
        let globals = ffi::PyEval_GetGlobals();
        if frame.is_null() || globals.is_null() {
            return Ok(None);
        }
        let library = ffi::PyDict_GetItemWithError(globals, state.names.name);
        if library.is_null()
            || ffi::PyUnicode_Check(library) == 0
            || ffi::PyUnicode_CompareWithASCIIString(library, c"annotationlib".as_ptr()) != 0
        {
            return Ok(None);
        }
        for variable in [c"locals", c"globals"] {
            let found =
                Object::owned(ffi::PyFrame_GetVarString(frame, variable.as_ptr().cast_mut()));
            let Some(namespace) = found else {
                ffi::PyErr_Clear();
                continue;
            };
            if let Some(found) = reference::resolve_name(state, namespace.as_ptr(), name)? {
                return Ok(Some(found));
            }
        }
        // What it was given may be a copy.
        let Some(owner) =
            Object::owned(ffi::PyFrame_GetVarString(frame, c"owner".as_ptr().cast_mut()))
        else {
            ffi::PyErr_Clear();
            return Ok(None);
        };
        let namespace = owner.attribute(c"__globals__").or_else(|| {
            let home = owner.attribute(c"__module__")?;
            let module = ffi::PyDict_GetItemWithError(ffi::PyImport_GetModuleDict(), home.as_ptr());
            Object::borrowed(module)?.attribute(c"__dict__")
        });
        let Some(namespace) = namespace.filter(|n| ffi::PyDict_Check(n.as_ptr()) != 0) else {
            return Ok(None);
        };
        // `hasattr` has loaded it, and `getattr` comes for it.
        let stored = Object::borrowed(ffi::PyDict_GetItemWithError(namespace.as_ptr(), name));
        match stored {
            Some(stored) => Ok(Some(stored)),
            None => reference::resolve_name(state, namespace.as_ptr(), name),
        }
    }
}

/// A pending name of a module, resolved.
unsafe fn pending_attribute(state: &State, dict: Ptr, name: Ptr) -> Result<Option<Object>, ()> {
    let Some(pending) = state.table.find(dict) else { return Ok(None) };
    // SAFETY: GIL by the caller.
    unsafe {
        let Some(reference) = pending.reference(name) else { return Ok(None) };
        // Importing `pkg.sub` for `from . import sub` asks `pkg` for `sub`.
        if ffi::PyDict_Contains(dict, name) != 0 || View::of(&reference).is_resolving_here() {
            return Ok(None);
        }
        reference::resolve_name(state, dict, name)
    }
}

/// What an import of `a.b` says of `b` in `a`.
pub struct Promise {
    /// Where the statement stands, as [`errors::place_of`] gives it.
    pub place: Object,
    /// Whether the statement is `import a.b`, which has `a.b` mean the module whatever `a` holds under that name.
    pub whole: bool,
}

impl Promise {
    /// As it is kept: a pair.
    unsafe fn to_object(&self) -> Object {
        // SAFETY: GIL by the caller.
        unsafe { crate::object::pair(&self.place, &crate::object::integer(self.whole.into())) }
    }

    unsafe fn from_object(pair: &Object) -> Option<Promise> {
        // SAFETY: GIL by the caller; `to_object` has made the pair.
        unsafe {
            let place = Object::borrowed(ffi::PyTuple_GetItem(pair.as_ptr(), 0))?;
            let whole = ffi::PyLong_AsLong(ffi::PyTuple_GetItem(pair.as_ptr(), 1)) == 1;
            Some(Promise { place, whole })
        }
    }
}

/// Imports a submodule that an `import a.b` has promised, and waits where another thread is at it. `Ok(Some)` where the parent does not have
/// it (yet); `Err`: an exception is set.
unsafe fn load_promised(state: &State, dict: Ptr, name: Ptr) -> Result<Option<Object>, ()> {
    // SAFETY: GIL by the caller; what is borrowed is kept before anything is imported.
    unsafe {
        let parent = ffi::PyDict_GetItemWithError(dict, state.names.name);
        if parent.is_null() || ffi::PyUnicode_Check(parent) == 0 {
            return Ok(None);
        }
        let Some(children) =
            Object::borrowed(ffi::PyDict_GetItemWithError(state.submodules, parent))
        else {
            return Ok(None);
        };
        let promise = Object::borrowed(ffi::PyDict_GetItemWithError(children.as_ptr(), name));
        let Some(promise) = promise.and_then(|pair| Promise::from_object(&pair)) else {
            return Ok(None);
        };
        let present = Object::borrowed(ffi::PyDict_GetItemWithError(dict, name));
        let stands = |it: &Object| !promise.whole || ffi::PyModule_Check(it.as_ptr()) != 0;
        if present.as_ref().is_some_and(stands) {
            return Ok(None);
        }
        let format = c"%U.%U".as_ptr();
        let Some(full) = Object::owned(ffi::PyUnicode_FromFormat(format, parent, name)) else {
            return Err(());
        };
        // Another attribute of that name gives way to the submodule, as the statement would have had it.
        if present.is_some() && Presence::of(state, full.as_ptr()) != Presence::Absent {
            return Ok(None);
        }
        let none = ffi::Py_None();
        super::import::watch_finders(state);
        let module =
            ffi::PyImport_ImportModuleLevelObject(full.as_ptr(), ptr::null_mut(), none, none, 0);
        if Object::owned(module).is_none() {
            errors::show_place(&promise.place, full.as_ptr());
            return Err(());
        }
        let module = ffi::PyDict_GetItemWithError(ffi::PyImport_GetModuleDict(), full.as_ptr());
        if let Some(module) = Object::borrowed(module) {
            load_hidden(state, &module)?;
        }
        // CPython gives a submodule to its parent after it has been run: not yet, where it is this thread that runs it.
        let early = ffi::PyDict_Contains(dict, name) == 0;
        let module = ffi::PyDict_GetItemWithError(ffi::PyImport_GetModuleDict(), full.as_ptr());
        if let Some(module) = Object::borrowed(module).filter(|_| early) {
            return Ok(Some(module));
        }
        if ffi::PyDict_Contains(children.as_ptr(), name) == 1 {
            ffi::PyDict_DelItem(children.as_ptr(), name);
        }
        ffi::PySet_Discard(state.lazy_modules, full.as_ptr());
        Ok(None)
    }
}

/// Whether a name has a dot.
///
/// # Safety
/// GIL; `absolute` is a str.
pub unsafe fn is_submodule(absolute: &Object) -> bool {
    // SAFETY: by the caller.
    unsafe {
        let mut len = 0;
        let text = ffi::PyUnicode_AsUTF8AndSize(absolute.as_ptr(), &mut len);
        if text.is_null() {
            // A name with a lone surrogate: the import itself will say that there is no such module.
            ffi::PyErr_Clear();
            return false;
        }
        std::slice::from_raw_parts(text.cast::<u8>(), len as usize).contains(&b'.')
    }
}

/// Imports those promised submodules of a module that has other attributes of their names: code that is specialised for such an attribute
/// would ask nobody. `Err`: an exception is set.
///
/// # Safety
/// GIL.
pub unsafe fn load_hidden(state: &State, module: &Object) -> Result<(), ()> {
    // SAFETY: GIL by the caller; the list keeps the names alive.
    unsafe {
        if ffi::PyModule_Check(module.as_ptr()) == 0 {
            return Ok(());
        }
        let dict = ffi::PyModule_GetDict(module.as_ptr());
        let parent = ffi::PyDict_GetItemWithError(dict, state.names.name);
        if parent.is_null() || ffi::PyUnicode_Check(parent) == 0 {
            return Ok(());
        }
        let children = ffi::PyDict_GetItemWithError(state.submodules, parent);
        if children.is_null() {
            return Ok(());
        }
        let names = Object::owned(ffi::PyDict_Keys(children)).ok_or(())?;
        for i in 0..ffi::PyList_Size(names.as_ptr()) {
            let name = ffi::PyList_GetItem(names.as_ptr(), i);
            if ffi::PyDict_Contains(dict, name) == 1 {
                load_promised(state, dict, name)?;
            }
        }
        Ok(())
    }
}

/// Notes that `import a.b.c` binds `b` in `a` and `c` in `a.b` when they are looked up there.
///
/// # Safety
/// GIL; `absolute` is a str.
pub unsafe fn promise_submodules(state: &State, absolute: &Object, promise: &Promise) {
    // SAFETY: GIL by the caller.
    unsafe {
        let mut end = ffi::PyUnicode_GetLength(absolute.as_ptr());
        let promise = promise.to_object();
        loop {
            let dot = ffi::PyUnicode_FindChar(absolute.as_ptr(), u32::from('.'), 0, end, -1);
            if dot < 0 {
                return;
            }
            let part =
                |from, to| Object::owned(ffi::PyUnicode_Substring(absolute.as_ptr(), from, to));
            let (Some(parent), Some(child)) = (part(0, dot), part(dot + 1, end)) else { return };
            let children = ffi::PyDict_GetItemWithError(state.submodules, parent.as_ptr());
            let children = Object::borrowed(children).unwrap_or_else(|| crate::object::dict());
            concerned::add(child.as_ptr());
            ffi::PyDict_SetItem(children.as_ptr(), child.as_ptr(), promise.as_ptr());
            ffi::PyDict_SetItem(state.submodules, parent.as_ptr(), children.as_ptr());
            end = dot;
        }
    }
}

/// Whether a name that a package imports is also that of the submodule it comes from: importing the submodule binds the name, and the
/// statement has to come after that.
///
/// # Safety
/// GIL.
pub unsafe fn is_own_submodule(
    state: &State,
    pending: &Pending,
    name: Ptr,
    absolute: &Object,
) -> bool {
    // SAFETY: GIL by the caller.
    unsafe {
        let importer = pending.importer.as_ptr();
        let end = ffi::PyUnicode_GetLength(absolute.as_ptr());
        if ffi::PyUnicode_Tailmatch(absolute.as_ptr(), importer, 0, end, -1) != 1
            || ffi::PyDict_Contains(pending.globals, state.names.path) != 1
        {
            return false;
        }
        let format = c"%U.%U".as_ptr();
        let Some(own) = Object::owned(ffi::PyUnicode_FromFormat(format, importer, name)) else {
            ffi::PyErr_Clear();
            return true;
        };
        let (own_len, len) =
            (ffi::PyUnicode_GetLength(own.as_ptr()), ffi::PyUnicode_GetLength(absolute.as_ptr()));
        let begins = ffi::PyUnicode_Tailmatch(absolute.as_ptr(), own.as_ptr(), 0, len, -1) == 1;
        begins
            && (len == own_len
                || ffi::PyUnicode_ReadChar(absolute.as_ptr(), own_len) == u32::from('.'))
    }
}

/// Resolves the names that `from module import *` takes. `false`: an exception is set.
///
/// # Safety
/// GIL.
pub unsafe fn resolve_public(state: &State, module: &Object) -> bool {
    // SAFETY: GIL by the caller.
    unsafe {
        if ffi::PyModule_Check(module.as_ptr()) == 0 {
            return true;
        }
        let dict = ffi::PyModule_GetDict(module.as_ptr());
        if ffi::PyDict_Contains(dict, state.names.all) == 1 {
            return true;
        }
        resolve_all(state, dict, |name| ffi::PyUnicode_ReadChar(name, 0) != u32::from('_'))
    }
}

/// Resolves the names that a module imports that defines a finder.
///
/// # Safety
/// GIL.
pub unsafe fn resolve_home_of(state: &State, finder: &Object) {
    // SAFETY: GIL by the caller.
    unsafe {
        let class = if ffi::PyType_Check(finder.as_ptr()) != 0 {
            Object::borrowed(finder.as_ptr())
        } else {
            Object::borrowed(ffi::Py_TYPE(finder.as_ptr()).cast())
        };
        let Some(home) = class.and_then(|class| class.attribute(c"__module__")) else { return };
        let module = ffi::PyDict_GetItemWithError(ffi::PyImport_GetModuleDict(), home.as_ptr());
        let Some(module) = Object::borrowed(module) else {
            ffi::PyErr_Clear();
            return;
        };
        if ffi::PyModule_Check(module.as_ptr()) == 0 {
            return;
        }
        let dict = ffi::PyModule_GetDict(module.as_ptr());
        if state.table.find(dict).is_none_or(|pending| pending.is_empty()) {
            return;
        }
        // It cannot help to find what it needs itself.
        let list = Object::borrowed(ffi::PySys_GetObject(c"meta_path".as_ptr()));
        let Some(list) = list.filter(|list| ffi::PyList_Check(list.as_ptr()) != 0) else { return };
        let index = ffi::PySequence_Index(list.as_ptr(), finder.as_ptr());
        if index < 0 || ffi::PyList_SetSlice(list.as_ptr(), index, index + 1, ptr::null_mut()) < 0 {
            ffi::PyErr_Clear();
            return;
        }
        if !resolve_all(state, dict, |_| true) {
            ffi::PyErr_Clear();
        }
        if ffi::PySequence_Contains(list.as_ptr(), finder.as_ptr()) == 0 {
            ffi::PyList_Insert(list.as_ptr(), index, finder.as_ptr());
        }
    }
}

/// Resolves the pending names of a module that a condition holds for.
///
/// # Safety
/// GIL.
pub unsafe fn resolve_all(state: &State, dict: Ptr, wanted: impl Fn(Ptr) -> bool) -> bool {
    let Some(pending) = state.table.find(dict) else { return true };
    // SAFETY: GIL by the caller; the list keeps the names alive.
    unsafe {
        let Some(names) = Object::owned(ffi::PyDict_Keys(pending.names.as_ptr())) else {
            return false;
        };
        (0..ffi::PyList_Size(names.as_ptr()))
            .map(|i| ffi::PyList_GetItem(names.as_ptr(), i))
            .filter(|&name| wanted(name))
            .all(|name| reference::resolve_name(state, dict, name).is_ok())
    }
}

/// `dir(module)`: pending names are names of the module; keys are none of the builtins'.
unsafe extern "C" fn list_names(module: Ptr, _: Ptr) -> Ptr {
    // SAFETY: called by CPython with the GIL.
    unsafe {
        let original = ORIGINALS.get().expect("installed").list as Ptr;
        let end = ptr::null_mut::<ffi::PyObject>();
        let names = Object::owned(ffi::PyObject_CallFunctionObjArgs(original, module, end));
        let Some(names) = names else { return ptr::null_mut() };
        let Some(state) = state::get() else { return names.into_ptr() };
        if ffi::PyList_Check(names.as_ptr()) == 0 || ffi::PyModule_Check(module) == 0 {
            return names.into_ptr();
        }
        let dict = ffi::PyModule_GetDict(module);
        if dict == state.keys_in {
            return without_keys(&names).map_or(ptr::null_mut(), Object::into_ptr);
        }
        if !add_pending(state, dict, &names) {
            return ptr::null_mut();
        }
        names.into_ptr()
    }
}

/// Adds what is pending in a module's dict to a list of its names. `false`: an exception is set.
///
/// # Safety
/// GIL; `names` is a list.
pub unsafe fn add_pending(state: &State, dict: Ptr, names: &Object) -> bool {
    let Some(pending) = state.table.find(dict) else { return true };
    let (mut position, mut name, value) = (0, ptr::null_mut(), ptr::null_mut());
    // SAFETY: GIL by the caller; nothing here runs Python code, so that the pending names stay as they are.
    unsafe {
        while ffi::PyDict_Next(pending.names.as_ptr(), &mut position, &mut name, value) != 0 {
            if ffi::PyDict_Contains(dict, name) == 0 && ffi::PyList_Append(names.as_ptr(), name) < 0
            {
                return false;
            }
        }
    }
    true
}

unsafe fn without_keys(names: &Object) -> Option<Object> {
    // SAFETY: GIL by the caller; `names` is a list.
    unsafe {
        let kept = Object::owned(ffi::PyList_New(0))?;
        for i in 0..ffi::PyList_Size(names.as_ptr()) {
            let name = ffi::PyList_GetItem(names.as_ptr(), i);
            if !super::key::is(name) && ffi::PyList_Append(kept.as_ptr(), name) < 0 {
                return None;
            }
        }
        Some(kept)
    }
}

/// A new entry for a module that has none.
///
/// # Safety
/// GIL; `globals` is the dict of the module of that name.
pub unsafe fn follow(state: &State, globals: Ptr, importer: &Object) -> Rc<Pending> {
    // SAFETY: GIL by the caller.
    unsafe {
        let kept_eager = state.rules.borrow().keeps_eager(importer);
        let name = Object::borrowed(importer.as_ptr()).expect("not NULL");
        watch_end(globals);
        state.table.insert(globals, name, kept_eager)
    }
}

/// The end of a dict: its entry goes too.
fn forget(dict: Ptr) {
    let Some(state) = state::get() else { return };
    let Some(pending) = state.table.remove(dict) else { return };
    #[cfg(Py_3_12)]
    // SAFETY: CPython frees a dict with the GIL.
    unsafe {
        super::tripwire::settle(state, &pending, true);
    }
    drop(pending);
}

#[cfg(Py_3_12)]
mod ends {
    use super::{Ptr, ffi, forget};
    use std::ffi::c_int;
    use std::sync::atomic::{AtomicI32, Ordering};

    /// `PyDict_EVENT_DEALLOCATED` of `Include/cpython/dictobject.h`.
    const DEALLOCATED: c_int = 5;

    static WATCHER: AtomicI32 = AtomicI32::new(-1);

    unsafe extern "C" {
        fn PyDict_AddWatcher(
            callback: unsafe extern "C" fn(c_int, Ptr, Ptr, Ptr) -> c_int,
        ) -> c_int;
    }

    unsafe extern "C" fn changed(event: c_int, dict: Ptr, _: Ptr, _: Ptr) -> c_int {
        if event == DEALLOCATED {
            forget(dict);
        }
        0
    }

    pub unsafe fn follow() -> bool {
        // SAFETY: GIL by the caller; the callback is what CPython asks for.
        let watcher = unsafe { PyDict_AddWatcher(changed) };
        WATCHER.store(watcher, Ordering::Relaxed);
        watcher >= 0
    }

    pub unsafe fn watch(dict: Ptr) {
        // SAFETY: GIL by the caller; the watcher has been added.
        unsafe { ffi::PyDict_Watch(WATCHER.load(Ordering::Relaxed), dict) };
    }
}

#[cfg(not(Py_3_12))]
mod ends {
    use super::{Ptr, ffi, forget, state};
    use std::sync::OnceLock;

    static ORIGINAL: OnceLock<ffi::destructor> = OnceLock::new();

    unsafe extern "C" fn dealloc(dict: Ptr) {
        if state::get().is_some_and(|state| state.table.contains(dict)) {
            forget(dict);
        }
        // SAFETY: called by CPython for the last reference.
        unsafe { ORIGINAL.get().expect("installed")(dict) }
    }

    /// Before 3.12 nothing tells of a dict's end but its type.
    pub unsafe fn follow() -> bool {
        // SAFETY: GIL by the caller; the function is called through.
        unsafe {
            let kind = &raw mut ffi::PyDict_Type;
            let Some(original) = (*kind).tp_dealloc else { return false };
            (*kind).tp_dealloc = Some(dealloc);
            ORIGINAL.set(original).is_ok()
        }
    }

    pub unsafe fn watch(_: Ptr) {}
}

use ends::{follow as follow_ends, watch as watch_end};
