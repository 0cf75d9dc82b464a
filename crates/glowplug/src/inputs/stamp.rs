//! Asking the system for stamps.

use glowplug_image::inputs::Stamp;
use rustix::fs::{AtFlags, FileType, Stat, fstat, lstat, major, minor, stat, statat};
use rustix::io::Errno;
use std::ffi::CStr;
use std::os::fd::AsFd;
use std::path::Path;

/// What is at a path at one time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Status {
    pub stamp: Stamp,
    pub kind: FileType,
}

impl Status {
    pub(super) fn is_directory(&self) -> bool {
        self.kind == FileType::Directory
    }

    pub(super) fn is_link(&self) -> bool {
        self.kind == FileType::Symlink
    }
}

/// Whether an error means that nothing is there.
pub(super) fn is_absent(errno: Errno) -> bool {
    matches!(errno, Errno::NOENT | Errno::NOTDIR)
}

/// The status of `name` in an open directory; `flags` as for `fstatat`. Does not allocate.
///
/// The old call rather than `statx`: it is a little faster, and `AT_STATX_DONT_SYNC` is of no use, as it saves nothing on local
/// file systems, and on network file systems hides changes that plain Python sees.
pub(super) fn status_at(dir: impl AsFd, name: &CStr, flags: AtFlags) -> Result<Status, Errno> {
    statat(dir, name, flags).map(|found| status(&found))
}

/// The status of an open file or directory.
pub(super) fn status_of(file: impl AsFd) -> Result<Status, Errno> {
    fstat(file).map(|found| status(&found))
}

/// The status of what `path` leads to.
pub(super) fn follow(path: &Path) -> Result<Status, Errno> {
    stat(path).map(|found| status(&found))
}

/// The status of `path` itself, be it a symbolic link.
pub(super) fn nofollow(path: &Path) -> Result<Status, Errno> {
    lstat(path).map(|found| status(&found))
}

fn status(found: &Stat) -> Status {
    let kind = FileType::from_raw_mode(found.st_mode);
    let stamp = Stamp {
        // The size of a directory depends on its history on some file systems.
        size: if kind == FileType::Directory { 0 } else { found.st_size.cast_unsigned() },
        mtime_ns: nanoseconds(found.st_mtime, found.st_mtime_nsec),
        ctime_ns: nanoseconds(found.st_ctime, found.st_ctime_nsec),
        inode: found.st_ino,
        device: u64::from(major(found.st_dev)) << 32 | u64::from(minor(found.st_dev)),
    };
    Status { stamp, kind }
}

/// Times before 1970 wrap around: they identify as well as others.
fn nanoseconds(seconds: i64, nanoseconds: u64) -> u64 {
    seconds.cast_unsigned().wrapping_mul(1_000_000_000).wrapping_add(nanoseconds)
}
