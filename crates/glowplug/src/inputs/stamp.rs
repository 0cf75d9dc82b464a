//! Asking the system for stamps.

use glowplug_image::inputs::Stamp;
use rustix::fs::{AtFlags, CWD, FileType, Statx, StatxFlags, StatxTimestamp, statx};
use rustix::io::Errno;
use std::ffi::CStr;
use std::os::fd::AsFd;
use std::path::Path;

/// What a stamp is made of.
const MASK: StatxFlags = StatxFlags::TYPE
    .union(StatxFlags::SIZE)
    .union(StatxFlags::MTIME)
    .union(StatxFlags::CTIME)
    .union(StatxFlags::INO);

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

/// The status of `name` in an open directory; `flags` as for `statx`. Does not allocate.
///
/// Nothing is asked of `AT_STATX_DONT_SYNC`: on local file systems it saves nothing, on network file systems it would hide
/// changes that plain Python sees.
pub(super) fn status_at(dir: impl AsFd, name: &CStr, flags: AtFlags) -> Result<Status, Errno> {
    statx(dir, name, flags, MASK).map(|found| status(&found))
}

/// The status of what `path` leads to.
pub(super) fn follow(path: &Path) -> Result<Status, Errno> {
    statx(CWD, path, AtFlags::empty(), MASK).map(|found| status(&found))
}

/// The status of `path` itself, be it a symbolic link.
pub(super) fn nofollow(path: &Path) -> Result<Status, Errno> {
    statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, MASK).map(|found| status(&found))
}

fn status(found: &Statx) -> Status {
    let kind = FileType::from_raw_mode(found.stx_mode.into());
    let stamp = Stamp {
        // The size of a directory depends on its history on some file systems.
        size: if kind == FileType::Directory { 0 } else { found.stx_size },
        mtime_ns: nanoseconds(found.stx_mtime),
        ctime_ns: nanoseconds(found.stx_ctime),
        inode: found.stx_ino,
        device: u64::from(found.stx_dev_major) << 32 | u64::from(found.stx_dev_minor),
    };
    Status { stamp, kind }
}

/// Times before 1970 wrap around: they identify as well as others.
fn nanoseconds(time: StatxTimestamp) -> u64 {
    time.tv_sec.wrapping_mul(1_000_000_000).wrapping_add(i64::from(time.tv_nsec)).cast_unsigned()
}
