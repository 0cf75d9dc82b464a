//! Where an import is written: the place of the statement or call that a load is due to.

use crate::api::{Owned, Ref, api, text};
use crate::intern::{self, Table};
use crate::names;
use crate::trace::{self, Kind};
use core::cell::Cell;
use std::hash::Hasher;
use std::sync::Mutex;

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

/// Takes a note of an import at a place, once.
pub fn note_edge(site: &Site, name: Ref, level: i64, from: Ref, statement: bool) {
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
    if seen.get_or_insert_with(Table::default).insert(hasher.finish(), ()).is_some() {
        return;
    }
    drop(seen);
    let mut words = vec![
        u64::from(site.file) << 32 | u64::from(site.line),
        u64::from(site.module) << 32 | u64::from(site.package),
        level as u64,
    ];
    words.extend(from_list(from));
    let flags = u8::from(site.in_function) | u8::from(!statement) << 1;
    trace::note(Kind::Edge, flags, number, &[&words]);
}

/// The names of a `from` list: a tuple, where a statement gives it.
fn from_list(from: Ref) -> Vec<u64> {
    if from.is_null() {
        return Vec::new();
    }
    // SAFETY: called with the GIL; PyTuple_Size of something else is an error, which is cleared.
    unsafe {
        let length = (api().PyTuple_Size)(from);
        if length < 0 {
            (api().PyErr_Clear)();
            return Vec::new();
        }
        (0..length.min(200))
            .map(|index| u64::from(intern::object((api().PyTuple_GetItem)(from, index))))
            .collect()
    }
}
