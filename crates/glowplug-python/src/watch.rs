//! Tells whether some code changes objects that were there before it.
//!
//! An import that is kept apart is done after others that it preceded in the program. That is the same only if it leaves alone what
//! those see: the objects that existed when it began. Every object that the garbage collector knows is compared by what it refers
//! to; what the collector does not know holds no references, and what such objects keep in memory of their own (the elements of an
//! array, a generator's state) is looked after elsewhere or not at all.

use crate::object::{self, Object};
use pyo3_ffi as ffi;
use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, c_int, c_void};
use std::ptr;
use std::sync::Mutex;

/// Classes of objects that change when they are merely used: caches, and what the interpreter keeps of what it runs.
const RESTLESS: [&[u8]; 13] = [
    b"frame",
    b"generator",
    b"coroutine",
    b"async_generator",
    b"traceback",
    b"tuple",
    b"FileFinder",
    b"_ModuleLock",
    b"_DummyModuleLock",
    b"_ModuleLockManager",
    ABC_DATA,
    LRU_CACHE,
    b"functools._lru_list_elem",
];

/// The class of `functools.lru_cache`'s functions, whose dicts are caches.
const LRU_CACHE: &[u8] = b"functools._lru_cache_wrapper";

/// What an abstract class knows of others; see [`AbcData`].
const ABC_DATA: &[u8] = b"_abc._abc_data";

/// The object behind [`ABC_DATA`]: Modules/_abc.c of CPython 3.9 to 3.15. Its caches are sets that asking `isinstance` fills, its registry
/// is one that counts.
#[repr(C)]
struct AbcData {
    head: ffi::PyObject,
    registry: *mut ffi::PyObject,
    cache: *mut ffi::PyObject,
    negative_cache: *mut ffi::PyObject,
}

/// Classes of this extension's own Python code.
const OWN: [&[u8]; 3] = [b"GlowplugImporting", b"GlowplugRecording", b"GlowplugWatch"];

/// Modules of which dicts, lists and sets are caches of the interpreter's or the library's own.
const CACHING: [&CStr; 8] = [
    c"_frozen_importlib",
    c"_frozen_importlib_external",
    c"re",
    c"sre_compile",
    c"re._compiler",
    c"linecache",
    c"tokenize",
    c"copyreg",
];

/// What is remembered between the beginning and the end of code that is kept apart.
#[derive(Default)]
struct Watch {
    /// What each object referred to.
    before: HashMap<usize, u64>,
    /// Keeps those objects, so that none is freed and another one takes its address.
    held: Option<usize>,
    /// Objects that were made by code that is kept apart; it may change them.
    foreign: HashSet<usize>,
}

static WATCH: Mutex<Option<Watch>> = Mutex::new(None);

/// `watch_begin()`: code that is kept apart runs from here on.
pub unsafe extern "C" fn begin(_: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    let Ok(mut watch) = WATCH.lock() else { return ptr::null_mut() };
    let watch = watch.get_or_insert_default();
    // SAFETY: GIL: called by CPython.
    unsafe {
        let Some(objects) = tracked() else { return ptr::null_mut() };
        let restless = restless(&objects);
        watch.before = each(&objects)
            .filter(|&o| !watch.foreign.contains(&(o as usize)))
            .filter(|&o| !is_restless(o, &restless))
            .flat_map(with_untracked_dicts)
            .filter(|&o| !restless.contains(&(o as usize)))
            .map(|o| (o as usize, references(o)))
            .collect();
        watch.held = Some(objects.into_ptr() as usize);
        object::none().into_ptr()
    }
}

/// `watch_own(module, spec)`: what was made for a module that is kept apart before its body began; it may change that.
pub unsafe extern "C" fn own(
    _: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let Ok(mut watch) = WATCH.lock() else { return ptr::null_mut() };
    let watch = watch.get_or_insert_default();
    // SAFETY: GIL: called by CPython with a tuple.
    unsafe {
        for object in (0..2).map(|index| ffi::PyTuple_GetItem(arguments, index)) {
            if object.is_null() {
                return ptr::null_mut();
            }
            let dicts = referred(object).into_iter().filter(|&o| ffi::PyDict_CheckExact(o) != 0);
            for object in std::iter::once(object).chain(dicts) {
                watch.foreign.insert(object as usize);
                watch.before.remove(&(object as usize));
            }
        }
        object::none().into_ptr()
    }
}

/// `watch_end()`: tells in words what the code has changed; `None` where nothing.
pub unsafe extern "C" fn end(_: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    let Ok(mut watch) = WATCH.lock() else { return ptr::null_mut() };
    let Some(watch) = watch.as_mut() else { return ptr::null_mut() };
    // SAFETY: GIL: called by CPython. `held` is the list of `begin`, which owns all objects of `before` but untracked dicts; those are
    // kept by what refers to them unless that has changed, which is found first or makes the answer the same.
    unsafe {
        let Some(held) = watch.held.take() else { return object::none().into_ptr() };
        let held = Object::owned(held as *mut ffi::PyObject);
        let restless = held.as_ref().map(|held| restless(held)).unwrap_or_default();
        let changed = held.as_ref().and_then(|held| {
            each(held).find_map(|owner| {
                let mine = |o: &*mut ffi::PyObject| !restless.contains(&(*o as usize));
                with_untracked_dicts(owner).into_iter().filter(mine).find_map(|o| {
                    let before = *watch.before.get(&(o as usize))?;
                    (references(o) != before && !only_submodules(o, before)).then(|| name(owner))
                })
            })
        });
        let known: HashSet<usize> = held.iter().flat_map(each).map(|o| o as usize).collect();
        if let Some(objects) = tracked() {
            let new = each(&objects).map(|o| o as usize).filter(|o| !known.contains(o));
            watch.foreign.extend(new);
        }
        watch.before.clear();
        match changed {
            Some(name) => object::string(&name).into_ptr(),
            None => object::none().into_ptr(),
        }
    }
}

/// All objects that the collector knows.
///
/// # Safety
/// GIL.
unsafe fn tracked() -> Option<Object> {
    // SAFETY: GIL by the caller.
    unsafe { object::import(c"gc")?.attribute(c"get_objects")?.call() }
}

/// The entries of a list, borrowed.
fn each(list: &Object) -> impl Iterator<Item = *mut ffi::PyObject> {
    let list = list.as_ptr();
    // SAFETY: GIL: used by `begin` and `end` alone, on the collector's list, which nobody else has.
    (0..unsafe { ffi::PyList_Size(list) }).map(move |i| unsafe { ffi::PyList_GetItem(list, i) })
}

/// An object and the dicts that only it makes known: the collector does not track dicts of plain values.
fn with_untracked_dicts(owner: *mut ffi::PyObject) -> Vec<*mut ffi::PyObject> {
    let mut found = referred(owner);
    // SAFETY: GIL by the callers; what a live object refers to is live.
    found.retain(|&o| unsafe {
        ffi::PyDict_CheckExact(o) != 0 && ffi::PyObject_GC_IsTracked(o) == 0
    });
    found.push(owner);
    found
}

/// A digest of what an object refers to, in its order.
fn references(owner: *mut ffi::PyObject) -> u64 {
    unsafe extern "C" fn mix(o: *mut ffi::PyObject, digest: *mut c_void) -> c_int {
        // SAFETY: `digest` is the number below.
        unsafe {
            let digest = digest.cast::<u64>();
            // FNV-1a over whole words.
            *digest = (*digest ^ o as u64).wrapping_mul(0x0000_0100_0000_01b3);
        }
        0
    }
    let mut digest = 0xcbf2_9ce4_8422_2325u64;
    // SAFETY: GIL by the callers; the object is live.
    unsafe { traverse(owner, mix, ptr::from_mut(&mut digest).cast()) };
    digest
}

/// # Safety
/// GIL; the object is live; `visit` does not run Python code.
unsafe fn traverse(
    object: *mut ffi::PyObject,
    visit: unsafe extern "C" fn(*mut ffi::PyObject, *mut c_void) -> c_int,
    argument: *mut c_void,
) {
    // SAFETY: by the caller; a type that the collector knows has this slot.
    unsafe {
        if let Some(traverse) = (*ffi::Py_TYPE(object)).tp_traverse {
            traverse(object, visit, argument);
        }
    }
}

/// Whether a dict has only got modules since, as a package's namespace does when its submodules are loaded.
fn only_submodules(dict: *mut ffi::PyObject, before: u64) -> bool {
    // SAFETY: GIL by the callers; keys and values are borrowed while nothing changes the dict.
    unsafe {
        if ffi::PyDict_CheckExact(dict) == 0 {
            return false;
        }
        let copy = ffi::PyDict_Copy(dict);
        let Some(copy) = Object::owned(copy) else { return false };
        let mut position = 0;
        let (mut key, mut value) = (ptr::null_mut(), ptr::null_mut());
        let mut modules = Vec::new();
        while ffi::PyDict_Next(dict, &mut position, &mut key, &mut value) != 0 {
            if ffi::PyModule_Check(value) != 0 {
                modules.push(key);
            }
        }
        // The newest are last.
        for key in modules.into_iter().rev() {
            ffi::PyDict_DelItem(copy.as_ptr(), key);
            if references(copy.as_ptr()) == before {
                return true;
            }
        }
        false
    }
}

/// Objects that change when they are merely used.
///
/// # Safety
/// GIL.
unsafe fn restless(objects: &Object) -> HashSet<usize> {
    let mut found = HashSet::new();
    // SAFETY: GIL by the caller.
    unsafe {
        let modules = ffi::PyImport_GetModuleDict();
        found.insert(modules as usize);
        if let Some(cache) = Object::borrowed(ffi::PySys_GetObject(c"path_importer_cache".as_ptr()))
        {
            found.insert(cache.as_ptr() as usize);
        }
        for name in CACHING {
            let Some(module) = object::loaded_module(name) else { continue };
            let namespace = ffi::PyModule_GetDict(module.as_ptr());
            let (mut position, mut value) = (0, ptr::null_mut());
            while ffi::PyDict_Next(namespace, &mut position, ptr::null_mut(), &mut value) != 0 {
                let caches = ffi::PyDict_CheckExact(value) != 0
                    || ffi::PyList_CheckExact(value) != 0
                    || ffi::PySet_Check(value) != 0;
                if caches {
                    found.insert(value as usize);
                }
            }
        }
        for object in each(objects) {
            let class = class(object);
            if class == LRU_CACHE {
                found.extend(referred(object).into_iter().map(|o| o as usize));
            } else if class == ABC_DATA {
                let data = &*object.cast::<AbcData>();
                found.extend([data.cache as usize, data.negative_cache as usize]);
            } else if OWN.contains(&class) {
                // Its attributes, and what is in those. Before CPython 3.11 they stand in a dict of their own.
                let mut level = vec![object];
                for _ in 0..3 {
                    level = level.into_iter().flat_map(contents).collect();
                    found.extend(level.iter().map(|&o| o as usize));
                }
            }
        }
    }
    found
}

/// What is in one of this extension's own objects or in a dict.
fn contents(owner: *mut ffi::PyObject) -> Vec<*mut ffi::PyObject> {
    // SAFETY: GIL by the callers; the object is live.
    let opens = unsafe { ffi::PyDict_CheckExact(owner) != 0 || OWN.contains(&class(owner)) };
    if opens { referred(owner) } else { Vec::new() }
}

/// What an object refers to.
fn referred(owner: *mut ffi::PyObject) -> Vec<*mut ffi::PyObject> {
    unsafe extern "C" fn collect(o: *mut ffi::PyObject, found: *mut c_void) -> c_int {
        // SAFETY: `found` is the vector below.
        unsafe { (*found.cast::<Vec<*mut ffi::PyObject>>()).push(o) };
        0
    }
    let mut found = Vec::new();
    // SAFETY: GIL by the callers; the object is live.
    unsafe { traverse(owner, collect, ptr::from_mut(&mut found).cast()) };
    found
}

/// The name of an object's class.
///
/// # Safety
/// GIL; the object is live, and the result is used while it is.
unsafe fn class<'a>(object: *mut ffi::PyObject) -> &'a [u8] {
    // SAFETY: by the caller; a type's name is a C string.
    unsafe { CStr::from_ptr((*ffi::Py_TYPE(object)).tp_name).to_bytes() }
}

/// # Safety
/// GIL; the object is live.
unsafe fn is_restless(object: *mut ffi::PyObject, restless: &HashSet<usize>) -> bool {
    // SAFETY: by the caller.
    let class = unsafe { class(object) };
    restless.contains(&(object as usize)) || RESTLESS.contains(&class) || OWN.contains(&class)
}

/// What an object is, for people.
///
/// # Safety
/// GIL; the object is live.
unsafe fn name(object: *mut ffi::PyObject) -> Vec<u8> {
    // SAFETY: by the caller; a type's name is a C string.
    unsafe {
        let class = class(object);
        let named = if ffi::PyDict_CheckExact(object) != 0 {
            Object::borrowed(ffi::PyDict_GetItemString(object, c"__name__".as_ptr()))
        } else {
            Object::borrowed(object).and_then(|object| object.attribute(c"__name__"))
        };
        let named = named.filter(|name| ffi::PyUnicode_Check(name.as_ptr()) != 0);
        match named.and_then(|name| name.to_bytes()) {
            Some(name) => [b"a ", class, b" of ", &name].concat(),
            None => [b"a ", class].concat(),
        }
    }
}
