//! Compares the inputs of an image with the machine, fast: this is most of what a thawed start does before the jump.
//!
//! Each directory is opened once and its entries are asked for by short names; nothing is allocated per entry. Many entries are
//! shared between threads, which take directories from a common counter: two, or more where each waits for a disk.

use super::Changed;
use super::contents;
use super::names::{self, Matter};
use super::stamp::{self, Status};
use glowplug_image::inputs::{
    Absent, ContentDigest, DIRECTORY_FOUND_IN, DIRECTORY_GROUPS, DIRECTORY_LISTED, Directory,
    FILE_FOLLOW, FILE_IS_DIRECTORY, FILE_NOFOLLOW, File, NO_PARENT, PREFIX_BEGINNING, PREFIX_WHOLE,
    Prefix,
};
use glowplug_image::{Head, Section};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use std::ffi::{CStr, OsStr};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// From so many entries on a second thread saves more time than its start takes.
const ENTRIES_FOR_TWO: usize = 400;
/// A disk answers several questions in the time of one, and a thread that waits for it needs no processor.
const THREADS_AT_A_DISK: usize = 8;
/// How many directories a thread takes at once: few enough to share evenly, enough to meet parents that are open already.
const CHUNK: usize = 16;
/// A thread that only asks for stamps needs little stack; listing a directory needs some buffers.
const STACK: usize = 128 * 1024;

/// Whether the kernel has what a start reads in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caches {
    /// It has, as far as one can tell.
    Warm,
    /// It has to read from the disk.
    Cold,
}

/// Checks every input of an image; `bytes` is the file from its first byte up to `head.pages_offset`, aligned to 8 bytes.
///
/// The tables are not trusted: what contradicts itself is [`Changed::Damaged`].
pub fn check(head: &Head, bytes: &[u8], caches: Caches) -> Result<(), Changed> {
    let inputs = Inputs::new(head, bytes)?;
    inputs.check_all_contents()?;
    let shared = Shared::default();
    std::thread::scope(|scope| {
        let helpers: Vec<_> = (1..inputs.threads(caches))
            .map_while(|_| {
                let helper = std::thread::Builder::new().stack_size(STACK);
                // Where no thread may be started, the others do its work.
                helper.spawn_scoped(scope, || inputs.walk(&shared)).ok()
            })
            .collect();
        let mut result = inputs.walk(&shared);
        for helper in helpers {
            let ended_early = Err(Changed::Damaged("the check ended early"));
            result = result.and(helper.join().unwrap_or(ended_early));
        }
        result
    })
}

/// Checks those inputs alone that count by their contents: they may be files that no watch sees change.
///
/// # Errors
/// As [`check`].
pub fn check_contents(head: &Head, bytes: &[u8]) -> Result<(), Changed> {
    Inputs::new(head, bytes)?.check_all_contents()
}

/// The paths of all inputs but those that count by their contents alone.
///
/// # Errors
/// Where the tables contradict themselves.
pub fn paths(head: &Head, bytes: &[u8]) -> Result<Vec<PathBuf>, Changed> {
    let inputs = Inputs::new(head, bytes)?;
    let mut paths = Vec::new();
    for dir in inputs.directories {
        let folder = inputs.string(dir.path)?;
        paths.push(to_path(folder));
        for file in entries(inputs.files, dir.files, dir.file_count)? {
            paths.push(join(folder, inputs.string(file.name)?));
        }
        for absent in entries(inputs.absences, dir.absences, dir.absence_count)? {
            paths.push(join(folder, inputs.string(absent.name)?));
        }
    }
    Ok(paths)
}

/// The files that count by their contents, the program among them; with each, how long its beginning is that counts, where not all of it
/// does. Nothing for damaged tables.
pub fn programs(head: &Head, bytes: &[u8]) -> Vec<(PathBuf, Option<u64>)> {
    let Ok(inputs) = Inputs::new(head, bytes) else { return Vec::new() };
    let found = inputs.prefixes.iter().filter_map(|prefix| {
        let path = to_path(inputs.string(prefix.path).ok()?);
        Some((path, (prefix.kind == PREFIX_BEGINNING).then_some(prefix.len)))
    });
    found.collect()
}

fn usable_cpus() -> u32 {
    rustix::thread::sched_getaffinity(None).map_or(1, |set| set.count())
}

/// What the threads share.
#[derive(Default)]
struct Shared {
    /// First directory that nobody has taken.
    next: AtomicUsize,
    /// Somebody found a change: the rest is of no interest.
    stop: AtomicBool,
}

/// The tables of an image.
#[derive(Clone, Copy)]
struct Inputs<'a> {
    directories: &'a [Directory],
    files: &'a [File],
    absences: &'a [Absent],
    prefixes: &'a [Prefix],
    /// One for each file, or none.
    digests: &'a [ContentDigest],
    strings: &'a [u8],
}

/// A directory that is open, so that those below it can be opened by a short name.
struct Open {
    index: usize,
    path_len: usize,
    fd: OwnedFd,
}

impl<'a> Inputs<'a> {
    fn new(head: &Head, bytes: &'a [u8]) -> Result<Inputs<'a>, Changed> {
        let inputs = Inputs {
            directories: head.table(Section::Directories, bytes),
            files: head.table(Section::Files, bytes),
            absences: head.table(Section::Absences, bytes),
            prefixes: head.table(Section::Prefixes, bytes),
            digests: head.table(Section::Digests, bytes),
            strings: head.table(Section::Strings, bytes),
        };
        // A table that cannot be read is empty, which must not pass for one without entries.
        let whole = [
            (Section::Directories, size_of_val(inputs.directories)),
            (Section::Files, size_of_val(inputs.files)),
            (Section::Absences, size_of_val(inputs.absences)),
            (Section::Prefixes, size_of_val(inputs.prefixes)),
            (Section::Digests, size_of_val(inputs.digests)),
            (Section::Strings, inputs.strings.len()),
        ];
        if whole.iter().any(|(section, len)| head.section(*section).len != *len as u64) {
            return Err(Changed::Damaged("a table cannot be read"));
        }
        if !inputs.digests.is_empty() && inputs.digests.len() != inputs.files.len() {
            return Err(Changed::Damaged("digests of other files"));
        }
        inputs.check_coverage()?;
        Ok(inputs)
    }

    /// How many threads are to check them.
    fn threads(&self, caches: Caches) -> usize {
        let entries = self.directories.len() + self.files.len() + self.absences.len();
        match caches {
            Caches::Cold => THREADS_AT_A_DISK.min(self.directories.len().div_ceil(CHUNK)),
            Caches::Warm if entries >= ENTRIES_FOR_TWO && usable_cpus() >= 2 => 2,
            Caches::Warm => 1,
        }
    }

    /// Every entry belongs to exactly one directory; otherwise some would not be checked.
    fn check_coverage(&self) -> Result<(), Changed> {
        let (mut files, mut absences) = (0usize, 0usize);
        for dir in self.directories {
            if dir.files as usize != files || dir.absences as usize != absences {
                return Err(Changed::Damaged("entries outside their directory"));
            }
            files = files.saturating_add(dir.file_count as usize);
            absences = absences.saturating_add(dir.absence_count as usize);
        }
        if files != self.files.len() || absences != self.absences.len() {
            return Err(Changed::Damaged("entries without a directory"));
        }
        Ok(())
    }

    fn string(&self, offset: u32) -> Result<&'a CStr, Changed> {
        self.strings
            .get(offset as usize..)
            .and_then(|rest| CStr::from_bytes_until_nul(rest).ok())
            .ok_or(Changed::Damaged("a name outside the strings"))
    }

    /// Checks directories as long as there are some that nobody has taken.
    fn walk(&self, shared: &Shared) -> Result<(), Changed> {
        let mut above = Vec::with_capacity(16);
        loop {
            let start = shared.next.fetch_add(CHUNK, Ordering::Relaxed);
            let Some(rest) = self.directories.get(start..).filter(|rest| !rest.is_empty()) else {
                return Ok(());
            };
            for (index, dir) in (start..).zip(rest.iter().take(CHUNK)) {
                if shared.stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let result = self.check_directory(index, dir, &mut above);
                if result.is_err() {
                    shared.stop.store(true, Ordering::Relaxed);
                    return result;
                }
            }
        }
    }

    fn check_directory(
        &self,
        index: usize,
        dir: &Directory,
        above: &mut Vec<Open>,
    ) -> Result<(), Changed> {
        let path = self.string(dir.path)?;
        if dir.file_count == 0 && dir.absence_count == 0 {
            let (base, name) = self.reach(dir, path, above)?;
            let status = stamp::status_at(base, name, AtFlags::empty());
            return self.check_listing(dir, path, status, base, name);
        }
        let (base, name) = self.reach(dir, path, above)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat(base, name, flags, Mode::empty())
            .map_err(|errno| missing(to_path(path), errno))?;
        if dir.kind != DIRECTORY_GROUPS {
            let status = stamp::status_of(&fd);
            self.check_listing(dir, path, status, fd.as_fd(), c".")?;
        }
        let files = entries(self.files, dir.files, dir.file_count)?;
        for (index, file) in (dir.files as usize..).zip(files) {
            self.check_file(file, self.digests.get(index), fd.as_fd(), path)?;
        }
        for absent in entries(self.absences, dir.absences, dir.absence_count)? {
            self.check_absent(absent, fd.as_fd(), path)?;
        }
        above.push(Open { index, path_len: path.count_bytes(), fd });
        Ok(())
    }

    /// From where and by which name a directory is reached: by a short one where its parent is open.
    fn reach<'o>(
        &self,
        dir: &Directory,
        path: &'a CStr,
        above: &'o mut Vec<Open>,
    ) -> Result<(BorrowedFd<'o>, &'a CStr), Changed> {
        if dir.parent == NO_PARENT {
            above.clear();
        }
        while above.last().is_some_and(|open| open.index != dir.parent as usize) {
            above.pop();
        }
        match above.last() {
            Some(open) => {
                let behind = u32::try_from(open.path_len + 1).ok();
                let start = behind.and_then(|len| dir.path.checked_add(len));
                let start = start.filter(|_| path.count_bytes() > open.path_len + 1);
                let start =
                    start.ok_or(Changed::Damaged("a directory that is not in its parent"))?;
                Ok((open.fd.as_fd(), self.string(start)?))
            }
            None => Ok((CWD, path)),
        }
    }

    /// Compares a directory that was listed: by its stamp, or where that differs by the names that matter.
    fn check_listing(
        &self,
        dir: &Directory,
        path: &CStr,
        status: Result<Status, Errno>,
        base: BorrowedFd<'_>,
        name: &CStr,
    ) -> Result<(), Changed> {
        let status = status.map_err(|errno| missing(to_path(path), errno))?;
        if !status.is_directory() {
            return Err(Changed::Directory(to_path(path)));
        }
        if dir.kind == DIRECTORY_GROUPS || status.stamp == dir.stamp {
            return Ok(());
        }
        let stems;
        let matter = match dir.kind {
            DIRECTORY_LISTED => Matter::All,
            DIRECTORY_FOUND_IN => {
                stems = self.stems(dir.stems)?;
                Matter::Stems(&stems)
            }
            _ => return Err(Changed::Damaged("a directory of unknown kind")),
        };
        let names =
            names::list(base, name, matter).map_err(|errno| missing(to_path(path), errno))?;
        if names::digest(&names) != dir.names {
            return Err(Changed::Directory(to_path(path)));
        }
        Ok(())
    }

    fn stems(&self, offset: u32) -> Result<Vec<&'a [u8]>, Changed> {
        let mut stems = Vec::new();
        let mut at = offset;
        loop {
            let stem = self.string(at)?.to_bytes();
            if stem.is_empty() {
                return Ok(stems);
            }
            stems.push(stem);
            let len = u32::try_from(stem.len() + 1).ok();
            at = len
                .and_then(|len| at.checked_add(len))
                .ok_or(Changed::Damaged("stems without an end"))?;
        }
    }

    fn check_file(
        &self,
        file: &File,
        digest: Option<&ContentDigest>,
        fd: BorrowedFd<'_>,
        dir: &CStr,
    ) -> Result<(), Changed> {
        let name = self.string(file.name)?;
        let flags =
            if file.kind == FILE_NOFOLLOW { AtFlags::SYMLINK_NOFOLLOW } else { AtFlags::empty() };
        let status =
            stamp::status_at(fd, name, flags).map_err(|errno| missing(join(dir, name), errno))?;
        let same = match file.kind {
            FILE_FOLLOW | FILE_NOFOLLOW if status.stamp == file.stamp => true,
            FILE_FOLLOW | FILE_NOFOLLOW => digest.is_some_and(|digest| {
                contents::may_be_same(&file.stamp, &status.stamp)
                    && contents::digest(fd, name, file.kind).as_ref() == Ok(digest)
            }),
            FILE_IS_DIRECTORY => status.is_directory(),
            _ => return Err(Changed::Damaged("a file of unknown kind")),
        };
        if same { Ok(()) } else { Err(Changed::File(join(dir, name))) }
    }

    fn check_absent(&self, absent: &Absent, fd: BorrowedFd<'_>, dir: &CStr) -> Result<(), Changed> {
        let name = self.string(absent.name)?;
        match stamp::status_at(fd, name, AtFlags::empty()) {
            Ok(_) => Err(Changed::Appeared(join(dir, name))),
            Err(errno) if stamp::is_absent(errno) || errno == Errno::LOOP => Ok(()),
            Err(errno) => Err(missing(join(dir, name), errno)),
        }
    }

    fn check_all_contents(&self) -> Result<(), Changed> {
        self.prefixes.iter().try_for_each(|prefix| self.check_contents(prefix))
    }

    /// Compares the beginning of a file, or all of it, by digest.
    fn check_contents(&self, prefix: &Prefix) -> Result<(), Changed> {
        let path = self.string(prefix.path)?;
        let changed = || Changed::Contents(to_path(path));
        let unreadable = |errno| missing(to_path(path), errno);
        // Whatever stands there now must not make the start wait, as a pipe would.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = openat(CWD, path, flags, Mode::empty()).map_err(unreadable)?;
        let whole = match prefix.kind {
            PREFIX_BEGINNING => false,
            PREFIX_WHOLE => true,
            _ => return Err(Changed::Damaged("contents of unknown kind")),
        };
        let mut buffer = [0u8; 8192];
        let mut hasher = blake3::Hasher::new();
        let mut left = prefix.len;
        while left > 0 || whole {
            let read = rustix::io::read(&fd, &mut buffer[..]).map_err(unreadable)?;
            if read == 0 {
                break;
            }
            let counts = usize::try_from(left).unwrap_or(usize::MAX).min(read);
            if whole && counts < read {
                return Err(changed());
            }
            hasher.update(&buffer[..counts]);
            left -= counts as u64;
        }
        if left == 0 && names::short(&hasher) == prefix.digest { Ok(()) } else { Err(changed()) }
    }
}

fn entries<T>(table: &[T], first: u32, count: u32) -> Result<&[T], Changed> {
    let first = first as usize;
    first
        .checked_add(count as usize)
        .and_then(|end| table.get(first..end))
        .ok_or(Changed::Damaged("entries outside their table"))
}

fn to_path(path: &CStr) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(path.to_bytes()))
}

fn join(dir: &CStr, name: &CStr) -> PathBuf {
    Path::new(OsStr::from_bytes(dir.to_bytes())).join(OsStr::from_bytes(name.to_bytes()))
}

fn missing(path: PathBuf, errno: Errno) -> Changed {
    if stamp::is_absent(errno) {
        Changed::Vanished(path)
    } else {
        Changed::Unreadable { path, source: errno.into() }
    }
}
