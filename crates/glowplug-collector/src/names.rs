//! Names of attributes, interned once.

use crate::api::{Owned, Ref, api};
use core::ffi::CStr;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

/// A name as a Python string.
pub struct Name(&'static CStr, AtomicPtr<crate::api::Object>);

impl Name {
    const fn new(name: &'static CStr) -> Self {
        Name(name, AtomicPtr::new(ptr::null_mut()))
    }

    /// The string, borrowed; it lives as long as the process.
    pub fn get(&self) -> Ref {
        let known = self.1.load(Ordering::Relaxed);
        if !known.is_null() {
            return known;
        }
        // SAFETY: the name ends in a NUL; the caller holds the GIL.
        let made = unsafe { (api().PyUnicode_InternFromString)(self.0.as_ptr()) };
        self.1.store(made, Ordering::Relaxed);
        made
    }

    /// The attribute of this name of an object, which is borrowed; `None` where it has none, and for null.
    pub fn of(&self, object: Ref) -> Option<Owned> {
        if object.is_null() {
            return None;
        }
        // SAFETY: called with the GIL on a live object.
        Owned::take(unsafe { (api().PyObject_GetAttr)(object, self.get()) })
    }
}

/// `__name__`.
pub static NAME: Name = Name::new(c"__name__");
/// `__package__`.
pub static PACKAGE: Name = Name::new(c"__package__");
/// `co_filename`.
pub static FILENAME: Name = Name::new(c"co_filename");
/// `co_name`.
pub static CODE_NAME: Name = Name::new(c"co_name");
/// `co_firstlineno`.
pub static FIRST_LINE: Name = Name::new(c"co_firstlineno");
/// `co_lnotab`.
pub static LNOTAB: Name = Name::new(c"co_lnotab");
/// `co_linetable`.
pub static LINETABLE: Name = Name::new(c"co_linetable");
/// `__code__`.
pub static CODE: Name = Name::new(c"__code__");
/// `__init__`.
pub static INIT: Name = Name::new(c"__init__");
/// `__new__`.
pub static NEW: Name = Name::new(c"__new__");
/// `f_lasti`.
pub static LAST_INSTRUCTION: Name = Name::new(c"f_lasti");
/// `f_globals`.
pub static GLOBALS: Name = Name::new(c"f_globals");
/// `name`.
pub static SPEC_NAME: Name = Name::new(c"name");
/// `origin`.
pub static ORIGIN: Name = Name::new(c"origin");
/// `loader`.
pub static LOADER: Name = Name::new(c"loader");
/// `submodule_search_locations`.
pub static LOCATIONS: Name = Name::new(c"submodule_search_locations");
/// `path`.
pub static PATH: Name = Name::new(c"path");
