//! Code that has run, as CPython 3.9 to 3.11 count it for their own ends: how often, up to a limit. Nothing is counted here; the
//! functions of a module are looked at when it has been loaded, and again at the end.

use crate::api::{self, Owned, Ref, api};

/// Where a code object (`struct PyCodeObject`) of a CPython has what. Its attributes say the same, at fifty times the price.
#[derive(Clone, Copy)]
struct Layout {
    /// Bytes from its beginning to how often it began to run.
    counter: usize,
    /// Whether that is a C `short` rather than an `int`.
    short: bool,
    /// The value at which it stops.
    limit: i32,
    /// Bytes to `co_flags`.
    flags: usize,
    /// Bytes to `co_consts`.
    constants: usize,
}

/// 3.9 and 3.10: `co_opcache_flag` goes up to `OPCACHE_MIN_RUNS`.
const OPCACHE_FLAG: Layout =
    Layout { counter: 168, short: false, limit: 1024, flags: 36, constants: 56 };
/// 3.11: `co_warmup` goes from -8 up to 0, when the code is quickened.
const WARMUP: Layout = Layout { counter: 52, short: true, limit: 0, flags: 48, constants: 24 };

fn layout() -> Option<Layout> {
    match api::minor() {
        9 | 10 => Some(OPCACHE_FLAG),
        11 => Some(WARMUP),
        _ => None,
    }
}

/// Whether this CPython counts.
pub fn can_count() -> bool {
    layout().is_some()
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
    layout().is_some_and(|layout| count(function.code.get(), layout) != function.before)
}

fn count(code: Ref, layout: Layout) -> i32 {
    if layout.short {
        i32::from(field::<i16>(code, layout.counter))
    } else {
        field(code, layout.counter)
    }
}

/// A field of a code object of which the layout is known.
fn field<T: Copy>(code: Ref, offset: usize) -> T {
    // SAFETY: a live code object of a CPython that has a `T` at this place of it, as `Layout` says.
    unsafe { code.cast::<u8>().add(offset).cast::<T>().read() }
}

/// The functions in a module's code that still count.
pub fn of_functions(code: Ref) -> Vec<Counted> {
    let mut found = Vec::new();
    if let Some(layout) = layout()
        && api::CODE.is_that_of(code)
    {
        look_through(code, layout, &mut found);
    }
    found.shrink_to_fit();
    found
}

fn look_through(code: Ref, layout: Layout, found: &mut Vec<Counted>) {
    /// `CO_OPTIMIZED`: code of a function, rather than of a module or a class.
    const FUNCTION: i32 = 1;
    let constants: Ref = field(code, layout.constants);
    // SAFETY: a tuple, and called with the GIL.
    let length = unsafe { (api().PyTuple_Size)(constants) };
    for index in 0..length {
        // SAFETY: as above; the item is borrowed from the tuple.
        let constant = unsafe { (api().PyTuple_GetItem)(constants, index) };
        if !api::CODE.is_that_of(constant) {
            continue;
        }
        let before = count(constant, layout);
        if field::<i32>(constant, layout.flags) & FUNCTION != 0 && before < layout.limit {
            found.extend(Owned::borrowed(constant).map(|code| Counted { code, before }));
        }
        look_through(constant, layout, found);
    }
}
