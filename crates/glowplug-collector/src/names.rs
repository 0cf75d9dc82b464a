//! Names of attributes, interned once.

use crate::api::{Ref, api};
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
}

/// `__name__`.
pub static NAME: Name = Name::new(c"__name__");
/// `__package__`.
pub static PACKAGE: Name = Name::new(c"__package__");
/// `co_filename`.
pub static FILENAME: Name = Name::new(c"co_filename");
/// `co_name`.
pub static CODE_NAME: Name = Name::new(c"co_name");
/// `path`.
pub static PATH: Name = Name::new(c"path");
