//! The table of a dict of strings, read directly: `PyDict_Next` looks at each key for its hash from CPython 3.11 on, and the keys of
//! `sys.modules` lie in as many pages as there are modules, which nobody else looks at.

use pyo3_ffi as ffi;

/// What stands before a table of keys (CPython 3.11 to 3.14, `struct _dictkeysobject`).
#[repr(C)]
struct Keys {
    references: isize,
    log2_size: u8,
    log2_index_bytes: u8,
    kind: u8,
    version: u32,
    usable: isize,
    entries: isize,
    indices: [u8; 0],
}

/// Keys are strings, and the values stand beside them (`DICT_KEYS_UNICODE`).
const STRINGS: u8 = 1;

/// An entry of such a table (`PyDictUnicodeEntry`); without a value nothing is there any more.
#[repr(C)]
struct Entry {
    key: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
}

/// The entries of a dict in order, borrowed; `None` where its table is of another kind.
///
/// # Safety
/// GIL; `dict` is a dict that does not change while they are walked.
pub unsafe fn entries(
    dict: *mut ffi::PyObject,
) -> Option<impl Iterator<Item = (*mut ffi::PyObject, *mut ffi::PyObject)>> {
    // SAFETY: GIL by the caller; the extension is built for this CPython minor, whose tables look like this, and the count is the table's.
    unsafe {
        if ffi::PyDict_Check(dict) == 0 {
            return None;
        }
        let dict = dict.cast::<ffi::PyDictObject>();
        let keys = (*dict).ma_keys.cast::<Keys>();
        if (*keys).kind != STRINGS || !(*dict).ma_values.is_null() {
            return None;
        }
        let indices = 1usize << (*keys).log2_index_bytes;
        let first = (&raw const (*keys).indices).cast::<u8>().add(indices).cast::<Entry>();
        let entries = std::slice::from_raw_parts(first, (*keys).entries as usize);
        let present = entries.iter().filter(|entry| !entry.value.is_null());
        Some(present.map(|entry| (entry.key, entry.value)))
    }
}
