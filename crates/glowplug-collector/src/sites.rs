//! Where an import is written: the place of the statement or call that a load is due to.

use crate::api::{self, Owned, Ref, api, text};
use crate::codes::{self, Code};
use crate::intern::{self, Table};
use crate::names;
use crate::trace::{self, Kind};
use core::cell::Cell;
use core::sync::atomic::{AtomicPtr, Ordering};
use std::hash::Hasher;
use std::sync::Mutex;

/// A place that imports.
#[derive(Clone, Copy, Debug, Default)]
pub struct Site {
    /// Number of its code object.
    pub code: u32,
    /// Where in it; see [`Kind::Code`].
    pub at: u32,
    /// Number of its module's `__name__`.
    pub module: u32,
    /// Number of its module's `__package__`.
    pub package: u32,
    /// Whether it is in a function.
    pub in_function: bool,
}

impl Site {
    /// As notes have it: code and place in it, module and package.
    pub fn words(&self) -> [u64; 2] {
        [
            u64::from(self.code) << 32 | u64::from(self.at),
            u64::from(self.module) << 32 | u64::from(self.package),
        ]
    }
}

thread_local! {
    static CURRENT: Cell<Site> = const { Cell::new(Site { code: 0, at: 0, module: 0, package: 0, in_function: false }) };
}

thread_local! {
    static LOADING: Cell<u32> = const { Cell::new(0) };
}

/// The load of a module begins or goes on, by the number of its name. Returns that of the load before.
pub fn enter_load(name: u32) -> u32 {
    LOADING.with(|loading| loading.replace(name))
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
        let mut frame = Owned::borrowed((api.PyEval_GetFrame)());
        while let Some(this) = frame {
            let Some(code) = Owned::take((api.PyFrame_GetCode)(this.get())) else { break };
            let own = if globals.is_null() { names::GLOBALS.of(this.get()) } else { None };
            let code = codes::of(&code, own.as_ref().map_or(globals, Owned::get));
            if !code.is_importlib {
                return site(&this, &code);
            }
            frame = Owned::take((api.PyFrame_GetBack)(this.get()));
        }
    }
    Site::default()
}

fn site(frame: &Owned, code: &Code) -> Site {
    // SAFETY: called with the GIL on a live frame; the attribute is an int.
    let at = unsafe {
        if code.by_line {
            i64::from((api().PyFrame_GetLineNumber)(frame.get()))
        } else {
            let last = names::LAST_INSTRUCTION.of(frame.get());
            last.map_or(0, |last| (api().PyLong_AsLong)(last.get()))
        }
    };
    Site {
        code: code.number,
        at: u32::try_from(at).unwrap_or(0),
        module: code.module,
        package: code.package,
        in_function: code.in_function,
    }
}

static SEEN: Mutex<Option<Table<u64, ()>>> = Mutex::new(None);

/// An import at a place.
pub struct Import {
    /// What is asked for, borrowed.
    pub name: Ref,
    /// How far above the package.
    pub level: i64,
    /// The `from` list, borrowed; null for none.
    pub from: Ref,
    /// How it is written.
    pub form: Form,
}

/// How an import is written; the bits of its note.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub enum Form {
    /// As a statement.
    Statement = 0,
    /// As a call of `__import__`.
    Call = 2,
    /// As a call of importlib.
    Importlib = 2 | 4,
}

/// Takes a note of an import at a place, once; of one in a function once in each load that comes to call the function, as it is this
/// load's doing. `outcome` is what came of it, borrowed; null where it failed.
pub fn note_edge(site: &Site, import: &Import, outcome: Ref) {
    let Import { name, level, from, form } = *import;
    let number = intern::object(name);
    let place = site.words();
    let mut hasher = intern::Multiply::default();
    let load = if site.in_function { LOADING.get() } else { 0 };
    let whose = u64::from(number) << 32 | u64::from(site.module);
    for part in [place[0], whose, from as u64, u64::from(load)] {
        hasher.write_u64(part);
    }
    let Ok(mut seen) = SEEN.try_lock() else { return };
    if seen.get_or_insert_with(Table::default).insert(hasher.finish(), ()).is_some() {
        return;
    }
    drop(seen);
    let mut numbers = [0; MOST_NAMES];
    let numbers = from_list(from, outcome, &mut numbers);
    let flags = u8::from(site.in_function) | form as u8;
    trace::note(Kind::Edge, flags, number, &[&place, &[level as u64], numbers]);
}

/// Of longer `from` lists the beginning is noted.
const MOST_NAMES: usize = 200;

/// The numbers of names of a `from` list (a tuple, where a statement gives it) that may be those of modules. Most names are not;
/// one 0 stands for these, as nothing but their being there matters.
fn from_list(from: Ref, module: Ref, numbers: &mut [u64; MOST_NAMES]) -> &[u64] {
    if from.is_null() {
        return &[];
    }
    // SAFETY: called with the GIL; PyTuple_Size of something else is an error, which is cleared, and so is PyModule_GetDict of what is
    // no module.
    let (length, members) = unsafe {
        let members = if module.is_null() { module } else { (api().PyModule_GetDict)(module) };
        let length = (api().PyTuple_Size)(from);
        if length < 0 || members.is_null() {
            (api().PyErr_Clear)();
        }
        (length, members)
    };
    let mut count = 0;
    for index in 0..length {
        let name = api::item(from, index);
        let number = if may_be_module(name, members) { u64::from(intern::object(name)) } else { 0 };
        if count == 0 || numbers[count - 1] != number {
            numbers[count] = number;
            count += 1;
        }
        if count == MOST_NAMES {
            break;
        }
    }
    &numbers[..count]
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
        return api::MODULE.is_kind_of(value);
    }
    let star = text(name) == Some(b"*");
    if star {
        STAR.store(name, Ordering::Relaxed);
    }
    star
}
