//! Where an import is written: the place of the statement or call that a load is due to.

use crate::api::{self, Owned, Ref, api, text};
use crate::intern::{self, Table};
use crate::names;
use crate::trace::{self, Kind};
use core::cell::Cell;
use core::sync::atomic::{AtomicPtr, Ordering};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, OnceLock};

/// A place that imports.
#[derive(Clone, Copy, Debug, Default)]
pub struct Site {
    /// Number of its file's name, as its code object says it.
    pub file: u32,
    /// Its line.
    pub line: u32,
    /// Number of its module's `__name__`.
    pub module: u32,
    /// Number of its module's `__package__`.
    pub package: u32,
    /// Whether it is in a function.
    pub in_function: bool,
}

thread_local! {
    static CURRENT: Cell<Site> = const { Cell::new(Site { file: 0, line: 0, module: 0, package: 0, in_function: false }) };
}

/// The place whose import this thread is carrying out.
pub fn current() -> Site {
    CURRENT.with(Cell::get)
}

/// Sets the place, and returns the one before.
pub fn enter(site: Site) -> Site {
    CURRENT.with(|current| current.replace(site))
}

/// The place in the program that runs now: the innermost frame outside of importlib. `globals` are those of an import statement,
/// where they are known.
pub fn of_frame(globals: Ref) -> Site {
    // SAFETY: called by Python, with the GIL; PyEval_GetFrame borrows, the others return references of ours.
    unsafe {
        let api = api();
        let running = (api.PyEval_GetFrame)();
        if running.is_null() {
            return Site::default();
        }
        (api.Py_IncRef)(running);
        let mut frame = Owned::take(running);
        while let Some(this) = frame {
            let code = Owned::take((api.PyFrame_GetCode)(this.get()));
            let file = code.as_ref().and_then(|code| {
                Owned::take((api.PyObject_GetAttr)(code.get(), names::FILENAME.get()))
            });
            if let (Some(code), Some(file)) = (code, file)
                && !is_importlib(file.get())
            {
                return site(&this, &code, &file, globals);
            }
            frame = Owned::take((api.PyFrame_GetBack)(this.get()));
        }
    }
    Site::default()
}

fn site(frame: &Owned, code: &Owned, file: &Owned, globals: Ref) -> Site {
    // SAFETY: as in `of_frame`.
    unsafe {
        let api = api();
        let line = (api.PyFrame_GetLineNumber)(frame.get());
        let name = Owned::take((api.PyObject_GetAttr)(code.get(), names::CODE_NAME.get()));
        let own = if globals.is_null() { frame.attribute(c"f_globals") } else { None };
        let globals = own.as_ref().map_or(globals, Owned::get);
        let of = |name: &names::Name| {
            if globals.is_null() {
                0
            } else {
                intern::object((api.PyDict_GetItem)(globals, name.get()))
            }
        };
        Site {
            file: intern::object(file.get()),
            line: u32::try_from(line).unwrap_or(0),
            module: of(&names::NAME),
            package: of(&names::PACKAGE),
            in_function: name.is_some_and(|name| text(name.get()) != Some(b"<module>")),
        }
    }
}

fn is_importlib(file: Ref) -> bool {
    let name = text(file).unwrap_or_default();
    name.starts_with(b"<frozen importlib") || name.ends_with(b"/importlib/__init__.py")
}

static SEEN: Mutex<Option<Table<u64, ()>>> = Mutex::new(None);

/// For what large programs import, as growing would move it all several times.
fn room_for_many() -> Table<u64, ()> {
    Table::with_capacity_and_hasher(8192, BuildHasherDefault::default())
}

/// An import at a place.
pub struct Import {
    /// What is asked for, borrowed.
    pub name: Ref,
    /// How far above the package.
    pub level: i64,
    /// The `from` list, borrowed; null for none.
    pub from: Ref,
    /// Whether it is a statement.
    pub statement: bool,
}

/// Takes a note of an import at a place, once. `outcome` is what came of it, borrowed; null where it failed.
pub fn note_edge(site: &Site, import: &Import, outcome: Ref) {
    let Import { name, level, from, statement } = *import;
    let number = intern::object(name);
    let mut hasher = intern::Multiply::default();
    for part in [
        u64::from(site.file) << 32 | u64::from(site.line),
        u64::from(number) << 32 | u64::from(site.module),
    ] {
        hasher.write_u64(part);
    }
    hasher.write_u64(from as u64);
    let Ok(mut seen) = SEEN.try_lock() else { return };
    if seen.get_or_insert_with(room_for_many).insert(hasher.finish(), ()).is_some() {
        return;
    }
    drop(seen);
    let mut words = vec![
        u64::from(site.file) << 32 | u64::from(site.line),
        u64::from(site.module) << 32 | u64::from(site.package),
        level as u64,
    ];
    words.extend(from_list(from, outcome));
    let flags = u8::from(site.in_function) | u8::from(!statement) << 1;
    trace::note(Kind::Edge, flags, number, &[&words]);
}

/// The numbers of names of a `from` list (a tuple, where a statement gives it) that may be those of modules. Most names are not;
/// one 0 stands for these, as nothing but their being there matters.
fn from_list(from: Ref, module: Ref) -> Vec<u64> {
    const MOST: isize = 200;
    if from.is_null() {
        return Vec::new();
    }
    // SAFETY: called with the GIL; PyTuple_Size of something else is an error, which is cleared, and so is PyModule_GetDict of what is
    // no module.
    let (length, members) = unsafe {
        let members = if module.is_null() { module } else { (api().PyModule_GetDict)(module) };
        let length = (api().PyTuple_Size)(from);
        (api().PyErr_Clear)();
        (length.min(MOST), members)
    };
    let mut numbers: Vec<u64> = (0..length)
        .map(|index| api::positional(from, index))
        .map(|name| if may_be_module(name, members) { intern::object(name) } else { 0 })
        .map(u64::from)
        .collect();
    numbers.dedup();
    numbers
}

/// Whether a name of a `from` list may be that of a module: it is one, or cannot be looked up.
fn may_be_module(name: Ref, members: Ref) -> bool {
    static STAR: AtomicPtr<api::Object> = AtomicPtr::new(core::ptr::null_mut());
    if members.is_null() || name == STAR.load(Ordering::Relaxed) {
        return true;
    }
    // SAFETY: called with the GIL on live objects; the value is borrowed.
    let value = unsafe { (api().PyDict_GetItem)(members, name) };
    if !value.is_null() {
        return is_module(value);
    }
    let star = text(name) == Some(b"*");
    if star {
        STAR.store(name, Ordering::Relaxed);
    }
    star
}

/// Whether an object is a module of some type.
fn is_module(object: Ref) -> bool {
    static MODULE: OnceLock<usize> = OnceLock::new();
    let kind =
        *MODULE.get_or_init(|| api::symbol("PyModule_Type\0").map_or(0, |kind| kind as usize));
    // SAFETY: called with the GIL on a live object, and a type of CPython's.
    unsafe {
        let found = Owned::take((api().PyObject_Type)(object));
        found.is_some_and(|found| {
            found.get() as usize == kind
                || (api().PyType_IsSubtype)(found.get(), kind as *mut api::Object) != 0
        })
    }
}
