//! What `from` statements take out of modules.
//!
//! The interpreter reads each name off the module, which is no use of it yet. From then on the module is passed by: it is seen to
//! be used if what was taken is a function of the module's own code, or a class that such a function initialises.

use super::reads;
use super::{name_of, watched};
use crate::api::{self, Owned, Ref, api};
use crate::intern::Table;
use crate::names::{self, Name};
use crate::trace::{self, Kind};
use core::cell::Cell;
use core::ptr;
use std::sync::Mutex;

/// What the statement that this thread is carrying out takes next.
#[derive(Clone, Copy)]
struct Expected {
    /// Borrowed; only compared.
    module: Ref,
    /// The tuple of names; a reference of our own. Null where nothing is expected.
    names: Ref,
    next: isize,
}

const NOTHING: Expected = Expected { module: ptr::null_mut(), names: ptr::null_mut(), next: 0 };

thread_local! {
    // Not dropped with its thread, which does not hold the GIL then.
    static EXPECTED: Cell<Expected> = const { Cell::new(NOTHING) };
}

/// Expects something else; the caller holds the GIL.
fn set(expected: Expected) {
    let before = EXPECTED.with(|place| place.replace(expected));
    if !before.names.is_null() && before.names != expected.names {
        // SAFETY: the reference was our own, and the GIL is held.
        unsafe { (api().Py_DecRef)(before.names) };
    }
}

/// An import is over; the names of its `from` list, if it has one, are read off the module now.
pub fn expect(module: Ref, names: Ref) {
    set(NOTHING);
    // A statement's are a tuple; what else there is comes from calls, which take nothing themselves.
    // SAFETY: called with the GIL; that something else has no length is an error, which is cleared.
    let is_tuple = !names.is_null() && unsafe { (api().PyTuple_Size)(names) } > 0;
    if !is_tuple {
        // SAFETY: as above; the import has succeeded, so no other error is set.
        unsafe { (api().PyErr_Clear)() };
        return;
    }
    if reads::is_watched(module) {
        let names = Owned::borrowed(names).map_or(ptr::null_mut(), Owned::into_raw);
        set(Expected { module, names, next: 0 });
    } else if !reads::is_known(module) && reads::can_watch(module) {
        early(module);
    }
}

/// Something is taken out of a module that is still being loaded, so nobody watches what.
fn early(module: Ref) {
    static SEEN: Mutex<Option<Table<usize, ()>>> = Mutex::new(None);
    let Ok(mut seen) = SEEN.try_lock() else { return };
    if seen.get_or_insert_with(Table::default).insert(module as usize, ()).is_none() {
        drop(seen);
        trace::note(Kind::Taken, 0, name_of(module), &[]);
    }
}

/// Whether it is a `from` statement that reads this; then what it takes is looked at.
pub fn by_statement(module: Ref, name: Ref, value: Ref) -> bool {
    let Expected { module: of, names, next } = EXPECTED.with(Cell::get);
    if of != module {
        return false;
    }
    let wanted = api::item(names, next);
    let all = api::text(wanted) == Some(b"*");
    if wanted != name && !all {
        return false;
    }
    if !all {
        set(Expected { module, names, next: next + 1 });
    }
    note(module, value);
    true
}

/// Notes, once, that something was taken that cannot be watched.
fn note(module: Ref, value: Ref) {
    let Some(name) = watched::change(|modules| modules.name_of(module)).flatten() else { return };
    if !is_seen(name, value) && watched::change(|modules| modules.taken(name)) == Some(true) {
        trace::note(Kind::Taken, 0, name, &[]);
    }
}

/// Whether the use of an object is seen as one of the module.
fn is_seen(name: u32, value: Ref) -> bool {
    if is_own_function(name, value) || reads::is_known(value) {
        return true;
    }
    let made_by =
        |method: &Name| method.of(value).is_some_and(|method| is_own_function(name, method.get()));
    api::CLASS.is_kind_of(value) && (made_by(&names::INIT) || made_by(&names::NEW))
}

/// Whether an object is a function of a module's code.
fn is_own_function(name: u32, value: Ref) -> bool {
    if !api::FUNCTION.is_that_of(value) {
        return false;
    }
    let code = names::CODE.of(value);
    let file = code.and_then(|code| watched::file_of(code.get()));
    file.and_then(|file| watched::change(|modules| modules.owner(file)).flatten()) == Some(name)
}
