//! Code that has run, as CPython 3.9 to 3.11 count it for their own ends: how often, up to a limit. Nothing is counted here; the
//! functions of a module are looked at when it has been loaded, and again at the end.

use crate::api::{self, Owned, Ref, api};
use crate::names;

/// Where a code object counts how often it began to run.
#[derive(Clone, Copy)]
struct Counter {
    /// Bytes from its beginning.
    offset: usize,
    /// Whether it is a C `short` rather than an `int`.
    short: bool,
    /// The value at which it stops.
    limit: i32,
}

/// `co_opcache_flag` of `struct PyCodeObject` in 3.9 and 3.10: up to `OPCACHE_MIN_RUNS`.
const OPCACHE_FLAG: Counter = Counter { offset: 168, short: false, limit: 1024 };
/// `co_warmup` in 3.11: from -8 up to 0, when the code is quickened.
const WARMUP: Counter = Counter { offset: 52, short: true, limit: 0 };

fn counter() -> Option<Counter> {
    match api::minor() {
        9 | 10 => Some(OPCACHE_FLAG),
        11 => Some(WARMUP),
        _ => None,
    }
}

/// Whether this CPython counts.
pub fn can_count() -> bool {
    counter().is_some()
}

/// A function's code, and how often it had run when its module had been loaded.
pub struct Counted {
    /// Holds it, so that nothing else comes to lie there.
    code: Owned,
    before: i32,
}

// SAFETY: the reference is only kept; what it leads to is read as plain memory.
unsafe impl Send for Counted {}

/// Whether a function has run since. Needs no GIL.
pub fn counted(function: &Counted) -> bool {
    counter().is_some_and(|counter| read(function.code.get(), counter) != function.before)
}

fn read(code: Ref, counter: Counter) -> i32 {
    // SAFETY: a live code object of a CPython with this counter at this place.
    unsafe {
        let place = code.cast::<u8>().add(counter.offset);
        if counter.short {
            i32::from(place.cast::<i16>().read())
        } else {
            place.cast::<i32>().read()
        }
    }
}

/// The functions in a module's code that still count.
pub fn of_functions(code: Ref) -> Vec<Counted> {
    let mut found = Vec::new();
    if let Some(counter) = counter() {
        look_through(code, counter, &mut found);
    }
    found.shrink_to_fit();
    found
}

fn look_through(code: Ref, counter: Counter, found: &mut Vec<Counted>) {
    /// `CO_OPTIMIZED`: code of a function, rather than of a module or a class.
    const FUNCTION: i64 = 1;
    let Some(constants) = names::CONSTANTS.of(code) else { return };
    // SAFETY: a tuple, and called with the GIL.
    let count = unsafe { (api().PyTuple_Size)(constants.get()) };
    for index in 0..count {
        // SAFETY: as above; the item is borrowed from the tuple.
        let constant = unsafe { (api().PyTuple_GetItem)(constants.get(), index) };
        if !api::CODE.is_that_of(constant) {
            continue;
        }
        let flags = names::FLAGS
            .of(constant)
            // SAFETY: an int.
            .map_or(0, |flags| unsafe { (api().PyLong_AsLong)(flags.get()) });
        let before = read(constant, counter);
        if flags & FUNCTION != 0 && before < counter.limit {
            found.extend(Owned::borrowed(constant).map(|code| Counted { code, before }));
        }
        look_through(constant, counter, found);
    }
}
