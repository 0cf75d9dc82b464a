//! Files by their contents, for file systems that give them other inode numbers and times than they had.

use super::names;
use super::stamp::Status;
use super::tables::Tables;
use super::{InputError, stamp};
use glowplug_image::inputs::{FILE_FOLLOW, FILE_IS_DIRECTORY, FILE_NOFOLLOW, Stamp};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, readlinkat};
use rustix::io::Errno;
use std::ffi::{CStr, CString, OsStr};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Bytes read at once: few calls, and more than a small stack holds.
const CHUNK: usize = 128 << 10;

const SECOND: u64 = 1_000_000_000;

/// Whether a file may be the one that had the stamp `then`, by its size and its time. Layers of container images are archives; many hold
/// times in whole seconds.
pub(super) fn may_be_same(then: &Stamp, now: &Stamp) -> bool {
    let (then_ns, now_ns) = (then.mtime_ns, now.mtime_ns);
    let is_truncated = now_ns.is_multiple_of(SECOND) && now_ns == then_ns - then_ns % SECOND;
    then.size == now.size && (then_ns == now_ns || is_truncated)
}

/// The digest of a file, or where `kind` says so of what a symbolic link says; zeros for a directory.
pub(super) fn digest(dir: impl AsFd, name: &CStr, kind: u32) -> Result<[u8; 16], Errno> {
    let mut hasher = blake3::Hasher::new();
    match kind {
        FILE_IS_DIRECTORY => return Ok([0; 16]),
        FILE_NOFOLLOW => {
            hasher.update(readlinkat(dir, name, Vec::new())?.to_bytes());
        }
        _ => {
            // Whatever stands there now must not make the start wait, as a pipe would.
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            let file = openat(dir, name, flags, Mode::empty())?;
            let mut buffer = vec![0; CHUNK];
            loop {
                match rustix::io::read(&file, &mut buffer[..])? {
                    0 => break,
                    read => hasher.update(&buffer[..read]),
                };
            }
        }
    }
    Ok(names::short(&hasher))
}

impl Tables {
    /// Adds the digests of all files, so that [`check`](super::check) can tell a file by its contents where its stamp differs.
    ///
    /// # Errors
    /// Where a file cannot be read, or is another one than when the tables were made.
    pub fn digest_contents(&mut self) -> Result<(), InputError> {
        let mut digests = Vec::with_capacity(self.files.len());
        for dir in &self.directories {
            let folder = Path::new(OsStr::from_bytes(self.text(dir.path).to_bytes()));
            let first = dir.files as usize;
            for file in &self.files[first..first + dir.file_count as usize] {
                let path = folder.join(OsStr::from_bytes(self.text(file.name).to_bytes()));
                let unreadable = |errno: Errno| InputError::Unreadable {
                    path: path.clone(),
                    source: errno.into(),
                };
                let name =
                    CString::new(path.as_os_str().as_bytes()).map_err(|_| InputError::Damaged)?;
                digests.push(digest(CWD, &name, file.kind).map_err(unreadable)?);
                let now = status(&name, file.kind).map_err(unreadable)?;
                if file.kind != FILE_IS_DIRECTORY && now.stamp != file.stamp {
                    return Err(InputError::Racy(path));
                }
            }
        }
        self.digests = digests;
        Ok(())
    }

    fn text(&self, offset: u32) -> &CStr {
        let rest = self.strings.get(offset as usize..).unwrap_or_default();
        CStr::from_bytes_until_nul(rest).unwrap_or_default()
    }
}

fn status(name: &CStr, kind: u32) -> Result<Status, Errno> {
    let flags = match kind {
        FILE_FOLLOW | FILE_IS_DIRECTORY => AtFlags::empty(),
        _ => AtFlags::SYMLINK_NOFOLLOW,
    };
    stamp::status_at(CWD, name, flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_tell_files_apart() {
        let stamp = |size, mtime_ns| Stamp { size, mtime_ns, inode: 7, ..Stamp::default() };
        let then = stamp(10, 5 * SECOND + 123);
        let other_inode = Stamp { inode: 8, ctime_ns: 9, device: 3, ..then };
        assert!(may_be_same(&then, &other_inode));
        assert!(may_be_same(&then, &stamp(10, 5 * SECOND)), "truncated");
        for now in [
            stamp(11, 5 * SECOND + 123),
            stamp(10, 5 * SECOND + 124),
            stamp(10, 6 * SECOND),
            stamp(10, 0),
        ] {
            assert!(!may_be_same(&then, &now), "{now:?}");
        }
        assert!(!may_be_same(&stamp(10, 5 * SECOND), &then), "more is told than there was");
    }
}
