//! `__import__` as modules with keys see it: it makes the names of a lazy statement pending, and imports otherwise.

use super::frame::{self, Frame};
use super::pending::Pending;
use super::presence::Presence;
use super::reference::{self, Statement};
use super::state::{self, Mode, State};
use super::{Ptr, errors, modules, statement, store, taken};
use crate::object::Object;
use pyo3_ffi as ffi;
use std::ffi::{c_char, c_int};
use std::ptr;
use std::rc::Rc;

/// As the interpreter's own.
pub const DOC: &std::ffi::CStr = c"__import__($module, /, name, globals=None, locals=None, fromlist=(),\n           level=0)\n--\n\nImport a module.\n\nBecause this function is meant for use by the Python\ninterpreter and not for general use, it is better to use\nimportlib.import_module() to programmatically import a module.";

/// Whether an object is CPython's own `__import__`.
pub fn is_native(function: Ptr) -> bool {
    function == state::installed().native_import
}

/// The arguments of `__import__`, borrowed; what is missing is NULL.
struct Arguments {
    name: Ptr,
    globals: Ptr,
    locals: Ptr,
    fromlist: Ptr,
    level: c_int,
}

/// `__import__`.
///
/// # Safety
/// Called by CPython.
pub unsafe extern "C" fn import(_: Ptr, arguments: *const Ptr, count: isize, keywords: Ptr) -> Ptr {
    // SAFETY: called by CPython with the GIL, live arguments and their number.
    unsafe {
        let state = state::installed();
        if count == 5 && keywords.is_null() {
            let [name, globals, locals, fromlist, level] = *arguments.cast::<[Ptr; 5]>();
            let level = ffi::PyLong_AsLong(level);
            if level == -1 && !ffi::PyErr_Occurred().is_null() {
                return ptr::null_mut();
            }
            let arguments = Arguments { name, globals, locals, fromlist, level: level as c_int };
            return by_instruction(state, &arguments).map_or(ptr::null_mut(), Object::into_ptr);
        }
        // Somebody calls it by name: CPython's own understands every way to do so.
        ffi::PyObject_Vectorcall(state.native_import, arguments, count as usize, keywords)
    }
}

/// What stands under `__import__` in the builtins that programs see, or CPython's own. Before 3.11 it is there that this function stands,
/// and whoever has taken its place calls it for the import itself.
unsafe fn actual(state: &State) -> Object {
    // SAFETY: GIL by the caller; both live for as long as the interpreter, or are kept here.
    unsafe {
        let found = ffi::PyDict_GetItemWithError(state.real_builtins, state.names.import);
        let own = found.is_null() || found == state.import.get() || !state.has_mirror();
        let found = if own { state.native_import } else { found };
        Object::borrowed(found).expect("not NULL")
    }
}

/// An import by IMPORT_NAME, or a call that looks like one. `None` leaves an exception set.
unsafe fn by_instruction(state: &State, arguments: &Arguments) -> Option<Object> {
    let &Arguments { name, globals, locals, fromlist, level } = arguments;
    // SAFETY: GIL by the caller; the arguments are live.
    unsafe {
        super::mirror::keep_in_step(state);
        let in_module = globals == locals && !globals.is_null() && is_namespace(state, globals);
        if !in_module || ffi::PyUnicode_Check(name) == 0 {
            return eagerly(state, arguments);
        }
        if is_star(fromlist) {
            let module = eagerly(state, arguments)?;
            return modules::resolve_public(state, &module).then_some(module);
        }
        match lazily(state, arguments) {
            Ok(Some(reference)) => Some(reference),
            Ok(None) => eagerly(state, arguments),
            Err(()) => None,
        }
        .inspect(|_| debug_assert!(level >= 0))
    }
}

/// Whether an object is a dict, perhaps one whose type is flipped.
unsafe fn is_namespace(state: &State, object: Ptr) -> bool {
    // SAFETY: GIL by the caller.
    unsafe { ffi::PyDict_CheckExact(object) != 0 || state.table.contains(object) }
}

unsafe fn is_star(fromlist: Ptr) -> bool {
    // SAFETY: GIL by the caller; the tuple holds strings, as the compiler makes it.
    unsafe {
        if fromlist.is_null()
            || ffi::PyTuple_Check(fromlist) == 0
            || ffi::PyTuple_Size(fromlist) != 1
        {
            return false;
        }
        let only = ffi::PyTuple_GetItem(fromlist, 0);
        ffi::PyUnicode_Check(only) != 0
            && ffi::PyUnicode_CompareWithASCIIString(only, c"*".as_ptr()) == 0
    }
}

unsafe fn eagerly(state: &State, arguments: &Arguments) -> Option<Object> {
    let &Arguments { name, globals, locals, fromlist, level } = arguments;
    // SAFETY: GIL by the caller; the arguments are live.
    unsafe {
        watch_finders(state);
        let function = actual(state);
        if is_native(function.as_ptr()) && ffi::PyUnicode_Check(name) != 0 {
            let module =
                ffi::PyImport_ImportModuleLevelObject(name, globals, locals, fromlist, level);
            return Object::owned(module);
        }
        let level = Object::owned(ffi::PyLong_FromLong(level.into()))?;
        let end = ptr::null_mut::<ffi::PyObject>();
        Object::owned(ffi::PyObject_CallFunctionObjArgs(
            function.as_ptr(),
            name,
            globals,
            locals,
            fromlist,
            level.as_ptr(),
            end,
        ))
    }
}

/// Makes the running statement lazy. `Ok(None)`: it has to be eager. `Err`: an exception is set.
unsafe fn lazily(state: &State, arguments: &Arguments) -> Result<Option<Object>, ()> {
    let &Arguments { name, globals, fromlist, level, .. } = arguments;
    // SAFETY: GIL by the caller; the arguments are live.
    unsafe {
        let known = state.table.find(globals);
        let Some(wanted) = wanted(state, arguments, known.as_deref())? else { return Ok(None) };
        let Wanted { absolute, importer } = wanted;
        if super::mirror::is_missing_here(state) {
            return Ok(None);
        }
        let pending = known.unwrap_or_else(|| modules::follow(state, globals, &importer));
        if pending.stores.get() > 0 {
            store::expect_none(&pending);
        }
        let Some(running) = running_statement(state, &pending, &absolute) else { return Ok(None) };
        let presence = Presence::of(state, absolute.as_ptr());
        if pending.kept_eager
            || presence == Presence::Complete && has_all(&absolute, fromlist)
            || !passes_filter(state, &importer, &absolute, fromlist)?
        {
            return Ok(None);
        }
        let Running { stores, whole, code, offset } = running;
        note_lazy(state, &absolute, presence, fromlist, (&code, offset));
        if modules::is_submodule(&absolute) {
            let place = errors::place_of(&code, offset);
            modules::promise_submodules(state, &absolute, &modules::Promise { place, whole });
        }
        let made = reference::to_statement(Statement {
            name,
            absolute,
            fromlist,
            level,
            globals,
            code,
            offset,
        });
        let Some(made) = made else { return Err(()) };
        state.events.pending(&pending, reference::View::of(&made), fromlist);
        store::expect(&pending, stores);
        Ok(Some(made))
    }
}

struct Wanted {
    /// The module's absolute name.
    absolute: Object,
    /// The importing module's name.
    importer: Object,
}

/// Whether the settings, the mode or the module itself want the statement lazy. `known` is the importing module's entry, if it has one: then
/// its dict is known to be a module's.
unsafe fn wanted(
    state: &State,
    arguments: &Arguments,
    known: Option<&Pending>,
) -> Result<Option<Wanted>, ()> {
    let globals = arguments.globals;
    // SAFETY: GIL by the caller.
    unsafe {
        let all = state.mode.get() == Mode::All;
        let marked = if all { ptr::null_mut() } else { marks(state, globals) };
        let marked = Object::borrowed(marked);
        if !all && marked.is_none() && !state.rules.borrow().names_modules() {
            return Ok(None);
        }
        let importer = match known {
            Some(known) => Object::borrowed(known.importer.as_ptr()),
            None => state.module_of(globals).map(|(name, _)| name),
        };
        let Some(importer) = importer else {
            ffi::PyErr_Clear();
            return Ok(None);
        };
        let Some(absolute) = absolute_name(state, arguments) else {
            // The import itself will say what is wrong.
            ffi::PyErr_Clear();
            return Ok(None);
        };
        let is_wanted = all
            || state.rules.borrow().makes_lazy(&absolute)
            || match &marked {
                Some(marked) => {
                    match ffi::PySequence_Contains(marked.as_ptr(), absolute.as_ptr()) {
                        0 => false,
                        1 => true,
                        _ => return Err(()),
                    }
                }
                None => false,
            };
        Ok(is_wanted.then_some(Wanted { absolute, importer }))
    }
}

/// `__lazy_modules__` of a namespace, borrowed, or NULL.
unsafe fn marks(state: &State, globals: Ptr) -> Ptr {
    // SAFETY: GIL by the caller; `globals` is a dict.
    unsafe { ffi::PyDict_GetItemWithError(globals, state.names.lazy_modules) }
}

/// The absolute name of the module that a statement imports from; `None` where that cannot be told, perhaps with an exception.
unsafe fn absolute_name(state: &State, arguments: &Arguments) -> Option<Object> {
    let &Arguments { name, globals, level, .. } = arguments;
    // SAFETY: GIL by the caller; the arguments are live.
    unsafe {
        if level == 0 {
            return (ffi::PyUnicode_GetLength(name) > 0).then(|| Object::borrowed(name)).flatten();
        }
        let package = ffi::PyDict_GetItemWithError(globals, state.names.package);
        let mut package = if !package.is_null() && ffi::PyUnicode_Check(package) != 0 {
            Object::borrowed(package)?
        } else {
            let own = Object::borrowed(ffi::PyDict_GetItemWithError(globals, state.names.name))?;
            if ffi::PyDict_Contains(globals, state.names.path) == 1 {
                own
            } else {
                parent_of(&own)?
            }
        };
        for _ in 1..level {
            package = parent_of(&package)?;
        }
        if ffi::PyUnicode_GetLength(package.as_ptr()) == 0 {
            return None;
        }
        if ffi::PyUnicode_GetLength(name) == 0 {
            return Some(package);
        }
        let format = c"%U.%U".as_ptr();
        Object::owned(ffi::PyUnicode_FromFormat(format, package.as_ptr(), name))
    }
}

/// What stands before the last dot of a name.
unsafe fn parent_of(name: &Object) -> Option<Object> {
    // SAFETY: GIL by the caller; `name` is a str.
    unsafe {
        let end = ffi::PyUnicode_GetLength(name.as_ptr());
        let dot = ffi::PyUnicode_FindChar(name.as_ptr(), u32::from('.'), 0, end, -1);
        if dot < 0 {
            return None;
        }
        Object::owned(ffi::PyUnicode_Substring(name.as_ptr(), 0, dot))
    }
}

struct Running {
    stores: usize,
    /// See [`super::statement::Import::whole`].
    whole: bool,
    code: Object,
    offset: usize,
}

/// The import statement that runs, if it is one that may be lazy.
unsafe fn running_statement(
    state: &State,
    pending: &Rc<Pending>,
    absolute: &Object,
) -> Option<Running> {
    // SAFETY: GIL by the caller; the bytecode lives as long as `read`.
    unsafe {
        let frame = Frame::running()?;
        let read = pending.read(&frame.code)?;
        let bytecode = frame::bytes(read.bytecode.as_ptr());
        let offset = statement::behind_extensions(bytecode, frame.offset()?);
        let import = read.statements.at(offset)?;
        if frame.in_try(&read, offset) {
            return None;
        }
        for &target in &import.targets {
            let name = ffi::PyTuple_GetItem(read.names.as_ptr(), target as isize);
            if read.statements.deleted.contains(&target)
                || ffi::PyDict_Contains(state.real_builtins, name) != 0
                    && !super::key::stands_for(state, name)
                || !pending.may_hold(name)
                || modules::is_own_submodule(state, pending, name, absolute)
            {
                return None;
            }
        }
        Some(Running {
            stores: import.targets.len(),
            whole: import.whole,
            code: frame.code,
            offset,
        })
    }
}

/// Whether a module that is loaded has all that an import wants of it: then there is nothing to put off.
unsafe fn has_all(absolute: &Object, fromlist: Ptr) -> bool {
    // SAFETY: GIL by the caller.
    unsafe {
        if fromlist.is_null() || ffi::PyTuple_Check(fromlist) == 0 {
            return true;
        }
        let modules = ffi::PyImport_GetModuleDict();
        let module = ffi::PyDict_GetItemWithError(modules, absolute.as_ptr());
        let dict = ffi::PyModule_GetDict(module);
        (0..ffi::PyTuple_Size(fromlist))
            .all(|i| ffi::PyDict_Contains(dict, ffi::PyTuple_GetItem(fromlist, i)) == 1)
    }
}

/// Asks the filter.
unsafe fn passes_filter(
    state: &State,
    importer: &Object,
    absolute: &Object,
    fromlist: Ptr,
) -> Result<bool, ()> {
    // SAFETY: GIL by the caller; the filter is kept while it runs.
    unsafe {
        let Some(filter) = Object::borrowed(state.filter.get()) else { return Ok(true) };
        let fromlist = if fromlist.is_null() { ffi::Py_None() } else { fromlist };
        let answer = Object::owned(ffi::PyObject_CallFunctionObjArgs(
            filter.as_ptr(),
            importer.as_ptr(),
            absolute.as_ptr(),
            fromlist,
            ptr::null_mut::<ffi::PyObject>(),
        ));
        match answer.map(|answer| ffi::PyObject_IsTrue(answer.as_ptr())) {
            Some(0) => Ok(false),
            Some(1) => Ok(true),
            _ => Err(()),
        }
    }
}

/// Adds what a statement imports to `lazy_modules`, as far as it is not loaded, and to what is taken from packages; `presence` is that of the
/// module itself.
unsafe fn note_lazy(
    state: &State,
    absolute: &Object,
    presence: Presence,
    fromlist: Ptr,
    (code, offset): (&Object, usize),
) {
    // SAFETY: GIL by the caller.
    unsafe {
        let add = |name: Ptr, presence: Presence| {
            !presence.is_awaited() || ffi::PySet_Add(state.lazy_modules, name) == 0
        };
        let mut added = add(absolute.as_ptr(), presence);
        if !fromlist.is_null() && ffi::PyTuple_Check(fromlist) != 0 {
            let place = errors::place_of(code, offset);
            for i in 0..ffi::PyTuple_Size(fromlist) {
                let name = ffi::PyTuple_GetItem(fromlist, i);
                let format: *const c_char = c"%U.%U".as_ptr();
                let full =
                    Object::owned(ffi::PyUnicode_FromFormat(format, absolute.as_ptr(), name));
                added &= full.is_some_and(|full| {
                    taken::note(state, name, &full, &place);
                    add(full.as_ptr(), Presence::of(state, full.as_ptr()))
                });
            }
        }
        if !added {
            ffi::PyErr_Clear();
        }
    }
}

/// Imports by CPython's own finders alone: for what a finder uses first while it is asked for that very module.
///
/// # Safety
/// GIL.
pub unsafe fn with_standard_finders(import: impl FnOnce() -> Option<Object>) -> Option<Object> {
    // SAFETY: GIL by the caller; the list of the program's own finders is kept and put back.
    unsafe {
        let name = c"meta_path".as_ptr();
        let all = Object::borrowed(ffi::PySys_GetObject(name));
        let Some(all) = all.filter(|all| ffi::PyList_Check(all.as_ptr()) != 0) else {
            return import();
        };
        let standard = Object::owned(ffi::PyList_New(0))?;
        for i in 0..ffi::PyList_Size(all.as_ptr()) {
            let finder = Object::borrowed(ffi::PyList_GetItem(all.as_ptr(), i))?;
            let home = finder.attribute(c"__module__").and_then(|home| home.to_bytes());
            if home.is_some_and(|home| home.starts_with(b"_frozen_importlib"))
                && ffi::PyList_Append(standard.as_ptr(), finder.as_ptr()) < 0
            {
                return None;
            }
        }
        if ffi::PySys_SetObject(name, standard.as_ptr()) < 0 {
            return None;
        }
        let found = import();
        let raised = super::errors::Raised::take();
        if ffi::PySys_SetObject(name, all.as_ptr()) < 0 {
            ffi::PyErr_Clear();
        }
        raised.restore();
        found
    }
}

/// A module that defines a finder must have what it imports before the finder is asked to find it.
///
/// # Safety
/// GIL.
pub unsafe fn watch_finders(state: &State) {
    // SAFETY: GIL by the caller.
    unsafe {
        let list = ffi::PyDict_GetItemWithError(state.sys, state.names.meta_path);
        if list.is_null() || ffi::PyList_Check(list) == 0 {
            return;
        }
        let first = if ffi::PyList_Size(list) > 0 { ffi::PyList_GetItem(list, 0) } else { list };
        let seen = (first, ffi::PyList_Size(list));
        if state.finders.replace(seen) == seen {
            return;
        }
        let Some(finders) = Object::owned(ffi::PyList_AsTuple(list)) else { return };
        let raised = super::errors::Raised::take();
        for i in 0..ffi::PyTuple_Size(finders.as_ptr()) {
            let finder = ffi::PyTuple_GetItem(finders.as_ptr(), i);
            if let Some(finder) = Object::borrowed(finder) {
                modules::resolve_home_of(state, &finder);
            }
        }
        raised.restore();
    }
}
