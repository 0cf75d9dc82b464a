//! The one descriptor that imports may leave open: libffi's, on itself.
//!
//! Where libffi is built with static trampolines, it opens its own library at the first closure (ctypes makes one when it is imported)
//! and maps code from it whenever a table of trampolines is full. A thawed process opens the library again under the same number, which
//! is the one that it has in a plain process as well; where that number is taken, the start is plain.

use std::ffi::{CString, OsStr, c_int};
use std::os::unix::ffi::OsStrExt;

/// A descriptor that is open in the frozen process.
pub struct Held {
    number: c_int,
    path: CString,
    /// Flags of the descriptor (close-on-exec).
    flags: c_int,
}

impl Held {
    /// The descriptor of this process that libffi has on itself.
    pub fn find() -> Option<Held> {
        let entries = std::fs::read_dir("/proc/self/fd").ok()?;
        entries.flatten().find_map(|entry| {
            let number: c_int = entry.file_name().to_str()?.parse().ok()?;
            let path = std::fs::read_link(entry.path()).ok()?;
            if number <= 2 || !is_libffi(path.file_name()?) {
                return None;
            }
            // SAFETY: asks for flags of a descriptor, open or not.
            let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
            let path = CString::new(path.as_os_str().as_bytes()).ok()?;
            (flags >= 0).then_some(Held { number, path, flags })
        })
    }

    /// The number of the descriptor.
    pub fn number(&self) -> u64 {
        u64::from(self.number.unsigned_abs())
    }

    /// Opens the library again. Where that fails the number stays closed, and libffi makes its next closures in another way.
    ///
    /// # Safety
    /// Called in a thawed process, in which nothing else has the number: the launcher has seen to it.
    pub unsafe fn reopen(&self) {
        // SAFETY: by the caller; system calls on descriptors that are opened here.
        unsafe {
            let opened = libc::open(self.path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
            if opened < 0 {
                return;
            }
            if opened != self.number {
                libc::dup2(opened, self.number);
                libc::close(opened);
            }
            libc::fcntl(self.number, libc::F_SETFD, self.flags);
        }
    }
}

fn is_libffi(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b"libffi.so")
}
