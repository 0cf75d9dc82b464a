//! Which attributes of modules are worth a second look: those that have been pending, or promised as submodules, under their names.
//!
//! Each lookup of a module's attribute that CPython has not specialised comes by here, those of C code for one (`copyreg.__newobj__` for each
//! object that is copied). So the names are kept as single bits, at places that their hashes name: most names are none of them, and a few
//! instructions say so. A name that shares another's bit is looked at in vain, no more.

use super::Ptr;
use pyo3_ffi as ffi;
use std::sync::atomic::{AtomicU64, Ordering};

/// 8 KiB, so that 2,000 names leave 97 of 100 others alone.
const WORDS: usize = 1024;

static BITS: [AtomicU64; WORDS] = [const { AtomicU64::new(0) }; WORDS];

/// Where a hash has its bit.
#[inline]
fn place(hash: ffi::Py_hash_t) -> (&'static AtomicU64, u64) {
    let hash = hash as usize;
    (&BITS[hash / 64 % WORDS], 1 << (hash % 64))
}

/// From here on [`may_hold`] is true of a name.
///
/// # Safety
/// GIL; `name` is a str.
pub unsafe fn add(name: Ptr) {
    // SAFETY: by the caller.
    let (word, bit) = place(unsafe { ffi::PyObject_Hash(name) });
    word.fetch_or(bit, Ordering::Relaxed);
}

/// Whether a name may be one that was added.
///
/// # Safety
/// GIL; `name` is live.
#[inline]
pub unsafe fn may_hold(name: Ptr) -> bool {
    // SAFETY: by the caller; the fields are read of an exact str alone, which has them in all its kinds.
    let hash = unsafe {
        if ffi::PyUnicode_CheckExact(name) == 0 {
            return true;
        }
        (*name.cast::<ffi::PyASCIIObject>()).hash
    };
    let (word, bit) = place(hash);
    // A str that has never been hashed says so.
    hash == -1 || word.load(Ordering::Relaxed) & bit != 0
}
