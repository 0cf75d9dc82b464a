//! Reads of modules' attributes: a function in front of `PyModule_Type.tp_getattro`.
//!
//! The interpreter goes past it where it has specialised an instruction for a module, which it does after the instruction has run
//! once in the ordinary way. So each place is seen at least once, but for instructions that 3.11 reaches for the first time in
//! code that is specialised already.

use super::watched::{self, How};
use super::{in_import_system, taken, used};
use crate::api::{self, Object, Ref, api};
use crate::snapshot::Timed;
use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};

type GetAttribute = unsafe extern "C" fn(Ref, Ref) -> Ref;

/// How many attributes were read.
pub static READS: AtomicU64 = AtomicU64::new(0);

/// The function that was there.
static REAL: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
/// Bytes from the beginning of a type to its `tp_getattro`.
static SLOT: AtomicUsize = AtomicUsize::new(0);

/// Puts the function there. Whether it could.
pub fn install() -> bool {
    let (Some(base), Some(generic), Some(module)) = (
        api::symbol("PyBaseObject_Type\0"),
        api::symbol("PyObject_GenericGetAttr\0"),
        api::symbol("PyModule_Type\0"),
    ) else {
        return false;
    };
    // The slot is where `object` has the generic function, whatever the layout of types in this build.
    const SLOTS: usize = 40;
    // SAFETY: types are longer than that in every CPython.
    let slots = unsafe { core::slice::from_raw_parts(base.cast::<*mut c_void>(), SLOTS) };
    let Some(index) = slots.iter().position(|&slot| slot == generic) else { return false };
    SLOT.store(index * size_of::<usize>(), Ordering::Relaxed);
    // SAFETY: static types can be written to, and the caller holds the GIL; the slot has a function that takes an object and a name.
    unsafe {
        let slot = module.cast::<*mut c_void>().add(index);
        if (*slot).is_null() {
            return false;
        }
        REAL.store(*slot, Ordering::Relaxed);
        *slot = get_attribute as GetAttribute as *mut c_void;
    }
    true
}

/// Whether reads of an object's attributes come here: it is a module of the ordinary type, or of one that was derived from it
/// since and does not read attributes its own way.
pub fn can_watch(object: Ref) -> bool {
    // SAFETY: the object is alive; a type is as long as PyModule_Type.
    unsafe {
        let Some(kind) = api::Owned::take((api().PyObject_Type)(object)) else { return false };
        let slot = kind.get().cast::<u8>().add(SLOT.load(Ordering::Relaxed));
        slot.cast::<*mut c_void>().read() == get_attribute as GetAttribute as *mut c_void
    }
}

/// Places for the modules of a small program: a power of two. One page, as each that is touched for the first time costs a fault.
const FEW_PLACES: usize = 1 << 9;
/// With more modules than this they are looked up in the large table.
const FEW: usize = FEW_PLACES / 2;
/// Places for modules: a power of two, so that there is room for 5,000 of them in a table that is rarely half full.
const PLACES: usize = 1 << 14;
/// More are not watched.
const MOST: usize = PLACES * 3 / 4;
/// The bit of a module that need not be watched any more.
const SETTLED: usize = 1;

/// Addresses of modules, each behind where its hash says.
static TABLE: [AtomicUsize; PLACES] = [const { AtomicUsize::new(0) }; PLACES];
/// The same, while there are few.
static SMALL_TABLE: [AtomicUsize; FEW_PLACES] = [const { AtomicUsize::new(0) }; FEW_PLACES];
static TAKEN: AtomicUsize = AtomicUsize::new(0);
/// Whether the large table is in use.
static ARE_MANY: AtomicBool = AtomicBool::new(false);

/// The place of an address, or the free one where it would be.
#[inline]
fn place(address: usize) -> &'static AtomicUsize {
    if ARE_MANY.load(Ordering::Acquire) {
        place_in(&TABLE, address)
    } else {
        place_in(&SMALL_TABLE, address)
    }
}

#[inline]
fn place_in<const PLACES: usize>(
    table: &'static [AtomicUsize; PLACES],
    address: usize,
) -> &'static AtomicUsize {
    let mut index = (address >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    loop {
        let place = &table[index % PLACES];
        let found = place.load(Ordering::Relaxed);
        if found & !SETTLED == address || found == 0 {
            return place;
        }
        index += 1;
    }
}

/// Goes over to the large table. The caller holds the GIL; without one, a module that another thread adds at the same moment is not
/// watched.
#[cold]
fn become_many() {
    for place in &SMALL_TABLE {
        let entry = place.load(Ordering::Relaxed);
        if entry != 0 {
            place_in(&TABLE, entry & !SETTLED).store(entry, Ordering::Relaxed);
        }
    }
    ARE_MANY.store(true, Ordering::Release);
}

/// Watches a module, also one in the place of one that is gone. Whether there is room.
pub fn watch(module: Ref) -> bool {
    if place(module as usize).load(Ordering::Relaxed) == 0 {
        let taken = TAKEN.fetch_add(1, Ordering::Relaxed);
        if taken >= MOST {
            return false;
        }
        if taken == FEW {
            become_many();
        }
    }
    let place = place(module as usize);
    place.store(module as usize, Ordering::Relaxed);
    true
}

/// Watches a module no longer.
pub fn forget(module: usize) {
    let place = place(module);
    if place.load(Ordering::Relaxed) != 0 {
        place.store(module | SETTLED, Ordering::Relaxed);
    }
}

/// Whether an object is a module that has been imported.
pub fn is_known(object: Ref) -> bool {
    place(object as usize).load(Ordering::Relaxed) != 0
}

/// Whether a module is watched.
#[inline]
pub fn is_watched(module: Ref) -> bool {
    place(module as usize).load(Ordering::Relaxed) == module as usize
}

/// Counts a read, and says whether it may be the first use of a module: what every read costs.
#[inline]
pub fn count(module: Ref) -> bool {
    READS.store(READS.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    is_watched(module)
}

unsafe extern "C" fn get_attribute(module: Ref, name: Ref) -> Ref {
    // SAFETY: the function that was in the slot.
    let real =
        unsafe { core::mem::transmute::<*mut c_void, GetAttribute>(REAL.load(Ordering::Relaxed)) };
    // SAFETY: the arguments are the interpreter's, and meant for this very function.
    let value: *mut Object = unsafe { real(module, name) };
    if count(module) && !value.is_null() {
        let part = Timed::begin();
        consider(module, name, value);
        part.end();
    }
    value
}

/// An attribute of a module was read that is not known to be used: is it now?
#[cold]
fn consider(module: Ref, name: Ref, value: Ref) {
    if in_import_system() || taken::by_statement(module, name, value) {
        return;
    }
    let Some(text) = api::text(name) else { return };
    if is_everybodys(text) || is_submodule(module, text, value) {
        return;
    }
    if let Some(number) = watched::change(|modules| modules.name_of(module)).flatten() {
        used(number, How::Read);
    }
}

/// Attributes that every module has are read by whoever looks through `sys.modules`.
fn is_everybodys(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 10] = [
        b"__name__",
        b"__file__",
        b"__spec__",
        b"__path__",
        b"__dict__",
        b"__class__",
        b"__loader__",
        b"__package__",
        b"__cached__",
        b"__warningregistry__",
    ];
    NAMES.contains(&name)
}

/// Whether a read only leads from a package to a module in it.
fn is_submodule(package: Ref, name: &[u8], value: Ref) -> bool {
    if !is_known(value) {
        return false;
    }
    let text = |module: Ref| api::member(module, c"__name__");
    let (Some(package), Some(module)) = (text(package), text(value)) else { return false };
    let (package, module) = (api::text(package.get()), api::text(module.get()));
    package.zip(module).is_some_and(|(package, module)| {
        let rest = module.strip_prefix(package).and_then(|rest| rest.strip_prefix(b"."));
        rest == Some(name)
    })
}
