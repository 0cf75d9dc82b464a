//! A read-only view of the beginning of a file.

use rustix::mm::{MapFlags, ProtFlags};
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::{ffi::c_void, io};

/// The first bytes of a file, mapped for reading.
///
/// Meant for files that nobody changes in place: images are written under another name, renamed when they are complete, never
/// touched again, and lie in a folder that only their owner may enter. A file that is cut short while it is viewed ends the
/// process with SIGBUS when a page beyond its end is read.
#[derive(Debug)]
pub struct View {
    start: NonNull<c_void>,
    len: usize,
}

impl View {
    /// Maps the first `len` bytes of `file`.
    ///
    /// # Errors
    /// Fails where `len` is 0 or beyond the end of the file, and where the kernel refuses the mapping.
    pub fn of(file: impl AsFd, len: usize) -> io::Result<View> {
        let size = rustix::fs::fstat(&file)?.st_size;
        if len == 0 || u64::try_from(size).unwrap_or(0) < len as u64 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // SAFETY: the kernel chooses the address, so no existing mapping is replaced; the result is owned by the new `View`
        // alone.
        let start = unsafe {
            rustix::mm::mmap(
                std::ptr::null_mut(),
                len,
                ProtFlags::READ,
                MapFlags::PRIVATE | MapFlags::POPULATE,
                file,
                0,
            )?
        };
        let start = NonNull::new(start).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(View { start, len })
    }

    /// The bytes; the first is page aligned.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the mapping is readable, `len` bytes long and lives as long as `self`, and the file had those bytes when it
        // was mapped. That they stay the same is up to who publishes files of this kind (see `View`): only complete files are
        // renamed into place, and no writer keeps a descriptor that it writes through.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), self.len) }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // SAFETY: `start` and `len` are those of a mapping that only `self` owns, and no slice of it outlives `self`.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr(), self.len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file_with(bytes: &[u8]) -> std::fs::File {
        let path = std::env::temp_dir().join(format!(
            "glowplug-view-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        let mut file = std::fs::File::create_new(&path).expect("create");
        file.write_all(bytes).expect("write");
        let file = std::fs::File::open(&path).expect("open");
        std::fs::remove_file(&path).expect("remove");
        file
    }

    #[test]
    fn the_beginning_of_a_file_is_seen() {
        let contents: Vec<u8> = (0..10_000u32).map(|n| n.to_le_bytes()[0]).collect();
        let view = View::of(file_with(&contents), 5_000).expect("view");
        assert_eq!(view.bytes(), &contents[..5_000]);
    }

    #[test]
    fn a_view_beyond_the_end_or_of_nothing_is_refused() {
        let file = file_with(b"short");
        assert!(View::of(&file, 6).is_err());
        assert!(View::of(&file, 0).is_err());
        assert!(View::of(&file, 5).is_ok());
    }
}
