//! Names in the code of functions that import as soon as they are looked up, on 3.12 and later.
//!
//! A function that may load a pending name shall run with the real builtins all the same, as only their loads are specialised. So the name
//! stands in its code as a *tripwire*: a str with a hash of its own. CPython asks for the hash before it looks into any dict
//! (`_PyDict_LoadGlobal` in `Objects/dictobject.c`); the answer imports and stores the object, so that the lookup finds it among the
//! globals. Then the code has its plain name back, and the load is specialised like any other.
//!
//! What else works with `co_names` must not meet a tripwire: a name that the function also uses for something else is not replaced, and
//! `code_objects.rs` shows programs the plain names.

use super::pending::{AddressMap, Pending};
use super::state::{self, State};
use super::{Ptr, frame, functions, opcodes, reference, statement, types};
use crate::object::Object;
use pyo3_ffi as ffi;
use std::cell::{Cell, RefCell};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

static TYPE: AtomicPtr<ffi::PyTypeObject> = AtomicPtr::new(ptr::null_mut());

/// How many code objects have tripwires before those are looked for that only this file keeps alive.
const FIRST_SWEEP: usize = 1024;

/// Makes the type: a str that keeps the plain name behind its own fields.
///
/// # Safety
/// GIL; called once.
pub unsafe fn initialise() -> bool {
    let kind = types::new(c"str", 0);
    // SAFETY: GIL by the caller; PyUnicode_Type is ready.
    unsafe {
        let text = &raw mut ffi::PyUnicode_Type;
        kind.tp_base = text;
        kind.tp_basicsize = (*text).tp_basicsize + size_of::<Ptr>() as isize;
        kind.tp_flags |= ffi::Py_TPFLAGS_UNICODE_SUBCLASS;
        kind.tp_richcompare = (*text).tp_richcompare;
        kind.tp_hash = Some(hash);
        TYPE.store(kind, Ordering::Relaxed);
        types::ready(kind)
    }
}

/// The field of a tripwire that holds the plain name.
unsafe fn plain_name(wire: Ptr) -> *mut Ptr {
    // SAFETY: a tripwire by the caller; `initialise` has made room behind the fields of a str.
    unsafe { wire.byte_offset(ffi::PyUnicode_Type.tp_basicsize).cast() }
}

/// CPython is about to look the name up.
unsafe extern "C" fn hash(wire: Ptr) -> ffi::Py_hash_t {
    // SAFETY: called by CPython with a live tripwire and the GIL.
    unsafe {
        let plain = ffi::PyUnicode_Type.tp_hash.expect("str has a hash")(wire);
        let name = *plain_name(wire);
        if name.is_null() || trip(state::installed(), name).is_ok() { plain } else { -1 }
    }
}

/// Resolves a name if the running instruction loads it and it is pending. `Err`: an exception is set.
unsafe fn trip(state: &State, name: Ptr) -> Result<(), ()> {
    // SAFETY: GIL by the caller; the running frame keeps its globals.
    unsafe {
        let globals = ffi::PyEval_GetGlobals();
        if globals.is_null() {
            return Ok(());
        }
        let Some(pending) = state.table.find(globals) else { return Ok(()) };
        if ffi::PyDict_Contains(globals, name) == 1 {
            // The module has bound it since, be it by an import that was eager.
            state.forget(&pending, name);
            return Ok(());
        }
        if pending.reference(name).is_none() || !super::key::loads_one_of(&[opcodes::LOAD_GLOBAL]) {
            return Ok(());
        }
        reference::resolve_name(state, globals, name).map(drop)
    }
}

/// A code object with tripwires.
struct Armed {
    code: Object,
    /// `co_names` as it was.
    names: Object,
    /// How many tripwires there are.
    wires: usize,
    /// The dict of the module that they are for, which borrows it.
    globals: Ptr,
}

/// All code objects with tripwires.
pub struct Registry {
    /// From plain names to tripwires, which live for ever: a dict.
    wires: Object,
    armed: RefCell<AddressMap<Armed>>,
    next_sweep: Cell<usize>,
}

impl Default for Registry {
    fn default() -> Registry {
        Registry {
            // SAFETY: made while the mechanism is installed, with the GIL.
            wires: unsafe { crate::object::dict() },
            armed: RefCell::default(),
            next_sweep: Cell::new(FIRST_SWEEP),
        }
    }
}

impl Registry {
    /// The names of a code object as they were without tripwires.
    pub fn plain_names(&self, code: Ptr) -> Option<Object> {
        let armed = self.armed.borrow();
        // SAFETY: GIL, as everything here needs it; the entry keeps the tuple.
        armed.get(&(code as usize)).and_then(|it| unsafe { Object::borrowed(it.names.as_ptr()) })
    }

    /// Whether no code object has a tripwire.
    pub fn is_empty(&self) -> bool {
        self.armed.borrow().is_empty()
    }

    /// Does something during which no code object has a tripwire. It must not run Python code.
    ///
    /// # Safety
    /// GIL.
    pub unsafe fn without<T>(&self, work: impl FnOnce() -> T) -> T {
        let swap = || {
            for it in self.armed.borrow_mut().values_mut() {
                // SAFETY: GIL by the caller; each tuple stays owned by one of the two.
                unsafe { it.names = exchange_names(it.code.as_ptr(), &it.names) };
            }
        };
        swap();
        let result = work();
        swap();
        result
    }

    /// The tripwire for a name.
    unsafe fn wire(&self, name: Ptr) -> Option<Ptr> {
        // SAFETY: GIL by the caller; `name` is a plain str.
        unsafe {
            let known = ffi::PyDict_GetItemWithError(self.wires.as_ptr(), name);
            if !known.is_null() {
                return Some(known);
            }
            let kind = TYPE.load(Ordering::Relaxed).cast::<ffi::PyObject>();
            let end = ptr::null_mut::<ffi::PyObject>();
            let wire = Object::owned(ffi::PyObject_CallFunctionObjArgs(kind, name, end))?;
            *plain_name(wire.as_ptr()) = Object::borrowed(name)?.into_ptr();
            let kept = ffi::PyDict_SetItem(self.wires.as_ptr(), name, wire.as_ptr()) == 0;
            kept.then_some(wire.as_ptr())
        }
    }
}

/// Gives a code object another tuple of names; the one that it had is returned.
unsafe fn exchange_names(code: Ptr, names: &Object) -> Object {
    // SAFETY: GIL by the caller; the code object owns the reference in this field.
    unsafe {
        let field = &raw mut (*frame::code(code).cast_mut()).names;
        let new = Object::borrowed(names.as_ptr()).expect("not NULL").into_ptr();
        Object::owned(ptr::replace(field, new)).expect("code has names")
    }
}

/// Puts a tripwire for each name of a function's code that is pending or may become so. `false` where that cannot be.
///
/// # Safety
/// GIL; `code` is a code object that a function of the module runs.
pub unsafe fn arm(state: &State, pending: &Pending, code: Ptr) -> bool {
    let registry = &state.tripwires;
    // The specialiser leaves a name alone that is no plain str; a debug build asserts that there is none.
    // SAFETY: GIL by the caller.
    if unsafe { types::is_debug_build() } {
        return false;
    }
    if let Some(it) = registry.armed.borrow().get(&(code as usize)) {
        return it.globals == pending.globals;
    }
    // SAFETY: GIL by the caller; the code object keeps its names until they are exchanged.
    unsafe {
        let names = (*frame::code(code)).names;
        let len = ffi::PyTuple_Size(names);
        let awaited: Vec<isize> = (0..len)
            .filter(|&i| functions::awaits(pending, ffi::PyTuple_GetItem(names, i)))
            .collect();
        let Some(armed) = wired_names(registry, code, names, &awaited) else {
            ffi::PyErr_Clear();
            return false;
        };
        let Some(code) = Object::borrowed(code) else { return false };
        let address = code.as_ptr() as usize;
        for &index in &awaited {
            let wire = ffi::PyTuple_GetItem(armed.as_ptr(), index) as usize;
            pending.wires.borrow_mut().entry(wire).or_default().push((address, index));
        }
        let names = exchange_names(code.as_ptr(), &armed);
        let it = Armed { code, names, wires: awaited.len(), globals: pending.globals };
        registry.armed.borrow_mut().insert(address, it);
        if registry.armed.borrow().len() > registry.next_sweep.get() {
            sweep(state);
        }
        true
    }
}

/// A copy of a tuple of names with tripwires at some places; `None` where one of these names is used for more than loads of globals.
unsafe fn wired_names(
    registry: &Registry,
    code: Ptr,
    names: Ptr,
    awaited: &[isize],
) -> Option<Object> {
    // SAFETY: GIL by the caller; PyTuple_SetItem takes the reference that it is given.
    unsafe {
        let bytecode = Object::borrowed(code)?.attribute(c"co_code")?;
        let other = statement::names_not_loaded_as_globals(frame::bytes(bytecode.as_ptr()));
        if other.iter().any(|&index| awaited.contains(&(index as isize))) {
            return None;
        }
        let len = ffi::PyTuple_Size(names);
        let wired = Object::owned(ffi::PyTuple_New(len))?;
        for i in 0..len {
            let name = ffi::PyTuple_GetItem(names, i);
            let shown = if awaited.contains(&i) { registry.wire(name)? } else { name };
            ffi::PyTuple_SetItem(wired.as_ptr(), i, Object::borrowed(shown)?.into_ptr());
        }
        Some(wired)
    }
}

/// A name is not pending any more: code has it back.
///
/// # Safety
/// GIL; `name` is a plain str.
pub unsafe fn disarm(state: &State, pending: &Pending, name: Ptr) {
    // SAFETY: GIL by the caller; what is dropped last may run Python code, and nothing is borrowed then.
    unsafe {
        let wire = ffi::PyDict_GetItemWithError(state.tripwires.wires.as_ptr(), name);
        let places = pending.wires.borrow_mut().remove(&(wire as usize)).unwrap_or_default();
        let done: Vec<_> = places.into_iter().filter_map(|at| cut(state, at)).collect();
        drop(done);
    }
}

/// Takes a tripwire out; the code object's own tuple is back with the last one. Returns what is to be dropped.
unsafe fn cut(state: &State, (code, index): (usize, isize)) -> Option<(Armed, Object)> {
    let mut armed = state.tripwires.armed.borrow_mut();
    let it = armed.get_mut(&code)?;
    it.wires -= 1;
    // SAFETY: GIL by the caller. The tuple in use is ours alone; the plain name stands at the same place of the original.
    unsafe {
        if it.wires > 0 {
            let wired = (*frame::code(it.code.as_ptr())).names;
            let name = Object::borrowed(ffi::PyTuple_GetItem(it.names.as_ptr(), index))?;
            let item = wired.cast::<ffi::PyTupleObject>();
            let place = (&raw mut (*item).ob_item).cast::<Ptr>().offset(index);
            // Tripwires live for ever, so that this frees nothing.
            drop(Object::owned(ptr::replace(place, name.into_ptr())));
            return None;
        }
        let it = armed.remove(&code)?;
        let wired = exchange_names(it.code.as_ptr(), &it.names);
        Some((it, wired))
    }
}

/// Takes out all tripwires of a module for names that are not pending: its body has ended, or its dict has.
///
/// # Safety
/// GIL.
pub unsafe fn settle(state: &State, pending: &Pending, is_gone: bool) {
    let wires: Vec<usize> = pending.wires.borrow().keys().copied().collect();
    for wire in wires {
        // SAFETY: GIL by the caller; the addresses are those of tripwires, which live for ever.
        unsafe {
            let name = *plain_name(wire as Ptr);
            if is_gone || pending.reference(name).is_none() {
                disarm(state, pending, name);
            }
        }
    }
}

/// Lets go of code that nobody else keeps alive.
unsafe fn sweep(state: &State) {
    let registry = &state.tripwires;
    // SAFETY: GIL by the caller; what is dropped last may run Python code, and nothing is borrowed then.
    let dead: Vec<_> = {
        let mut armed = registry.armed.borrow_mut();
        // SAFETY: GIL by the caller; only the count is read.
        let unused = |it: &mut Armed| unsafe { ffi::Py_REFCNT(it.code.as_ptr()) } == 1;
        let dead: Vec<_> = armed.extract_if(|_, it| unused(it)).collect();
        registry.next_sweep.set(FIRST_SWEEP.max(armed.len() * 2));
        state.table.for_each(|pending| {
            for places in pending.wires.borrow_mut().values_mut() {
                places.retain(|(code, _)| armed.contains_key(code));
            }
        });
        dead
    };
    drop(dead);
}
