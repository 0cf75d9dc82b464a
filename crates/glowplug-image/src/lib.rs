//! The image format: what a freezer writes and a restorer reads.
//!
//! An image is one file:
//!
//! ```text
//! 0          Head                    fixed size, page aligned
//! HEAD_LEN   sections                tables, in the order of `Section`
//! ...        page contents           page aligned, in address order
//! ```
//!
//! The head carries a magic, a format version and the place of each section. An image of another version is refused, never
//! guessed at, and so is one whose head or tables do not have the checksums that the head names. A *refusal* is an image without regions: it says why a program may not be frozen, and its inputs say for how long.
//!
//! Everything here is plain data without I/O, allocation or unsafe code, so that it can be fuzzed and shared with the restorer.
#![no_std]
#![forbid(unsafe_code)]

pub mod checksum;
pub mod cpu;
pub mod head;
pub mod inputs;
pub mod params;
pub mod region;
pub mod state;

pub use head::{FORMAT_VERSION, HEAD_LEN, Head, HeadError, MAGIC, Section, Span};
pub use region::{HotRange, Region, RegionKind};
pub use state::{Context, ThawInfo};

/// Size of a page of memory, bytes. x86-64 Linux has no other base page.
pub const PAGE: u64 = 4096;
