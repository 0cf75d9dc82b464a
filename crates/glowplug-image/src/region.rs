//! Regions of memory and where their contents come from.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Readable, as `PROT_READ`.
pub const READ: u8 = 1;
/// Writable, as `PROT_WRITE`.
pub const WRITE: u8 = 2;
/// Executable, as `PROT_EXEC`.
pub const EXEC: u8 = 4;

/// What a restorer maps for a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RegionKind {
    /// Contents from the image, private.
    Image = 0,
    /// Zeros.
    Zero = 1,
    /// State that the kernel may drop or wipe (`MAP_DROPPABLE`): never saved, mapped anew.
    Droppable = 2,
    /// Wiped in a forked child (`MADV_WIPEONFORK`): never saved, mapped anew.
    Wiped = 3,
    /// A guard (`MADV_GUARD_INSTALL`, or no access where the kernel has none).
    Guard = 4,
    /// The frozen process's vdso: data with a jump at each function.
    Vdso = 5,
    /// The reserve below the main thread's stack: zeros, as far down as the new process's stack limit allows and the region reaches.
    Stack = 6,
}

/// A range of memory of the frozen process.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Region {
    /// First address, page aligned.
    pub addr: u64,
    /// Length in bytes, a multiple of the page size.
    pub len: u64,
    /// Where the contents begin in the image, page aligned; 0 where the kind has none.
    pub offset: u64,
    /// [`READ`], [`WRITE`] and [`EXEC`].
    pub prot: u8,
    /// A [`RegionKind`].
    pub kind: u8,
    /// Not counted against overcommit (`MAP_NORESERVE`) if 1: large reservations that are mostly untouched.
    pub noreserve: u8,
    /// Zero.
    pub reserved: [u8; 5],
}

impl Region {
    /// One past the last address.
    pub fn end(&self) -> u64 {
        self.addr.saturating_add(self.len)
    }

    /// The kind, or `None` where the byte names none.
    pub fn kind(&self) -> Option<RegionKind> {
        Some(match self.kind {
            0 => RegionKind::Image,
            1 => RegionKind::Zero,
            2 => RegionKind::Droppable,
            3 => RegionKind::Wiped,
            4 => RegionKind::Guard,
            5 => RegionKind::Vdso,
            6 => RegionKind::Stack,
            _ => return None,
        })
    }

    /// Whether the region can be mapped from a file of `file_len` bytes: aligned, not empty, inside user space, contents inside the file.
    pub fn is_sound(&self, file_len: u64) -> bool {
        let aligned = (self.addr | self.len | self.offset).is_multiple_of(crate::PAGE);
        let inside =
            self.len > 0 && self.addr.checked_add(self.len).is_some_and(|e| e <= USER_SPACE_END);
        let has_contents = matches!(self.kind(), Some(RegionKind::Image | RegionKind::Vdso));
        let contents =
            !has_contents || self.offset.checked_add(self.len).is_some_and(|e| e <= file_len);
        aligned && inside && contents && self.kind().is_some() && self.prot <= 7
    }
}

/// One past the last address of a process with four-level page tables.
pub const USER_SPACE_END: u64 = 0x7fff_ffff_f000;

/// Pages that a rehearsed start wrote to: populated before the jump, which is cheaper than one fault each.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct HotRange {
    /// First address, page aligned.
    pub addr: u64,
    /// Length in bytes, a multiple of the page size.
    pub len: u64,
}
