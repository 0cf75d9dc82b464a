//! An image that was opened once and found fit to be looked into.

use super::OTHERS;
use crate::inputs::Caches;
use crate::key::BUILD;
use glowplug_image::{Head, HeadError, Section, Span};
use glowplug_linux::View;
use rustix::fs::{Advice, FileType, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_OMIT};
use rustix::io::{Errno, ReadWriteFlags};
use std::fmt;
use std::io::{self, IoSliceMut};
use std::num::NonZero;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How exact the time of the last use is.
const USE_GRAIN: Duration = Duration::from_secs(3600);

/// An open image with its head and tables mapped. Whoever holds it reads the file that was checked, whatever happens to its name.
#[derive(Debug)]
pub struct OpenImage {
    file: OwnedFd,
    stat: Stat,
    view: View,
}

/// Why an image cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// There is none.
    Missing,
    /// It cannot be opened or read.
    Unreadable(Errno),
    /// It is not a regular file.
    NotAFile,
    /// It belongs to another user, who is given.
    Foreign(u32),
    /// Others may read or write it; its permission bits are given.
    Exposed(u32),
    /// It has a second name, through which it could be changed.
    Linked,
    /// Its head is damaged or of another format.
    Head(HeadError),
    /// Another build of Glowplug made it.
    OtherBuild,
    /// It was made for something else.
    OtherKey,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unusable::Missing => f.write_str("there is no image yet"),
            Unusable::Unreadable(error) => {
                write!(f, "the image cannot be read: {}", io::Error::from(*error))
            }
            Unusable::NotAFile => f.write_str("the image is not a regular file"),
            Unusable::Foreign(owner) => write!(f, "the image belongs to user {owner}"),
            Unusable::Exposed(mode) => write!(f, "the image is open to others (mode {mode:03o})"),
            Unusable::Linked => f.write_str("the image has a second name"),
            Unusable::Head(error) => error.fmt(f),
            Unusable::OtherBuild => f.write_str("another build of Glowplug made the image"),
            Unusable::OtherKey => f.write_str("the image was made for another program"),
        }
    }
}

impl std::error::Error for Unusable {}

impl Unusable {
    pub(super) fn opening(error: &io::Error) -> Unusable {
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOENT) => Unusable::Missing,
            // A symbolic link where a file is meant to be.
            Some(Errno::LOOP) => Unusable::NotAFile,
            Some(error) => Unusable::Unreadable(error),
            None => Unusable::Unreadable(Errno::IO),
        }
    }
}

impl OpenImage {
    /// Opens an image that lies outside the cache.
    ///
    /// # Errors
    /// Where it may not be used.
    pub fn open(path: &Path) -> Result<OpenImage, Unusable> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|error| Unusable::opening(&error.into()))?;
        OpenImage::check(file)
    }

    /// Checks an open file.
    ///
    /// # Errors
    /// Where it may not be used.
    pub fn check(file: OwnedFd) -> Result<OpenImage, Unusable> {
        let image = OpenImage::check_of_any_build(file)?;
        if image.head().build != BUILD.0 {
            return Err(Unusable::OtherBuild);
        }
        Ok(image)
    }

    /// Checks all but who made it.
    pub(super) fn check_of_any_build(file: OwnedFd) -> Result<OpenImage, Unusable> {
        let stat = rustix::fs::fstat(&file).map_err(Unusable::Unreadable)?;
        check_stat(&stat)?;
        let file_len = u64::try_from(stat.st_size).unwrap_or(0);
        let view = view_of_tables(&file, file_len)?;
        let head = Head::parse(view.bytes(), file_len).map_err(Unusable::Head)?;
        head.verify(view.bytes()).map_err(Unusable::Head)?;
        head.verify_inputs(view.bytes()).map_err(Unusable::Head)?;
        Ok(OpenImage { file, stat, view })
    }

    /// The head.
    pub fn head(&self) -> &Head {
        let file_len = u64::try_from(self.stat.st_size).unwrap_or(0);
        Head::parse(self.view.bytes(), file_len).expect("the head was parsed when it was opened")
    }

    /// The file from its first byte up to the page contents: the head and all sections.
    pub fn bytes(&self) -> &[u8] {
        self.view.bytes()
    }

    /// The open file.
    pub fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// The Meta section: JSON for people.
    pub fn meta(&self) -> &[u8] {
        self.head().table::<u8>(Section::Meta, self.bytes())
    }

    /// Has the kernel read from the disk, all at once, what a start will touch, unless that is in memory already. A start that faults
    /// it in waits for one piece after the other. What goes wrong costs time only.
    ///
    /// Tells how that is: what else a start reads has been read together with it, or has not.
    pub fn read_ahead(&self) -> Caches {
        let head = self.head();
        let spans = head.table::<Span>(Section::Warm, self.bytes());
        let probes = [0, spans.len() / 2, spans.len().saturating_sub(1)];
        if !probes.iter().filter_map(|&index| spans.get(index)).any(|span| self.is_cold(span)) {
            return Caches::Warm;
        }
        for span in spans {
            let offset = head.pages_offset.saturating_add(span.offset);
            let _ =
                rustix::fs::fadvise(&self.file, offset, NonZero::new(span.len), Advice::WillNeed);
        }
        Caches::Cold
    }

    /// Whether the first byte of a span of the page contents is not in memory. Where the kernel cannot tell, it counts as if it were.
    fn is_cold(&self, span: &Span) -> bool {
        let offset = self.head().pages_offset.saturating_add(span.offset);
        let mut byte = [0];
        let mut buffers = [IoSliceMut::new(&mut byte)];
        let read = rustix::io::preadv2(&self.file, &mut buffers, offset, ReadWriteFlags::NOWAIT);
        read == Err(Errno::AGAIN)
    }

    /// Length of the file, bytes.
    pub fn file_len(&self) -> u64 {
        self.head().file_len
    }

    /// When it was last used, with a grain of an hour.
    pub fn last_used(&self) -> SystemTime {
        let nanoseconds = crate::stamp::of(&self.stat).mtime_ns;
        SystemTime::UNIX_EPOCH + Duration::from_nanos(nanoseconds)
    }

    /// Notes that it is used now. That the note cannot be made must not keep a program from starting.
    pub fn note_use(&self) {
        let now = SystemTime::now();
        if now.duration_since(self.last_used()).is_ok_and(|age| age < USE_GRAIN) {
            return;
        }
        let Ok(since) = now.duration_since(SystemTime::UNIX_EPOCH) else { return };
        let now = Timespec {
            tv_sec: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: since.subsec_nanos().into(),
        };
        let kept = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
        let times = Timestamps { last_access: kept, last_modification: now };
        let _ = rustix::fs::futimens(&self.file, &times);
    }

    /// The open file, which is not inherited by another program unless it is made to.
    pub fn into_file(self) -> OwnedFd {
        self.file
    }
}

impl AsFd for OpenImage {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn check_stat(stat: &Stat) -> Result<(), Unusable> {
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Unusable::NotAFile);
    }
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(Unusable::Foreign(stat.st_uid));
    }
    if stat.st_mode & OTHERS != 0 {
        return Err(Unusable::Exposed(stat.st_mode & 0o777));
    }
    if stat.st_nlink > 1 {
        return Err(Unusable::Linked);
    }
    Ok(())
}

/// Maps the file up to its page contents; a head that is too short or says nonsense about them is left to `Head::parse`.
fn view_of_tables(file: &OwnedFd, file_len: u64) -> Result<View, Unusable> {
    let mut pages_offset = [0; 8];
    let place = std::mem::offset_of!(Head, pages_offset) as u64;
    let read =
        rustix::io::pread(file, &mut pages_offset[..], place).map_err(Unusable::Unreadable)?;
    if read < pages_offset.len() {
        return Err(Unusable::Head(HeadError::TooShort));
    }
    let head_len = size_of::<Head>() as u64;
    let len = u64::from_le_bytes(pages_offset).max(head_len).min(file_len);
    let len = usize::try_from(len).map_err(|_| Unusable::Head(HeadError::Pages))?;
    View::of(file, len).map_err(|error| match error.raw_os_error() {
        Some(raw) => Unusable::Unreadable(Errno::from_raw_os_error(raw)),
        None => Unusable::Head(HeadError::TooShort),
    })
}
