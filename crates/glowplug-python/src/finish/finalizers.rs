//! Finalizers of objects that outlive their modules because something frozen refers to them.
//!
//! In a plain process they and the modules that hold them are garbage together, and CPython calls the finalizers of garbage in the order
//! in which it was made, while everything is still intact. The same happens here, but nothing is freed afterwards.

use crate::collector;
use crate::object::{self, Object};
use pyo3_ffi as ffi;
use std::collections::{HashMap, HashSet};
use std::ffi::{c_int, c_void};
use std::ptr;

/// Objects of the frozen process that end with a word, the oldest first: weak references, since the program may end them earlier.
pub struct Frozen(Vec<Object>);

impl Frozen {
    /// # Safety
    /// GIL; called before the objects are moved out of the collector's sight.
    pub unsafe fn take() -> Frozen {
        // SAFETY: GIL by the caller. An object that cannot be referred to weakly is left out.
        unsafe {
            let mut found = Vec::new();
            let tools = Tools::new();
            let objects = tools.objects();
            for object in objects.iter() {
                // The standard streams must outlive everything; other files are refused while they are open.
                if ends_with_a_word(object) && tools.rank(object).is_none() {
                    let reference = ffi::PyWeakref_NewRef(object, ptr::null_mut());
                    found.extend(Object::owned(reference));
                }
                ffi::PyErr_Clear();
            }
            Frozen(found)
        }
    }

    /// Adds those that were found before others were made.
    ///
    /// # Safety
    /// GIL.
    pub unsafe fn add_older(&mut self, older: &Frozen) {
        // SAFETY: GIL by the caller.
        let older: Vec<Object> = older.0.iter().map(|object| unsafe { object.again() }).collect();
        self.0.splice(0..0, older);
    }

    /// # Safety
    /// GIL.
    unsafe fn alive(&self) -> Vec<Object> {
        // SAFETY: GIL by the caller; the list holds weak references.
        unsafe {
            let mut alive = Vec::new();
            for reference in &self.0 {
                alive.extend(reference.referent());
            }
            alive
        }
    }
}

/// What the end needs of modules, taken while they can still be imported.
pub struct Tools {
    get_objects: Option<Object>,
    collect: Option<Object>,
    /// Files that hold unwritten data, then those that are below them: the former have to end first.
    files: Vec<(Object, usize)>,
    /// What the interpreter itself refers to until its very end.
    roots: Vec<Object>,
}

impl Tools {
    /// # Safety
    /// GIL.
    pub unsafe fn new() -> Tools {
        // SAFETY: GIL by the caller; sys's namespace is a dict.
        unsafe {
            let present = object::loaded_module(c"gc").is_some();
            let gc = object::import(c"gc");
            if !present {
                ffi::PyDict_DelItemString(ffi::PyImport_GetModuleDict(), c"gc".as_ptr());
            }
            let get_objects = gc.as_ref().and_then(|gc| gc.attribute(c"get_objects"));
            let collect = gc.as_ref().and_then(|gc| gc.attribute(c"collect"));
            let io = object::import(c"_io");
            let kinds = [
                (c"TextIOWrapper", 0),
                (c"BufferedWriter", 1),
                (c"BufferedRandom", 1),
                (c"BufferedReader", 1),
                (c"FileIO", 2),
            ];
            let files = kinds
                .iter()
                .filter_map(|&(name, rank)| Some((io.as_ref()?.attribute(name)?, rank)));
            let files = files.collect();
            let mut roots: Vec<Object> =
                gc.iter().filter_map(|gc| gc.attribute(c"callbacks")).collect();
            let sys = object::loaded_module(c"sys");
            roots.extend(sys.and_then(|sys| Object::borrowed(ffi::PyModule_GetDict(sys.as_ptr()))));
            ffi::PyErr_Clear();
            Tools { get_objects, collect, files, roots }
        }
    }

    /// Collects garbage even where the program has switched that off, as CPython does at its end.
    ///
    /// # Safety
    /// GIL.
    pub unsafe fn collect(&self) {
        // SAFETY: GIL by the caller. `PyGC_Collect` would do nothing where the collector is off, and 3.9 has no function to switch it on.
        unsafe {
            drop(self.collect.as_ref().and_then(|collect| collect.call()));
            ffi::PyErr_Clear();
        }
    }

    /// The collector's objects, the oldest first: after a thaw those that were made since, for the others are frozen.
    ///
    /// # Safety
    /// GIL.
    unsafe fn objects(&self) -> Objects {
        // SAFETY: GIL by the caller.
        unsafe {
            let list =
                collector::without_showing(|| self.get_objects.as_ref().and_then(|get| get.call()));
            ffi::PyErr_Clear();
            Objects(list.unwrap_or_else(|| object::list([])))
        }
    }

    /// How near to the disk a file is: 0 for text and for what is no file.
    ///
    /// # Safety
    /// GIL.
    unsafe fn rank(&self, object: *mut ffi::PyObject) -> Option<usize> {
        // SAFETY: GIL by the caller; the table holds types.
        unsafe {
            let kind = ffi::Py_TYPE(object);
            let of = |file: &Object| ffi::PyType_IsSubtype(kind, file.as_ptr().cast()) != 0;
            self.files.iter().find(|(file, _)| of(file)).map(|&(_, rank)| rank)
        }
    }

    /// Whether an object is a file on a descriptor that it does not own, as those below the standard streams.
    ///
    /// # Safety
    /// GIL.
    unsafe fn is_lent(&self, object: *mut ffi::PyObject) -> bool {
        // SAFETY: GIL by the caller.
        unsafe {
            self.rank(object) == Some(2)
                && Object::borrowed(object)
                    .and_then(|file| file.attribute(c"closefd"))
                    .is_some_and(|owns| ffi::PyObject_IsTrue(owns.as_ptr()) == 0)
        }
    }
}

/// A list of objects, which it keeps alive; nobody else knows the list.
struct Objects(Object);

impl Objects {
    /// # Safety
    /// GIL, as long as it is walked.
    unsafe fn iter(&self) -> impl Iterator<Item = *mut ffi::PyObject> {
        let list = self.0.as_ptr();
        // SAFETY: by the caller; indexes are below the list's size.
        unsafe { (0..ffi::PyList_Size(list)).map(move |index| ffi::PyList_GetItem(list, index)) }
    }
}

/// The age of objects with finalizers, taken before a collection shuffles the collector's lists.
pub struct Order(HashMap<usize, usize>);

impl Order {
    /// # Safety
    /// GIL.
    pub unsafe fn take(tools: &Tools) -> Order {
        // SAFETY: GIL by the caller.
        unsafe {
            let objects = tools.objects();
            let unfinished = objects.iter().filter(|&object| is_unfinished(object));
            Order(unfinished.enumerate().map(|(age, object)| (object as usize, age)).collect())
        }
    }

    /// Objects that finalizers have made since are the youngest.
    fn of(&self, object: &Object) -> usize {
        self.0.get(&(object.as_ptr() as usize)).copied().unwrap_or(usize::MAX)
    }
}

/// Which objects end now.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Those that the interpreter does not refer to itself: by attributes of sys, context variables, callbacks.
    NotByTheInterpreter,
    /// All.
    ByAnything,
}

/// Calls the finalizers that have not been called yet; returns whether objects were left for later.
///
/// # Safety
/// GIL; no Python frame is active and no other thread runs Python code.
pub unsafe fn call(frozen: &Frozen, tools: &Tools, order: &Order, held: Held) -> bool {
    // SAFETY: GIL by the caller; the objects are kept alive by the lists.
    unsafe {
        let objects = tools.objects();
        let mut ending = frozen.alive();
        ending.retain(|object| ffi::PyObject_GC_IsFinalized(object.as_ptr()) == 0);
        let old = ending.len();
        for object in objects.iter().filter(|&object| is_unfinished(object)) {
            if !tools.is_lent(object) {
                ending.extend(Object::borrowed(object));
            }
        }
        if ending.is_empty() {
            return false;
        }
        let all = ending.len();
        // What is frozen is not among the objects that are walked.
        if held == Held::NotByTheInterpreter {
            let kept = reachable(&tools.roots, &objects);
            ending.retain(|object| !kept.contains(&(object.as_ptr() as usize)));
        }
        ending[old..].sort_by_key(|object| order.of(object));
        ending.sort_by_key(|object| tools.rank(object.as_ptr()).unwrap_or(0));
        for object in &ending {
            ffi::PyObject_CallFinalizer(object.as_ptr());
            ffi::PyErr_Clear();
        }
        ending.len() < all
    }
}

/// Addresses of the objects that were made since the thaw, if a finalizer of theirs has not been called.
///
/// # Safety
/// GIL.
pub unsafe fn unfinished(tools: &Tools) -> Option<HashSet<usize>> {
    // SAFETY: GIL by the caller; the addresses are good for comparing alone.
    unsafe {
        let objects = tools.objects();
        let any = objects.iter().any(|object| is_unfinished(object) && !tools.is_lent(object));
        any.then(|| objects.iter().map(|object| object as usize).collect())
    }
}

/// Writes out what files of frozen modules still hold.
///
/// # Safety
/// GIL.
pub unsafe fn flush_files(tools: &Tools) {
    // SAFETY: GIL by the caller.
    unsafe {
        let objects = tools.objects();
        for object in objects.iter().filter(|&object| has_finalizer(object)) {
            if tools.rank(object).is_some_and(|rank| rank < 2) {
                drop(Object::borrowed(object).and_then(|f| super::call_method(&f, c"flush")));
                ffi::PyErr_Clear();
            }
        }
    }
}

/// Whether an object's type has a finalizer, as that of every file.
///
/// # Safety
/// GIL; a live object.
unsafe fn has_finalizer(object: *mut ffi::PyObject) -> bool {
    // SAFETY: by the caller.
    unsafe { (*ffi::Py_TYPE(object)).tp_finalize.is_some() }
}

/// Whether an object has a finalizer that has not been called.
///
/// # Safety
/// GIL; a live object of the collector's.
unsafe fn is_unfinished(object: *mut ffi::PyObject) -> bool {
    // SAFETY: by the caller.
    unsafe { has_finalizer(object) && ffi::PyObject_GC_IsFinalized(object) == 0 }
}

/// Whether an object's end can be noticed: its class has a `__del__`, or it is a generator or coroutine that waits.
///
/// # Safety
/// GIL; a live object of the collector's.
unsafe fn ends_with_a_word(object: *mut ffi::PyObject) -> bool {
    // SAFETY: by the caller.
    unsafe {
        is_unfinished(object)
            && (ffi::PyGen_CheckExact(object) != 0
                || ffi::PyCoro_CheckExact(object) != 0
                || ffi::PyType_HasFeature(ffi::Py_TYPE(object), ffi::Py_TPFLAGS_HEAPTYPE) != 0)
    }
}

/// What can be reached.
struct Walk {
    /// Objects that are followed.
    known: HashSet<usize>,
    reached: HashSet<usize>,
    next: Vec<*mut ffi::PyObject>,
}

/// Those of `objects` that can be reached from the roots or from context variables, by way of each other.
///
/// # Safety
/// GIL.
unsafe fn reachable(roots: &[Object], objects: &Objects) -> HashSet<usize> {
    // SAFETY: GIL by the caller; everything that is walked is alive, and walking runs no Python code.
    unsafe {
        let known = objects.iter().map(|object| object as usize).collect();
        let mut walk = Walk { known, reached: HashSet::new(), next: Vec::new() };
        let context = Object::owned(ffi::PyContext_CopyCurrent());
        walk.next.extend(roots.iter().chain(&context).map(Object::as_ptr));
        while let Some(object) = walk.next.pop() {
            if let Some(traverse) = (*ffi::Py_TYPE(object)).tp_traverse {
                traverse(object, visit, ptr::from_mut(&mut walk).cast());
            }
        }
        ffi::PyErr_Clear();
        walk.reached
    }
}

/// # Safety
/// `walk` is a [`Walk`]; called by a type's `tp_traverse`.
unsafe extern "C" fn visit(object: *mut ffi::PyObject, walk: *mut c_void) -> c_int {
    // SAFETY: by the caller.
    let walk = unsafe { &mut *walk.cast::<Walk>() };
    if walk.known.contains(&(object as usize)) && walk.reached.insert(object as usize) {
        walk.next.push(object);
    }
    0
}
