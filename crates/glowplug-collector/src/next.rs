//! The functions of libc that lie behind this library's.

use core::ffi::{CStr, c_void};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

/// The next function of a name, as a function pointer of the given type; an `Option`.
macro_rules! next {
    ($name:expr, fn($($kind:ty),*) -> $result:ty) => {{
        static NEXT: $crate::next::Next = $crate::next::Next::new($name);
        // SAFETY: libc declares the function of this name so; each use copies its declaration.
        NEXT.address().map(|address| unsafe {
            core::mem::transmute::<
                core::ptr::NonNull<core::ffi::c_void>,
                unsafe extern "C" fn($($kind),*) -> $result,
            >(address)
        })
    }};
}
pub(crate) use next;

/// One function that lies behind ours.
pub struct Next {
    name: &'static CStr,
    address: AtomicPtr<c_void>,
}

impl Next {
    /// Names the function; it is looked up when it is first used.
    pub const fn new(name: &'static CStr) -> Self {
        Self { name, address: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Where the function is. `None` if this libc has no such function.
    #[inline]
    pub fn address(&self) -> Option<NonNull<c_void>> {
        NonNull::new(self.address.load(Ordering::Relaxed)).or_else(|| self.find())
    }

    #[cold]
    fn find(&self) -> Option<NonNull<c_void>> {
        // SAFETY: the name ends in a NUL.
        let found = NonNull::new(unsafe { libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr()) })?;
        self.address.store(found.as_ptr(), Ordering::Relaxed);
        Some(found)
    }
}
