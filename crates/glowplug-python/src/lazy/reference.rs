//! What a pending name stands for: an import statement, or an attribute of what it imports; and how it is resolved.

use super::state::{self, State};
use super::{Ptr, errors, events, types};
use crate::object::Object;
use pyo3_ffi as ffi;
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// The object that a lazy IMPORT_NAME or IMPORT_FROM puts on the stack. Only the stores of the statement ever see it.
#[repr(C)]
pub struct Reference {
    head: ffi::PyObject,
    /// What it is an attribute of: owned; NULL in the reference to a whole statement.
    parent: Ptr,
    /// The attribute, or the statement's module: owned.
    name: Ptr,
    /// The module's absolute name: owned; NULL in an attribute.
    absolute: Ptr,
    /// The statement's list of names or None: owned; NULL in an attribute.
    fromlist: Ptr,
    level: c_int,
    /// The importing module's dict: borrowed, as the reference belongs to its pending names.
    globals: Ptr,
    /// The code object of the statement: owned; NULL in an attribute.
    code: Ptr,
    offset: c_int,
    /// The thread that resolves it, else zero.
    resolving: usize,
}

static TYPE: AtomicPtr<ffi::PyTypeObject> = AtomicPtr::new(ptr::null_mut());

/// Makes the type.
///
/// # Safety
/// GIL; called once.
pub unsafe fn initialise() -> bool {
    let kind = types::new(c"lazy_import", size_of::<Reference>());
    kind.tp_dealloc = Some(dealloc);
    kind.tp_getattro = Some(attribute);
    TYPE.store(kind, Ordering::Relaxed);
    // SAFETY: GIL by the caller.
    unsafe { types::ready(kind) }
}

/// Whether an object is a reference.
pub fn is(object: Ptr) -> bool {
    // SAFETY: only the object's head is read, which is live by contract of every Ptr.
    unsafe { ffi::Py_TYPE(object) == TYPE.load(Ordering::Relaxed) }
}

/// An import statement.
pub struct Statement {
    pub name: Ptr,
    pub absolute: Object,
    pub fromlist: Ptr,
    pub level: c_int,
    pub globals: Ptr,
    pub code: Object,
    pub offset: usize,
}

/// A reference to a statement.
///
/// # Safety
/// GIL; `name` and `fromlist` are live, `fromlist` may be NULL.
pub unsafe fn to_statement(statement: Statement) -> Option<Object> {
    // SAFETY: GIL by the caller; all fields are written before anyone sees the object.
    unsafe {
        let fromlist =
            if statement.fromlist.is_null() { ffi::Py_None() } else { statement.fromlist };
        allocate(Reference {
            head: ffi::PyObject_HEAD_INIT,
            parent: ptr::null_mut(),
            name: Object::borrowed(statement.name)?.into_ptr(),
            absolute: statement.absolute.into_ptr(),
            fromlist: Object::borrowed(fromlist)?.into_ptr(),
            level: statement.level,
            globals: statement.globals,
            code: statement.code.into_ptr(),
            offset: statement.offset as c_int,
            resolving: 0,
        })
    }
}

/// # Safety
/// GIL; the references in `value` are given away.
unsafe fn allocate(value: Reference) -> Option<Object> {
    // SAFETY: GIL by the caller; PyObject_New initialises the head alone, which is kept.
    unsafe {
        let object = ffi::PyObject_New::<Reference>(TYPE.load(Ordering::Relaxed));
        if object.is_null() {
            return None;
        }
        let head = ptr::read(&raw const (*object).head);
        ptr::write(object, Reference { head, ..value });
        Object::owned(object.cast())
    }
}

unsafe extern "C" fn dealloc(object: Ptr) {
    // SAFETY: called by CPython for the last reference; each field is owned or NULL.
    unsafe {
        let this = object.cast::<Reference>();
        for field in
            [(*this).parent, (*this).name, (*this).absolute, (*this).fromlist, (*this).code]
        {
            ffi::Py_XDECREF(field);
        }
        ffi::PyObject_Free(object.cast::<c_void>());
    }
}

/// IMPORT_FROM: a reference to an attribute.
unsafe extern "C" fn attribute(object: Ptr, name: Ptr) -> Ptr {
    // SAFETY: called by CPython with live objects; the new reference owns its parent and name.
    unsafe {
        let this = object.cast::<Reference>();
        ffi::Py_INCREF(object);
        ffi::Py_INCREF(name);
        let made = allocate(Reference {
            head: ffi::PyObject_HEAD_INIT,
            parent: object,
            name,
            absolute: ptr::null_mut(),
            fromlist: ptr::null_mut(),
            level: 0,
            globals: (*this).globals,
            code: ptr::null_mut(),
            offset: 0,
            resolving: 0,
        });
        made.map_or(ptr::null_mut(), Object::into_ptr)
    }
}

/// Where an import statement stands.
pub struct Place {
    /// The file's name as the code object has it.
    pub file: Object,
    /// The line.
    pub line: c_int,
}

/// A view of a reference.
#[derive(Clone, Copy)]
pub struct View(*mut Reference);

impl View {
    /// A view of an object that is a reference.
    ///
    /// # Safety
    /// The reference outlives the view. GIL.
    pub unsafe fn of(object: &Object) -> View {
        View(object.as_ptr().cast())
    }

    fn fields(&self) -> &Reference {
        // SAFETY: the reference outlives the view, by `of`; fields change under the GIL only and are read one at a time.
        unsafe { &*self.0 }
    }

    fn root(self) -> View {
        let mut view = self;
        while !view.fields().parent.is_null() {
            view = View(view.fields().parent.cast());
        }
        view
    }

    /// The absolute name of the module that the statement imports.
    pub fn module(self) -> Ptr {
        self.root().fields().absolute
    }

    /// The name that is taken from the module; `None` where a module itself is bound.
    pub fn taken(self) -> Option<Ptr> {
        let fields = self.fields();
        (!fields.parent.is_null()).then_some(fields.name)
    }

    /// Whether this very thread resolves it now.
    pub fn is_resolving_here(self) -> bool {
        self.fields().resolving == state::thread()
    }

    /// Where the statement stands.
    ///
    /// # Safety
    /// GIL.
    pub unsafe fn place(self) -> Option<Place> {
        let root = self.root();
        let fields = root.fields();
        // SAFETY: GIL by the caller; the reference owns its code object.
        unsafe {
            let code = Object::borrowed(fields.code)?;
            let file = code.attribute(c"co_filename")?;
            let line = ffi::PyCode_Addr2Line(fields.code.cast(), fields.offset);
            Some(Place { file, line })
        }
    }

    /// Imports what it refers to. `None` leaves an exception set.
    ///
    /// # Safety
    /// GIL; the importing module's dict and the reference live until the end.
    pub unsafe fn resolve(self) -> Option<Object> {
        // SAFETY: by the caller; the mark only says which thread is at work.
        unsafe {
            let before = (*self.0).resolving;
            (*self.0).resolving = state::thread();
            let found = if self.fields().parent.is_null() {
                self.import_first_name()
            } else {
                self.import_attribute()
            };
            (*self.0).resolving = before;
            found
        }
    }

    /// `import a.b.c` binds `a`: only that is imported, the others when they are looked up in it.
    unsafe fn import_first_name(self) -> Option<Object> {
        let fields = self.fields();
        // SAFETY: as `resolve`.
        unsafe {
            let end = ffi::PyUnicode_GetLength(fields.name);
            let dot = ffi::PyUnicode_FindChar(fields.name, u32::from('.'), 0, end, 1);
            if dot < 0 || fields.level > 0 {
                return call_import(fields, fields.name, fields.fromlist);
            }
            let first = Object::owned(ffi::PyUnicode_Substring(fields.name, 0, dot))?;
            let found = call_import(fields, first.as_ptr(), fields.fromlist)?;
            if super::modules::looks_up_submodules(found.as_ptr()) {
                super::modules::load_hidden(state::installed(), &found).ok()?;
                return Some(found);
            }
            call_import(fields, fields.name, fields.fromlist)
        }
    }

    unsafe fn import_attribute(self) -> Option<Object> {
        let fields = self.fields();
        let parent = View(fields.parent.cast());
        // SAFETY: as `resolve`; the parent is owned by this reference.
        unsafe {
            let of = parent.fields();
            let base = if of.parent.is_null() {
                let taken = Object::owned(ffi::PyTuple_Pack(1, fields.name))?;
                let names =
                    if of.fromlist == ffi::Py_None() { of.fromlist } else { taken.as_ptr() };
                call_import(of, of.name, names)?
            } else {
                parent.import_attribute()?
            };
            attribute_of(&base, fields.name)
        }
    }
}

/// Calls the `__import__` of the importing module.
unsafe fn call_import(statement: &Reference, name: Ptr, fromlist: Ptr) -> Option<Object> {
    // SAFETY: as `View::resolve`.
    unsafe {
        let state = state::installed();
        super::import::watch_finders(state);
        let custom = custom_import(state, statement.globals);
        let (globals, level) = (statement.globals, statement.level);
        let Some(custom) = custom else {
            let found = ffi::PyImport_ImportModuleLevelObject(
                name,
                globals,
                ffi::Py_None(),
                fromlist,
                level,
            );
            return Object::owned(found);
        };
        let level = Object::owned(ffi::PyLong_FromLong(level.into()))?;
        Object::owned(ffi::PyObject_CallFunctionObjArgs(
            custom.as_ptr(),
            name,
            globals,
            globals,
            fromlist,
            level.as_ptr(),
            ptr::null_mut::<ffi::PyObject>(),
        ))
    }
}

/// The `__import__` of a namespace where somebody has replaced it.
unsafe fn custom_import(state: &State, globals: Ptr) -> Option<Object> {
    // SAFETY: GIL by the caller; what is borrowed is kept at once.
    unsafe {
        let mut builtins = ffi::PyDict_GetItemWithError(globals, state.names.builtins);
        if builtins.is_null() || builtins == state.keys_in {
            builtins = state.real_builtins;
        } else if ffi::PyModule_Check(builtins) != 0 {
            builtins = ffi::PyModule_GetDict(builtins);
            if builtins == state.keys_in {
                builtins = state.real_builtins;
            }
        }
        if ffi::PyDict_Check(builtins) == 0 {
            return None;
        }
        let found = Object::borrowed(ffi::PyDict_GetItemWithError(builtins, state.names.import))?;
        let own = found.as_ptr() == state.import.get() || super::import::is_native(found.as_ptr());
        (!own).then_some(found)
    }
}

/// What IMPORT_FROM does: an attribute, else a submodule, else ImportError.
unsafe fn attribute_of(module: &Object, name: Ptr) -> Option<Object> {
    // SAFETY: GIL by the caller.
    unsafe {
        let found = Object::owned(ffi::PyObject_GetAttr(module.as_ptr(), name));
        if found.is_some() || ffi::PyErr_ExceptionMatches(ffi::PyExc_AttributeError) == 0 {
            return found;
        }
        ffi::PyErr_Clear();
        let its_name = module.attribute(c"__name__");
        if let Some(its_name) = its_name.as_ref().filter(|n| ffi::PyUnicode_Check(n.as_ptr()) != 0)
        {
            let format = c"%U.%U".as_ptr();
            let full = Object::owned(ffi::PyUnicode_FromFormat(format, its_name.as_ptr(), name))?;
            let loaded = ffi::PyDict_GetItemWithError(ffi::PyImport_GetModuleDict(), full.as_ptr());
            if let Some(loaded) = Object::borrowed(loaded) {
                return Some(loaded);
            }
        }
        errors::cannot_import_name(module, its_name, name);
        None
    }
}

/// Resolves a pending name and stores it into its module. `Ok(None)`: it is not pending (any more). `Err`: an exception is set.
///
/// # Safety
/// GIL; `globals` is a dict and `name` a str, both kept alive by the caller.
pub unsafe fn resolve_name(state: &State, globals: Ptr, name: Ptr) -> Result<Option<Object>, ()> {
    let Some(pending) = state.table.find(globals) else { return Ok(None) };
    // SAFETY: GIL by the caller; everything that must live through the import is owned here.
    unsafe {
        let Some(reference) = pending.reference(name) else { return Ok(None) };
        let _alive = Object::borrowed(globals);
        let view = View::of(&reference);
        let first_use = events::FirstUse::begin(state, &pending, view, name);
        let found = if view.is_resolving_here() {
            super::import::with_standard_finders(|| view.resolve())
        } else {
            view.resolve()
        };
        let Some(found) = found else {
            first_use.fail(state);
            errors::show_statement(&view, name);
            return Err(());
        };
        first_use.end(state);
        // Another thread, or the import itself, may have been quicker.
        let still = pending.reference(name).is_some_and(|now| now.as_ptr() == reference.as_ptr());
        if !still {
            let stored = Object::borrowed(ffi::PyDict_GetItemWithError(globals, name));
            return Ok(Some(stored.unwrap_or(found)));
        }
        if ffi::PyDict_SetItem(globals, name, found.as_ptr()) < 0 {
            return Err(());
        }
        state.forget(&pending, name);
        Ok(Some(found))
    }
}

impl State {
    /// A name is not pending any more; where it was the last of its module, everything is as it would have been eagerly.
    ///
    /// # Safety
    /// GIL.
    pub unsafe fn forget(&self, pending: &super::pending::Pending, name: Ptr) {
        // SAFETY: GIL by the caller.
        unsafe {
            let names = pending.names.as_ptr();
            if let Some(reference) = pending.reference(name) {
                if ffi::PyDict_DelItem(names, name) < 0 {
                    ffi::PyErr_Clear();
                }
                self.no_longer_lazy(View::of(&reference));
            }
            ffi::PySet_Discard(pending.expected.as_ptr(), name);
            #[cfg(Py_3_12)]
            super::tripwire::disarm(self, pending, name);
            super::functions::release(self, pending);
            if pending.is_empty() && pending.complete.get() {
                super::mirror::detach(self, pending.globals);
                drop(self.table.remove(pending.globals));
            }
        }
    }

    /// Takes a module's name out of `lazy_modules` once it is loaded.
    unsafe fn no_longer_lazy(&self, view: View) {
        // SAFETY: GIL by the caller; the set holds strings.
        unsafe {
            let module = view.module();
            // Of `import a.b` the name `a` is used first, and `a.b` is not loaded by that.
            let is_loaded = ffi::PyDict_Contains(ffi::PyImport_GetModuleDict(), module) == 1;
            if is_loaded && ffi::PySet_Discard(self.lazy_modules, module) < 0 {
                ffi::PyErr_Clear();
            }
            if let Some(taken) = view.taken() {
                let format = c"%U.%U".as_ptr();
                let full = Object::owned(ffi::PyUnicode_FromFormat(format, module, taken));
                if full.is_none_or(|full| ffi::PySet_Discard(self.lazy_modules, full.as_ptr()) < 0)
                {
                    ffi::PyErr_Clear();
                }
            }
        }
    }
}
