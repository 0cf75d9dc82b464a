//! The inputs of an image: what must be unchanged for the image to be used.
//!
//! Tables are grouped by directory so that a checker can open a directory once and ask for its entries by short names.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Identity of a file or directory at one time. Times are nanoseconds since 1970.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Stamp {
    /// Size in bytes; 0 for a directory.
    pub size: u64,
    /// Last change of the contents.
    pub mtime_ns: u64,
    /// Last change of contents or attributes; cannot be set back by a program.
    pub ctime_ns: u64,
    /// Inode number.
    pub inode: u64,
    /// Device: major number in the high half, minor in the low half.
    pub device: u64,
}

/// The directory is no input itself; it groups entries.
pub const DIRECTORY_GROUPS: u32 = 0;
/// A finder listed it: names whose [`stem`] is among the recorded stems matter.
pub const DIRECTORY_FOUND_IN: u32 = 1;
/// Somebody listed it: all names matter.
pub const DIRECTORY_LISTED: u32 = 2;

/// `Directory::parent` where no earlier directory leads to it.
pub const NO_PARENT: u32 = u32::MAX;

/// A directory, and which files and absences belong to it.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Directory {
    /// Its stamp; zeros where it only groups, and where it was changing while the image was made (its names are then always
    /// compared).
    pub stamp: Stamp,
    /// Digest of the names that matter; zeros where it only groups.
    pub names: [u8; 16],
    /// Offset in the strings of its absolute path.
    pub path: u32,
    /// `DIRECTORY_*`.
    pub kind: u32,
    /// Offset in the strings of the stems that were looked up, in byte order, each NUL-terminated, ended by an empty one.
    pub stems: u32,
    /// First entry of the file table that lies in this directory.
    pub files: u32,
    /// Number of such entries.
    pub file_count: u32,
    /// First entry of the absence table that lies in this directory.
    pub absences: u32,
    /// Number of such entries.
    pub absence_count: u32,
    /// Index of an earlier directory that has entries and whose path is the beginning of this one's, or [`NO_PARENT`]. The rest
    /// of the path behind it, without the slash, is this directory's name there.
    pub parent: u32,
}

/// Follow a symbolic link at the last component when asking for the stamp.
pub const FILE_FOLLOW: u32 = 0;
/// Only its being there as a directory counts, not its stamp.
pub const FILE_IS_DIRECTORY: u32 = 1;
/// The stamp is that of the symbolic link itself.
pub const FILE_NOFOLLOW: u32 = 2;

/// A file that was read or asked for.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct File {
    /// Its stamp.
    pub stamp: Stamp,
    /// Offset in the strings of its name, or of a path relative to the directory.
    pub name: u32,
    /// `FILE_*`.
    pub kind: u32,
}

/// The first 16 bytes of the BLAKE3 digest of a file's contents, or of what a symbolic link says; zeros for a directory.
pub type ContentDigest = [u8; 16];

/// A name that must stay absent from its directory.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Absent {
    /// Offset in the strings of the name, or of a path relative to the directory.
    pub name: u32,
    /// Zero.
    pub reserved: u32,
}

/// The first `len` bytes count, whatever follows: the program itself.
pub const PREFIX_BEGINNING: u32 = 0;
/// The file ends after `len` bytes: a pseudo file with a fact about the host, or a program that counts as a whole.
pub const PREFIX_WHOLE: u32 = 1;

/// A file that counts by its contents.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Prefix {
    /// Digest of the first `len` bytes.
    pub digest: [u8; 16],
    /// How many bytes count.
    pub len: u64,
    /// Offset in the strings of its absolute path.
    pub path: u32,
    /// `PREFIX_*`.
    pub kind: u32,
}

/// The part of a file name that a finder's lookup decides on: up to the first dot that does not begin the name.
///
/// Never empty for a name that is not empty, so that an empty stem can end a list.
pub fn stem(name: &[u8]) -> &[u8] {
    let dot = name.iter().skip(1).position(|byte| *byte == b'.');
    dot.and_then(|at| name.get(..at + 1)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::stem;

    #[test]
    fn stem_ends_at_the_first_inner_dot() {
        assert_eq!(stem(b"json.cpython-311-x86_64-linux-gnu.so"), b"json");
        assert_eq!(stem(b"json"), b"json");
        assert_eq!(stem(b".env.local"), b".env");
        assert_eq!(stem(b"."), b".");
        assert_eq!(stem(b""), b"");
    }
}
