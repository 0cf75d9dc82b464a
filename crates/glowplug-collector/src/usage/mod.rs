//! Which modules are used once their imports have ended: attributes of theirs are read, or code of theirs begins to run.
//!
//! What the import system does itself is no use, nor is what happens while the module is being loaded. docs/profile.md says what is
//! counted and what is not seen. A module is noted when it can be watched ([`Kind::Watched`]), when it is first used
//! ([`Kind::Used`]), and when something was taken out of it by `from` whose use nobody would see ([`Kind::Taken`]).

mod calls;
mod counts;
mod reads;
mod taken;
mod watched;

use crate::api::{Api, Owned, Ref};
use crate::intern;
use crate::trace::{self, AT_END, Kind};
use core::cell::{Cell, RefCell};
use core::sync::atomic::{AtomicBool, Ordering};
use watched::{Calls, How};

pub use reads::{READS, count};

static ON: AtomicBool = AtomicBool::new(false);

/// Whether uses are watched.
#[inline]
pub fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// Begins to watch. Called once, with the GIL, when importlib is there.
pub fn install(api: &'static Api) {
    if reads::install() {
        calls::install(api);
        ON.store(true, Ordering::Relaxed);
    }
}

thread_local! {
    /// Whether this thread is in the import system rather than in code of the program or of a module.
    static IN_IMPORT_SYSTEM: Cell<bool> = const { Cell::new(false) };
    /// What this thread is loading.
    static LOADING: RefCell<Loading> = const { RefCell::new(Loading { name: 0, code: None }) };
}

/// A module that is being loaded: the number of its name, and its code where that has been found and will be looked through.
struct Loading {
    name: u32,
    code: Option<Owned>,
}

/// Whether the calling thread is in the import system.
fn in_import_system() -> bool {
    IN_IMPORT_SYSTEM.with(Cell::get)
}

/// The import system runs while this lives.
pub struct ImportSystem(Option<bool>);

impl ImportSystem {
    /// It begins.
    #[inline]
    pub fn enter() -> ImportSystem {
        ImportSystem(is_on().then(|| IN_IMPORT_SYSTEM.with(|within| within.replace(true))))
    }
}

impl Drop for ImportSystem {
    fn drop(&mut self) {
        if let Some(before) = self.0 {
            IN_IMPORT_SYSTEM.with(|within| within.set(before));
        }
    }
}

/// A statement has imported a module, and takes the names of its `from` list out of it now.
#[inline]
pub fn imported(module: Ref, from: Ref) {
    if is_on() {
        taken::expect(module, from);
    }
}

/// A load, while this lives.
pub struct Load {
    outer: Option<Loading>,
    within: ImportSystem,
}

impl Load {
    /// The load of a module begins.
    pub fn begin(name: u32) -> Load {
        let within = ImportSystem::enter();
        let outer =
            is_on().then(|| LOADING.with(|loading| loading.replace(Loading { name, code: None })));
        Load { outer, within }
    }

    /// It has ended without an error, and this is the module.
    pub fn end(self, module: Ref) {
        let Load { outer, within } = self;
        if let Some(outer) = outer {
            let Loading { name, code } = LOADING.with(|loading| loading.replace(outer));
            if !module.is_null() {
                watch(module, name, code.as_ref());
            }
        }
        drop(within);
    }
}

/// The code of the module that is being loaded has been found: what follows is the module's doing. `code` is borrowed;
/// null for what is not Python's.
pub fn body(code: Ref) {
    if !is_on() {
        return;
    }
    IN_IMPORT_SYSTEM.with(|within| within.set(false));
    let name = LOADING.with(|loading| {
        let mut loading = loading.borrow_mut();
        loading.code = counts::can_count().then(|| Owned::borrowed(code)).flatten();
        loading.name
    });
    if let Some(file) = watched::file_of(code) {
        watched::change(|modules| modules.belongs(file, name));
    }
}

fn watch(module: Ref, name: u32, code: Option<&Owned>) {
    if !reads::can_watch(module) {
        return;
    }
    let calls = match code {
        Some(code) => Calls::AtEnd(counts::of_functions(code.get())),
        None if calls::are_told() => Calls::AtOnce,
        None => Calls::Nothing,
    };
    let flags = if matches!(calls, Calls::AtEnd(_)) { AT_END } else { 0 };
    let fits = reads::watch(module);
    if fits && watched::change(|modules| modules.loaded(name, module, calls)).is_some() {
        trace::note(Kind::Watched, flags, name, &[]);
    }
}

/// A module is used.
fn used(name: u32, how: How) {
    let module = watched::change(|modules| modules.used(name)).flatten();
    if let Some(module) = module {
        reads::forget(module);
        trace::note(Kind::Used, how as u8, name, &[]);
    }
}

/// The process ends: notes the modules of which functions ran that CPython merely counted.
pub fn end() {
    if is_on() && counts::can_count() {
        let called = watched::change(|modules| modules.called()).unwrap_or_default();
        for name in called {
            trace::note(Kind::Used, How::Called as u8, name, &[]);
        }
    }
}

/// The number of a module's `__name__`.
fn name_of(module: Ref) -> u32 {
    crate::api::member(module, c"__name__").map_or(0, |name| intern::object(name.get()))
}
