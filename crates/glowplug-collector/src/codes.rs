//! Code objects that import, each noted once ([`Kind::Code`]) with the table of its lines.
//!
//! To find the line of an instruction, CPython goes through the table from its beginning, for each import anew. Here the place of
//! the instruction is noted, and whoever reads the notes looks for the line.

use crate::api::{self, Owned, Ref, api, text};
use crate::intern::{self, Table};
use crate::names::{self, Name};
use crate::trace::{self, Kind};
use core::cell::Cell;
use core::ffi::c_char;
use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};
use std::sync::Mutex;

/// What is known of a code object, and of the module that it ran in last.
#[derive(Clone, Copy, Debug, Default)]
pub struct Code {
    /// Its number in the notes.
    pub number: u32,
    /// Whether places in it are told by line, as there is no table for them.
    pub by_line: bool,
    /// Whether it is importlib's own.
    pub is_importlib: bool,
    /// Whether it is not a module's.
    pub in_function: bool,
    /// Number of its module's `__name__`.
    pub module: u32,
    /// Number of its module's `__package__`.
    pub package: u32,
    /// The address of the globals which say so.
    globals: usize,
}

/// So that a program which makes code for ever does not fill the file. What comes later has the number 0 and no place.
const MOST: u32 = 100_000;

/// Code of functions by address; each is held for ever, so that no other can take its place.
static FUNCTIONS: Mutex<Option<Table<usize, Code>>> = Mutex::new(None);

/// Code of a module, and a reference to it of our own, or null.
pub type Running = (Ref, Code);

const NOTHING: Running = (
    ptr::null_mut(),
    Code {
        number: 0,
        by_line: false,
        is_importlib: false,
        in_function: false,
        module: 0,
        package: 0,
        globals: 0,
    },
);

thread_local! {
    // Not dropped with its thread, which does not hold the GIL then.
    static RUNNING: Cell<Running> = const { Cell::new(NOTHING) };
    /// The code that the load is due to, which what C code imports for it seems to come from. The reference is [`Outer`]'s.
    static IMPORTING: Cell<Running> = const { Cell::new(NOTHING) };
}

/// What ran before a load: the code that it is due to, and the code that the load is due to in which this ran.
pub struct Outer(Running, Running);

/// The load of a module begins: code of another one will run. To be handed to [`end_load`].
pub fn begin_load() -> Outer {
    let running = RUNNING.replace(NOTHING);
    Outer(running, IMPORTING.replace(running))
}

/// The load is over; the code that began it runs on.
pub fn end_load(outer: Outer) {
    drop(Owned::take_or_null(RUNNING.replace(outer.0).0));
    IMPORTING.set(outer.1);
}

/// What is known of the code that a frame runs. `globals` are those that decide about its module.
pub fn of(code: &Owned, globals: Ref) -> Code {
    let (running, known) = RUNNING.with(Cell::get);
    if running == code.get() {
        return in_module(known, globals, |known| {
            RUNNING.with(|place| place.set((running, known)))
        });
    }
    let (importing, known) = IMPORTING.get();
    if importing == code.get() {
        return in_module(known, globals, |_| {});
    }
    let Ok(mut functions) = FUNCTIONS.try_lock() else { return Code::default() };
    let functions = functions.get_or_insert_with(Table::default);
    if let Some(entry) = functions.get_mut(&(code.get() as usize)) {
        return in_module(*entry, globals, |known| *entry = known);
    }
    let Some(made) = note(code.get()) else { return Code::default() };
    let made = in_module(made, globals, |_| {});
    if made.number == 0 && !made.is_importlib {
        return made;
    }
    let held = Owned::borrowed(code.get()).map_or(ptr::null_mut(), Owned::into_raw);
    if made.in_function {
        functions.insert(held as usize, made);
    } else {
        let before = RUNNING.with(|running| running.replace((held, made)));
        drop(Owned::take_or_null(before.0));
    }
    made
}

/// Completes what is known by the module that globals belong to, and keeps that where it is new.
fn in_module(known: Code, globals: Ref, keep: impl FnOnce(Code)) -> Code {
    if globals.is_null() || known.globals == globals as usize {
        return known;
    }
    let of = |name: &Name| {
        // SAFETY: called with the GIL on a live dictionary; what is found is borrowed.
        intern::object(unsafe { (api().PyDict_GetItem)(globals, name.get()) })
    };
    let known = Code {
        module: of(&names::NAME),
        package: of(&names::PACKAGE),
        globals: globals as usize,
        ..known
    };
    keep(known);
    known
}

/// Takes a note of a code object (borrowed). `None` where it is no ordinary one.
fn note(code: Ref) -> Option<Code> {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let file = names::FILENAME.of(code)?;
    let in_function = text(names::CODE_NAME.of(code)?.get()) != Some(b"<module>");
    if is_importlib(file.get()) {
        return Some(Code { is_importlib: true, in_function, ..Code::default() });
    }
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    if number > MOST {
        return Some(Code { in_function, ..Code::default() });
    }
    let first = names::FIRST_LINE.of(code)?;
    // SAFETY: an int; an error is cleared below.
    let first = unsafe { (api().PyLong_AsLong)(first.get()) } as u32;
    let table = if api::minor() < 10 { &names::LNOTAB } else { &names::LINETABLE }.of(code);
    let bytes = table.as_ref().and_then(bytes).unwrap_or_default();
    let by_line = bytes.is_empty() || bytes.len() > LONGEST;
    let (form, bytes) = if by_line { (0, &[][..]) } else { (form(), bytes) };
    let words =
        [u64::from(intern::object(file.get())) << 32 | u64::from(first), bytes.len() as u64];
    trace::note_bytes(Kind::Code, form, number, &words, bytes);
    Some(Code { number, by_line, in_function, ..Code::default() })
}

/// Longer tables do not fit into a note.
const LONGEST: usize = 56 << 10;

/// The form of this Python's tables, as [`Kind::Code`] has it.
fn form() -> u8 {
    match api::minor() {
        ..10 => 1,
        10 => 2,
        _ => 3,
    }
}

/// What bytes hold, borrowed from them; `None` for other objects.
fn bytes(object: &Owned) -> Option<&[u8]> {
    let (mut start, mut length) = (ptr::null_mut::<c_char>(), 0);
    // SAFETY: any object may be given; the error for what is no bytes is cleared; else both variables are filled, and the bytes live
    // as long as their object.
    unsafe {
        if (api().PyBytes_AsStringAndSize)(object.get(), &raw mut start, &raw mut length) != 0 {
            (api().PyErr_Clear)();
            return None;
        }
        Some(core::slice::from_raw_parts(start.cast(), length as usize))
    }
}

fn is_importlib(file: Ref) -> bool {
    let name = text(file).unwrap_or_default();
    name.starts_with(b"<frozen importlib") || name.ends_with(b"/importlib/__init__.py")
}
