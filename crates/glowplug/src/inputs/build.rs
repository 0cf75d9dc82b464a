//! From what a freezer saw to the tables of an image.

use super::InputError;
use super::bytecode;
use super::names::{self, Matter};
use super::observe::{Observed, Op, Record, Seen, tidy};
use super::pseudo::{self, Pseudo};
use super::stamp::{self, Status};
use super::tables::{self, Contents, Group, Note, Tables};
use glowplug_image::inputs::{
    DIRECTORY_FOUND_IN, DIRECTORY_LISTED, FILE_FOLLOW, FILE_IS_DIRECTORY, FILE_NOFOLLOW,
    PREFIX_BEGINNING, PREFIX_WHOLE, Stamp, stem,
};
use rustix::fs::CWD;
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How far the time that a file system writes down may lag behind the clock.
const CLOCK_GRANULARITY: Duration = Duration::from_millis(10);

/// What libc and its dynamic loader read without the recorder seeing it: the last is the zone where TZ names none.
const LIBC_FILES: &[&str] = &["/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/localtime"];

/// Longest pseudo file that is compared by its contents, bytes.
const LONGEST_FACT: u64 = 64 * 1024;

/// Makes the input tables of an image.
///
/// `freeze_started` is a time before the first import of the process that is being frozen. What changed since, or so shortly before
/// that a further change would not show in its stamp, is an [`InputError`]: the image would vouch for something that its process
/// has not seen.
pub fn build(observed: &Observed, freeze_started: SystemTime) -> Result<Tables, InputError> {
    if observed.record.overflow {
        return Err(InputError::Overflow);
    }
    if observed.record.damaged > 0 {
        return Err(InputError::Damaged);
    }
    collect(observed, freeze_started, Err)
}

/// Makes the input tables of a refusal: how long a program need not be tried again.
///
/// Where [`build`] fails for a reason that lasts ([`InputError::is_passing`] is false), this leaves out the paths at fault and keeps
/// the rest: as soon as a source changes, the reason may be gone.
pub fn build_refusal(
    observed: &Observed,
    freeze_started: SystemTime,
) -> Result<Tables, InputError> {
    let lasting = |error: InputError| if error.is_passing() { Err(error) } else { Ok(()) };
    collect(observed, freeze_started, lasting)
}

/// Makes tables; `judge` decides on a path at fault whether to go on without it.
fn collect(
    observed: &Observed,
    freeze_started: SystemTime,
    judge: impl Fn(InputError) -> Result<(), InputError>,
) -> Result<Tables, InputError> {
    let mut builder = Builder::new(observed, freeze_started);
    let paths = gather(observed)?;
    for (path, seen) in &paths {
        builder.take(path, *seen, &paths).or_else(&judge)?;
    }
    // Only now is it known which directories are listed, and these imply absences.
    for path in std::mem::take(&mut builder.missing) {
        builder.absent(&path).or_else(&judge)?;
    }
    builder.digest_names()?;
    builder.program()?;
    tables::lay_out(builder.groups, &builder.contents, builder.notes)
}

/// All paths that matter, from all sources.
fn gather(observed: &Observed) -> Result<BTreeMap<PathBuf, Seen>, InputError> {
    let own = |path: &Path| observed.own.iter().any(|own| path.starts_with(own));
    let mut all = Record::default();
    all.paths.extend(
        observed.record.paths.iter().filter(|(p, _)| !own(p)).map(|(p, seen)| (p.clone(), *seen)),
    );
    for path in &observed.mapped {
        if let Some(path) = mapped_file(path)? {
            all.note(path, Op::Read);
        }
    }
    for path in &observed.extra_files {
        all.note(tidy(path.as_os_str()), Op::Read);
    }
    for path in LIBC_FILES {
        let path = PathBuf::from(path);
        let op = if path.exists() { Op::Read } else { Op::Missing };
        all.note(path, op);
    }
    Ok(all.paths)
}

/// The file of a mapping, or `None` where it has none that could be asked for.
fn mapped_file(path: &Path) -> Result<Option<PathBuf>, InputError> {
    let bytes = path.as_os_str().as_bytes();
    if !path.is_absolute() || bytes.starts_with(b"/memfd:") || bytes.starts_with(b"/SYSV") {
        return Ok(None);
    }
    match bytes.strip_suffix(b" (deleted)") {
        Some(file) => Err(InputError::Vanished(PathBuf::from(OsStr::from_bytes(file)))),
        None => Ok(Some(tidy(path.as_os_str()))),
    }
}

struct Builder<'a> {
    observed: &'a Observed,
    lookups: BTreeMap<PathBuf, &'a BTreeSet<String>>,
    /// Stamps from here on are racy; nanoseconds since 1970.
    cutoff: i64,
    groups: BTreeMap<PathBuf, Group>,
    contents: Vec<Contents>,
    notes: BTreeSet<Note>,
    missing: Vec<PathBuf>,
}

impl<'a> Builder<'a> {
    fn new(observed: &'a Observed, freeze_started: SystemTime) -> Builder<'a> {
        let cutoff = freeze_started
            .checked_sub(CLOCK_GRANULARITY)
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
            .and_then(|time| i64::try_from(time.as_nanos()).ok())
            .unwrap_or(0);
        let lookups = observed.lookups.iter().map(|(dir, stems)| (tidy(dir.as_os_str()), stems));
        Builder {
            observed,
            lookups: lookups.collect(),
            cutoff,
            groups: BTreeMap::new(),
            contents: Vec::new(),
            notes: BTreeSet::new(),
            missing: Vec::new(),
        }
    }

    fn take(
        &mut self,
        path: &Path,
        seen: Seen,
        all: &BTreeMap<PathBuf, Seen>,
    ) -> Result<(), InputError> {
        if let Some(pseudo) = pseudo::classify(path, self.observed.record.pid) {
            return self.pseudo(path, seen, pseudo);
        }
        if bytecode::is_cached(path) && vouched_for(path, seen, all) {
            return Ok(());
        }
        if bytecode::is_folder(path)
            && seen.has(Op::Write)
            && !seen.any(&[Op::List, Op::FinderList])
        {
            // Python makes it for the bytecode that it writes down.
            return Ok(());
        }
        // Its beginning counts; asking whether it is there tells nothing more. A program that was imported as a module is read.
        let is_program = self.observed.program.as_ref().is_some_and(|(program, _)| program == path);
        if is_program && !seen.any(&[Op::Read, Op::Write]) && !has_bytecode(path, all) {
            return Ok(());
        }
        let found = match stamp::follow(path) {
            Ok(status) => Some(status),
            Err(errno) if stamp::is_absent(errno) || errno == Errno::LOOP => None,
            Err(errno) => return Err(unreadable(path, errno)),
        };
        if seen.has(Op::Write) {
            self.written(path, seen, found)
        } else {
            self.unwritten(path, seen, found)
        }
    }

    fn pseudo(&mut self, path: &Path, seen: Seen, pseudo: Pseudo) -> Result<(), InputError> {
        let opened = seen.any(&[Op::Read, Op::Write, Op::List]);
        match pseudo {
            Pseudo::Device if opened => Err(InputError::Device(path.to_path_buf())),
            Pseudo::OtherProcess if opened => Err(InputError::OtherProcess(path.to_path_buf())),
            Pseudo::Note if opened => {
                self.notes.insert(Note::HostFact(path.to_path_buf()));
                Ok(())
            }
            Pseudo::Compare if seen.has(Op::Read) => self.fact(path),
            _ => Ok(()),
        }
    }

    /// A pseudo file that is compared by its contents.
    fn fact(&mut self, path: &Path) -> Result<(), InputError> {
        let mut contents = Vec::new();
        File::open(path)
            .and_then(|file| file.take(LONGEST_FACT).read_to_end(&mut contents))
            .map_err(|source| InputError::Unreadable { path: path.to_path_buf(), source })?;
        self.contents.push(Contents {
            path: path.to_path_buf(),
            digest: digest(&contents),
            len: contents.len() as u64,
            kind: PREFIX_WHOLE,
        });
        Ok(())
    }

    /// A path that the imports wrote to.
    fn written(
        &mut self,
        path: &Path,
        seen: Seen,
        found: Option<Status>,
    ) -> Result<(), InputError> {
        let both = || Err(InputError::ReadAndWritten(path.to_path_buf()));
        let Some(status) = found else {
            return match seen.first() {
                // Made and removed again: plain Python would not find it either.
                Op::Missing => self.unwritten(path, Seen::only(Op::Missing), None),
                Op::Write => {
                    self.notes.insert(Note::Removed(path.to_path_buf()));
                    Ok(())
                }
                _ => both(),
            };
        };
        let asked =
            seen.any(&[Op::Read, Op::Stat, Op::Missing, Op::List, Op::FinderList, Op::Link]);
        if status.is_directory() {
            if seen.first() == Op::Missing {
                return both();
            }
            // Made by the imports, or it was there already, as `makedirs(exist_ok=True)` has it.
            self.unwritten(path, seen, found)
        } else if !self.is_racy(&status.stamp) {
            // Opened for reading and writing, and nothing was written.
            self.unwritten(path, Seen::only(Op::Read), found)
        } else if asked {
            both()
        } else {
            self.notes.insert(Note::Wrote(path.to_path_buf()));
            Ok(())
        }
    }

    /// A path that the imports left as it was; `found` is what is there now, behind links.
    fn unwritten(
        &mut self,
        path: &Path,
        seen: Seen,
        found: Option<Status>,
    ) -> Result<(), InputError> {
        let found_then = seen.any(&[Op::Read, Op::Stat, Op::List, Op::FinderList, Op::Link]);
        if found.is_some() && !found_then && !seen.has(Op::Write) {
            return Err(InputError::Appeared(path.to_path_buf()));
        }
        let link = self.link(path, seen)?;
        let Some(status) = found else {
            let only_the_link = link && !seen.any(&[Op::Read, Op::List, Op::FinderList]);
            if found_then && !only_the_link {
                return Err(InputError::Vanished(path.to_path_buf()));
            }
            self.missing.push(path.to_path_buf());
            return Ok(());
        };
        let listed = seen.any(&[Op::List, Op::FinderList]);
        if listed && !status.is_directory() {
            return Err(InputError::Vanished(path.to_path_buf()));
        }
        if listed {
            self.listed(path, seen, &status)
        } else if status.is_directory() {
            self.file(path, FILE_IS_DIRECTORY, Stamp::default())
        } else if self.is_racy(&status.stamp) {
            Err(InputError::Racy(path.to_path_buf()))
        } else {
            self.file(path, FILE_FOLLOW, status.stamp)
        }
    }

    /// Notes the link itself where `path` is one and the imports may have looked at it.
    fn link(&mut self, path: &Path, seen: Seen) -> Result<bool, InputError> {
        if !seen.any(&[Op::Link, Op::Stat]) {
            return Ok(false);
        }
        let status = match stamp::nofollow(path) {
            Ok(status) => status,
            Err(errno) if stamp::is_absent(errno) => return Ok(false),
            Err(errno) => return Err(unreadable(path, errno)),
        };
        if !status.is_link() {
            return Ok(false);
        }
        if self.is_racy(&status.stamp) {
            return Err(InputError::Racy(path.to_path_buf()));
        }
        self.file(path, FILE_NOFOLLOW, status.stamp)?;
        Ok(true)
    }

    fn file(&mut self, path: &Path, kind: u32, stamp: Stamp) -> Result<(), InputError> {
        // The root itself is always a directory, and no name in another.
        if let (Some(dir), Some(name)) = (path.parent(), last_name(path)) {
            self.groups.entry(dir.to_path_buf()).or_default().files.insert((name, kind), stamp);
        }
        Ok(())
    }

    fn listed(&mut self, path: &Path, seen: Seen, status: &Status) -> Result<(), InputError> {
        let stems = self.lookups.get(path);
        // Without knowing what a finder looked for, every name matters.
        let by_finder = !seen.has(Op::List) && stems.is_some();
        let racy = self.is_racy(&status.stamp);
        if racy && !by_finder {
            return Err(InputError::Racy(path.to_path_buf()));
        }
        let group = self.groups.entry(path.to_path_buf()).or_default();
        group.kind = if by_finder { DIRECTORY_FOUND_IN } else { DIRECTORY_LISTED };
        group.stamp = if racy { Stamp::default() } else { status.stamp };
        let stems = stems.into_iter().flat_map(|stems| stems.iter());
        group.stems.extend(stems.filter(|s| !s.is_empty()).map(|s| s.as_bytes().to_vec()));
        Ok(())
    }

    /// A path that must stay absent.
    fn absent(&mut self, path: &Path) -> Result<(), InputError> {
        let (dir, rest) = existing_ancestor(path)?;
        let first = rest.components().next().map(|part| part.as_os_str().as_bytes().to_vec());
        let Some(first) = first else {
            return Err(InputError::Appeared(path.to_path_buf()));
        };
        // Where a file or a dangling link stands in the way, the names of the directory say nothing.
        let nothing_there =
            stamp::nofollow(&dir.join(OsStr::from_bytes(&first))).is_err_and(stamp::is_absent);
        let group = self.groups.entry(dir).or_default();
        let is_covered = match group.kind {
            0 => false,
            DIRECTORY_FOUND_IN => names::can_be_module(&first),
            _ => true,
        };
        if is_covered && nothing_there {
            group.stems.insert(stem(&first).to_vec());
        } else {
            group.absences.insert(rest.as_os_str().as_bytes().to_vec());
        }
        Ok(())
    }

    /// Digests the names of the listed directories, now that all stems are known.
    fn digest_names(&mut self) -> Result<(), InputError> {
        let cutoff = self.cutoff;
        for (path, group) in &mut self.groups {
            if group.kind == 0 {
                continue;
            }
            if group.kind == DIRECTORY_FOUND_IN {
                let found = group.files.keys().map(|(name, _)| stem(name).to_vec());
                group.stems.extend(found.collect::<Vec<_>>());
            }
            let stems: Vec<&[u8]> = group.stems.iter().map(Vec::as_slice).collect();
            let matter = match group.kind {
                DIRECTORY_FOUND_IN => Matter::Stems(&stems),
                _ => Matter::All,
            };
            let names = names::list(CWD, &c_path(path)?, matter).map_err(|e| gone(path, e))?;
            group.names = names::digest(&names);
            if group.stamp == Stamp::default() {
                refuse_new_names(path, &names, cutoff)?;
            } else if stamp::follow(path).map_err(|e| gone(path, e))?.stamp != group.stamp {
                return Err(InputError::Racy(path.clone()));
            }
        }
        Ok(())
    }

    fn program(&mut self) -> Result<(), InputError> {
        let Some((path, len)) = &self.observed.program else { return Ok(()) };
        let status = stamp::follow(path).map_err(|errno| gone(path, errno))?;
        if self.is_racy(&status.stamp) {
            return Err(InputError::Racy(path.clone()));
        }
        let mut beginning = Vec::new();
        File::open(path)
            .and_then(|file| file.take(*len).read_to_end(&mut beginning))
            .map_err(|source| InputError::Unreadable { path: path.clone(), source })?;
        // A file shorter than what counts of it counts as a whole.
        let len = beginning.len() as u64;
        let kind = if len < status.stamp.size { PREFIX_BEGINNING } else { PREFIX_WHOLE };
        let digest = digest(&beginning);
        self.contents.insert(0, Contents { path: path.clone(), digest, len, kind });
        Ok(())
    }

    fn is_racy(&self, stamp: &Stamp) -> bool {
        is_racy(stamp, self.cutoff)
    }
}

fn is_racy(stamp: &Stamp, cutoff: i64) -> bool {
    stamp.mtime_ns.cast_signed() >= cutoff || stamp.ctime_ns.cast_signed() >= cutoff
}

/// In a directory that is changing, each name that matters must be older than the freeze; otherwise a finder may not have seen it.
fn refuse_new_names(path: &Path, names: &[Vec<u8>], cutoff: i64) -> Result<(), InputError> {
    for name in names {
        let path = path.join(OsStr::from_bytes(name));
        let status = stamp::nofollow(&path).map_err(|errno| gone(&path, errno))?;
        // A directory's own time changes with what is in it: that it was found is known from its files.
        if !status.is_directory() && is_racy(&status.stamp, cutoff) {
            return Err(InputError::Racy(path));
        }
    }
    Ok(())
}

/// Whether a source that the imports looked at stands for this bytecode.
fn vouched_for(path: &Path, seen: Seen, all: &BTreeMap<PathBuf, Seen>) -> bool {
    let source = bytecode::sources(path).into_iter().find_map(|source| {
        all.get(&source).copied().filter(|seen| seen.any(&[Op::Read, Op::Stat]))
    });
    let Some(source) = source else { return false };
    // Python reads the source of bytecode that is checked by hash, unless it is told to trust it.
    source.has(Op::Read) || !seen.has(Op::Read) || !bytecode::is_hash_based(path).unwrap_or(true)
}

/// Whether bytecode made of this source was asked for.
fn has_bytecode(source: &Path, all: &BTreeMap<PathBuf, Seen>) -> bool {
    let Some(folder) = source.parent().map(|dir| dir.join("__pycache__")) else { return false };
    all.range(folder.clone()..)
        .take_while(|(path, _)| path.starts_with(&folder))
        .any(|(path, _)| bytecode::sources(path).iter().any(|of| of == source))
}

/// The nearest directory above an absent path that exists, and the rest of the path behind it.
fn existing_ancestor(path: &Path) -> Result<(PathBuf, PathBuf), InputError> {
    for dir in path.ancestors().skip(1) {
        let is_directory = match stamp::follow(dir) {
            Ok(status) => status.is_directory(),
            Err(errno) if stamp::is_absent(errno) || errno == Errno::LOOP => false,
            Err(errno) => return Err(unreadable(dir, errno)),
        };
        if is_directory {
            let rest = path.strip_prefix(dir).unwrap_or(path);
            return Ok((dir.to_path_buf(), rest.to_path_buf()));
        }
    }
    Err(InputError::Vanished(PathBuf::from("/")))
}

/// The last component, also where it is `..`.
fn last_name(path: &Path) -> Option<Vec<u8>> {
    path.components()
        .next_back()
        .filter(|part| !matches!(part, std::path::Component::RootDir))
        .map(|part| part.as_os_str().as_bytes().to_vec())
}

/// The digest of contents that count.
pub(super) fn digest(contents: &[u8]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(contents);
    names::short(&hasher)
}

fn c_path(path: &Path) -> Result<CString, InputError> {
    CString::new(path.as_os_str().as_bytes())
        .map_err(|error| InputError::Unreadable { path: path.to_path_buf(), source: error.into() })
}

fn unreadable(path: &Path, errno: Errno) -> InputError {
    InputError::Unreadable { path: path.to_path_buf(), source: errno.into() }
}

fn gone(path: &Path, errno: Errno) -> InputError {
    if stamp::is_absent(errno) {
        InputError::Vanished(path.to_path_buf())
    } else {
        unreadable(path, errno)
    }
}
