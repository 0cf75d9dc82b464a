//! The environment as C sees it: what imports change there without os.environ knowing.

use crate::object::{self, Object};
use pyo3_ffi as ffi;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// The variables at some time.
pub struct Snapshot(BTreeMap<OsString, OsString>);

impl Snapshot {
    /// Now. The environment must not change meanwhile, which the GIL sees to.
    pub fn take() -> Snapshot {
        Snapshot(std::env::vars_os().collect())
    }

    /// Of entries `NAME=VALUE`.
    pub fn of(entries: &[Vec<u8>]) -> Snapshot {
        let pairs = entries.iter().filter_map(|entry| {
            let equals = entry.iter().position(|&byte| byte == b'=')?;
            let part = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
            Some((part(&entry[..equals]), part(&entry[equals + 1..])))
        });
        Snapshot(pairs.collect())
    }

    /// A dict of names and values in bytes.
    ///
    /// # Safety
    /// GIL.
    pub unsafe fn to_dict(&self) -> Object {
        // SAFETY: GIL by the caller.
        unsafe {
            let dict = object::dict();
            for (name, value) in &self.0 {
                let (name, value) =
                    (object::bytes(name.as_bytes()), object::bytes(value.as_bytes()));
                ffi::PyDict_SetItem(dict.as_ptr(), name.as_ptr(), value.as_ptr());
            }
            dict
        }
    }
}

/// A list of (name, value) in bytes of what has been set or changed since, with None for what has been removed.
///
/// # Safety
/// GIL.
pub unsafe fn changes_since(before: &Snapshot) -> Object {
    let after = Snapshot::take().0;
    let removed =
        before.0.keys().filter(|name| !after.contains_key(*name)).map(|name| (name, None));
    let changed = after.iter().filter(|(name, value)| before.0.get(*name) != Some(value));
    let changes = removed.chain(changed.map(|(name, value)| (name, Some(value))));
    // SAFETY: GIL by the caller.
    unsafe {
        object::list(changes.map(|(name, value)| {
            let value = value.map_or(object::none(), |value| object::bytes(value.as_bytes()));
            object::pair(&object::bytes(name.as_bytes()), &value)
        }))
    }
}
