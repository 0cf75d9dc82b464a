//! The fixed-size head of an image and the table of its sections.

use crate::state::Context;
use crate::{checksum, cpu};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// First bytes of every image.
pub const MAGIC: [u8; 8] = *b"GLOWPLUG";

/// Version of the format. Any change of a struct in this crate raises it.
pub const FORMAT_VERSION: u32 = 5;

/// Bytes that the head takes in the file; sections begin here.
pub const HEAD_LEN: usize = 8192;

/// Set in `Head::flags` of a refusal: an image without regions that says why a program may not be frozen.
pub const FLAG_REFUSAL: u32 = 1;

/// Set in `Head::flags` where `Context::cpu` names the features that the CPU must have, rather than what it must be.
pub const FLAG_CPU_FEATURES: u32 = 2;

/// The sections of an image, in the order in which they stand in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Section {
    /// `[Region]`, by address.
    Regions = 0,
    /// `[HotRange]`: pages that a rehearsed start wrote to.
    Hot = 1,
    /// `[inputs::Directory]`.
    Directories = 2,
    /// `[inputs::File]`, grouped by directory.
    Files = 3,
    /// `[inputs::Absent]`, grouped by directory.
    Absences = 4,
    /// `[inputs::Prefix]`: files whose first bytes count.
    Prefixes = 5,
    /// Names and paths that the tables point into, NUL-terminated.
    Strings = 6,
    /// UTF-8 JSON for people and for `glowplug images show`.
    Meta = 7,
    /// `[Span]`, counted from the first byte of the page contents: what a rehearsed start read or wrote. A start that finds nothing of
    /// the image in memory asks for all of it at once.
    Warm = 8,
    /// `[inputs::ContentDigest]`: one for each entry of [`Section::Files`], or none at all.
    Digests = 9,
}

/// Number of sections.
pub const SECTIONS: usize = 10;

/// A range of bytes of the file.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Span {
    /// First byte, counted from the start of the file.
    pub offset: u64,
    /// Length in bytes.
    pub len: u64,
}

impl Span {
    /// One past the last byte, or `None` where that does not fit 64 bits.
    pub fn end(self) -> Option<u64> {
        self.offset.checked_add(self.len)
    }
}

/// The head of an image.
#[derive(Clone, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Head {
    /// [`MAGIC`].
    pub magic: [u8; 8],
    /// [`FORMAT_VERSION`].
    pub version: u32,
    /// Of [`FLAG_REFUSAL`] and [`FLAG_CPU_FEATURES`] those that apply.
    pub flags: u32,
    /// Digest of the Glowplug build that wrote the image; another build refuses it.
    pub build: [u8; 16],
    /// The key that selects this image.
    pub key: [u8; 16],
    /// When the image was made, nanoseconds since 1970.
    pub created_ns: u64,
    /// Length of the whole file, bytes; a truncated image differs.
    pub file_len: u64,
    /// First byte of the page contents.
    pub pages_offset: u64,
    /// Where each section lies, indexed by [`Section`].
    pub sections: [Span; SECTIONS],
    /// What the process needs of CPU, kernel and C library to go on.
    pub context: Context,
    /// [Checksum](crate::checksum) of what the launcher alone relies on: the sections behind [`Section::Hot`].
    pub inputs_checksum: u64,
    /// Checksum of what the restorer relies on: the head up to this field, [`Section::Regions`] and [`Section::Hot`]. It stands last.
    pub checksum: u64,
}

const _: () = assert!(size_of::<Head>() <= HEAD_LEN);
const _: () = assert!(CHECKSUM_AT + size_of::<u64>() == size_of::<Head>());

/// Where the head's checksum stands: what lies before it is checked by it.
const CHECKSUM_AT: usize = core::mem::offset_of!(Head, checksum);

/// What the launcher alone relies on.
const INPUTS: [Section; 8] = [
    Section::Directories,
    Section::Files,
    Section::Absences,
    Section::Prefixes,
    Section::Strings,
    Section::Meta,
    Section::Warm,
    Section::Digests,
];

/// Why bytes are not the head of an image that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadError {
    /// Fewer bytes than a head has.
    TooShort,
    /// The magic is missing: this is no image.
    NotAnImage,
    /// Another format version, which is given.
    Version(u32),
    /// The length in the head is not the length of the file: truncated or grown.
    Length {
        /// What the head says.
        expected: u64,
        /// What the file has.
        actual: u64,
    },
    /// A section lies outside the file, overlaps the head or is not a whole number of entries.
    Section(usize),
    /// The page contents are not aligned or lie outside the file.
    Pages,
    /// The head or a table has not the checksum that it was written with.
    Checksum,
}

impl core::fmt::Display for HeadError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            HeadError::TooShort => f.write_str("too short to be an image"),
            HeadError::NotAnImage => f.write_str("not a Glowplug image"),
            HeadError::Version(v) => {
                write!(f, "image format {v}, this Glowplug reads {FORMAT_VERSION}")
            }
            HeadError::Length { expected, actual } => {
                write!(f, "image is {actual} bytes long, its head says {expected}")
            }
            HeadError::Section(i) => write!(f, "section {i} of the image is damaged"),
            HeadError::Pages => f.write_str("the image's page contents are damaged"),
            HeadError::Checksum => f.write_str("the image is damaged: its checksum differs"),
        }
    }
}

impl core::error::Error for HeadError {}

impl Head {
    /// Reads and checks the head at the start of `bytes`; `file_len` is the length of the file in bytes.
    ///
    /// After `Ok`, every section lies inside the file behind the head and holds whole entries, so [`Head::section`] and the
    /// typed tables cannot run over its end.
    pub fn parse(bytes: &[u8], file_len: u64) -> Result<&Head, HeadError> {
        let (head, _) = Head::ref_from_prefix(bytes).map_err(|_| HeadError::TooShort)?;
        if head.magic != MAGIC {
            return Err(HeadError::NotAnImage);
        }
        if head.version != FORMAT_VERSION {
            return Err(HeadError::Version(head.version));
        }
        if head.file_len != file_len {
            return Err(HeadError::Length { expected: head.file_len, actual: file_len });
        }
        for (i, span) in head.sections.iter().enumerate() {
            let inside = span.end().is_some_and(|end| end <= head.pages_offset);
            let whole = span.len.checked_rem(ENTRY_LEN[i]) == Some(0);
            if span.offset < HEAD_LEN as u64 || span.offset % 8 != 0 || !inside || !whole {
                return Err(HeadError::Section(i));
            }
        }
        if head.pages_offset % crate::PAGE != 0 || head.pages_offset > file_len {
            return Err(HeadError::Pages);
        }
        Ok(head)
    }

    /// Checks what the restorer relies on: the head itself, the regions and the hot pages. `file` as for [`Head::table`].
    ///
    /// # Errors
    /// Where a bit of it is not as it was written.
    pub fn verify(&self, file: &[u8]) -> Result<(), HeadError> {
        let sum = self
            .checksum_of(self.bytes_of(Section::Regions, file), self.bytes_of(Section::Hot, file));
        if sum == self.checksum { Ok(()) } else { Err(HeadError::Checksum) }
    }

    /// Checks what the launcher relies on beside it: the inputs and what is said for people.
    ///
    /// # Errors
    /// As [`Head::verify`].
    pub fn verify_inputs(&self, file: &[u8]) -> Result<(), HeadError> {
        let sum = checksum::of(&INPUTS.map(|section| self.bytes_of(section, file)));
        if sum == self.inputs_checksum { Ok(()) } else { Err(HeadError::Checksum) }
    }

    /// Sets both checksums, once everything else is in the head. `sections` are the file's bytes behind [`HEAD_LEN`] up to the page
    /// contents.
    pub fn seal(&mut self, sections: &[u8]) {
        let bytes_of = |section: Section| {
            let span = self.section(section);
            let start = usize::try_from(span.offset).ok().and_then(|at| at.checked_sub(HEAD_LEN));
            start
                .zip(usize::try_from(span.len).ok())
                .and_then(|(start, len)| sections.get(start..start.checked_add(len)?))
                .unwrap_or(&[])
        };
        let inputs = checksum::of(&INPUTS.map(bytes_of));
        let (regions, hot) = (bytes_of(Section::Regions), bytes_of(Section::Hot));
        self.inputs_checksum = inputs;
        self.checksum = self.checksum_of(regions, hot);
    }

    fn checksum_of(&self, regions: &[u8], hot: &[u8]) -> u64 {
        let head = self.as_bytes().get(..CHECKSUM_AT).unwrap_or(&[]);
        checksum::of(&[head, regions, hot])
    }

    fn bytes_of<'a>(&self, section: Section, file: &'a [u8]) -> &'a [u8] {
        self.table(section, file)
    }

    /// Whether this is a refusal rather than an image of a process.
    pub fn is_refusal(&self) -> bool {
        self.flags & FLAG_REFUSAL != 0
    }

    /// Whether the CPU with these feature words is the one that the image was made on, or has what it was made for.
    pub fn suits(&self, words: &cpu::Words) -> bool {
        if self.flags & FLAG_CPU_FEATURES != 0 {
            cpu::covers(words, &self.context.cpu)
        } else {
            self.context.cpu == *words
        }
    }

    /// Where a section lies.
    pub fn section(&self, section: Section) -> Span {
        self.sections[section as usize]
    }

    /// The entries of a section; `file` holds the file from its first byte at least up to `pages_offset`.
    ///
    /// Empty where `file` is too short or wrongly aligned for `T`.
    pub fn table<'a, T>(&self, section: Section, file: &'a [u8]) -> &'a [T]
    where
        T: FromBytes + Immutable + KnownLayout,
    {
        let span = self.section(section);
        usize::try_from(span.offset)
            .ok()
            .zip(span.end().and_then(|end| usize::try_from(end).ok()))
            .and_then(|(start, end)| file.get(start..end))
            .and_then(|bytes| <[T]>::ref_from_bytes(bytes).ok())
            .unwrap_or(&[])
    }
}

/// Bytes an entry of each section has.
const ENTRY_LEN: [u64; SECTIONS] = [
    size_of::<crate::Region>() as u64,
    size_of::<crate::HotRange>() as u64,
    size_of::<crate::inputs::Directory>() as u64,
    size_of::<crate::inputs::File>() as u64,
    size_of::<crate::inputs::Absent>() as u64,
    size_of::<crate::inputs::Prefix>() as u64,
    1,
    1,
    size_of::<Span>() as u64,
    size_of::<crate::inputs::ContentDigest>() as u64,
];
