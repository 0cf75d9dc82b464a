//! The tables of an image that hold its inputs, in memory.

use super::InputError;
use glowplug_image::inputs::{
    Absent, ContentDigest, DIRECTORY_FOUND_IN, Directory, FILE_IS_DIRECTORY, File, NO_PARENT,
    Prefix, Stamp,
};
use glowplug_image::{HEAD_LEN, Head, MAGIC, PAGE, Section};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use zerocopy::{FromZeros, IntoBytes};

/// Something that the imports did and that no input covers; for people who ask what an image rests on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Note {
    /// They read a fact about the host that changes too often to be compared.
    HostFact(PathBuf),
    /// They wrote a file, which a thawed start does not do again.
    Wrote(PathBuf),
    /// They removed a file or folder, most often one that they had made themselves.
    Removed(PathBuf),
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Note::HostFact(path) => {
                write!(f, "the imports read {}, which is not compared", path.display())
            }
            Note::Wrote(path) => write!(
                f,
                "the imports wrote {}, which a thawed start does not repeat",
                path.display()
            ),
            Note::Removed(path) => write!(
                f,
                "the imports made or removed {}, which a thawed start does not repeat",
                path.display()
            ),
        }
    }
}

/// The input tables of an image, ready to be written.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// Directories, each behind its parent.
    pub directories: Vec<Directory>,
    /// Files, by directory.
    pub files: Vec<File>,
    /// Absent names, by directory.
    pub absences: Vec<Absent>,
    /// Files that count by their contents.
    pub prefixes: Vec<Prefix>,
    /// Digests of the files' contents, one for each; none where files are told by their stamps alone.
    pub digests: Vec<ContentDigest>,
    /// What the tables point into.
    pub strings: Vec<u8>,
    /// What no input covers, in order and without repetition.
    pub notes: Vec<Note>,
}

impl Tables {
    /// The bytes of each section that the inputs take.
    pub fn sections(&self) -> [(Section, &[u8]); 6] {
        [
            (Section::Directories, self.directories.as_bytes()),
            (Section::Files, self.files.as_bytes()),
            (Section::Absences, self.absences.as_bytes()),
            (Section::Prefixes, self.prefixes.as_bytes()),
            (Section::Strings, &self.strings),
            (Section::Digests, self.digests.as_bytes()),
        ]
    }

    /// The beginning of an image that holds nothing but these inputs, in words so that it is aligned; for measuring and testing
    /// [`check`](super::check).
    pub fn alone(&self) -> Vec<u64> {
        let mut head = Head::new_zeroed();
        head.magic = MAGIC;
        head.version = glowplug_image::FORMAT_VERSION;
        let mut body = Vec::new();
        for span in &mut head.sections {
            span.offset = HEAD_LEN as u64;
        }
        for (section, bytes) in self.sections() {
            let span = &mut head.sections[section as usize];
            span.offset = (HEAD_LEN + body.len()) as u64;
            span.len = bytes.len() as u64;
            body.extend_from_slice(bytes);
            body.resize(body.len().next_multiple_of(8), 0);
        }
        let len = (HEAD_LEN + body.len()).next_multiple_of(PAGE as usize);
        head.pages_offset = len as u64;
        head.file_len = len as u64;
        head.seal(&body);
        let mut words = vec![0u64; len / 8];
        let bytes = words.as_mut_bytes();
        bytes[..size_of::<Head>()].copy_from_slice(head.as_bytes());
        bytes[HEAD_LEN..][..body.len()].copy_from_slice(&body);
        words
    }
}

/// What is known of one directory before the tables are laid out.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub kind: u32,
    pub stamp: Stamp,
    pub names: [u8; 16],
    pub stems: BTreeSet<Vec<u8>>,
    /// By name and `FILE_*`.
    pub files: BTreeMap<(Vec<u8>, u32), Stamp>,
    pub absences: BTreeSet<Vec<u8>>,
}

impl Group {
    fn has_entries(&self) -> bool {
        self.entries() > 0
    }

    fn entries(&self) -> usize {
        self.files.len() + self.absences.len()
    }
}

/// From so many entries on it costs less to open a directory than to walk to each entry from the one above.
const WORTH_OPENING: usize = 8;

/// A file that counts by its contents, before it is laid out.
#[derive(Debug)]
pub(super) struct Contents {
    pub path: PathBuf,
    pub digest: [u8; 16],
    pub len: u64,
    pub kind: u32,
}

/// Lays out the tables.
pub(super) fn lay_out(
    mut groups: BTreeMap<PathBuf, Group>,
    contents: &[Contents],
    notes: BTreeSet<Note>,
) -> Result<Tables, InputError> {
    dissolve_small_groups(&mut groups);
    drop_implied_directories(&mut groups);
    let mut tables = Tables { notes: notes.into_iter().collect(), ..Tables::default() };
    // Directories with entries on the way from the root to the present one; the tree is walked in order.
    let mut above: Vec<(&Path, u32)> = Vec::new();
    for (path, group) in &groups {
        while above.last().is_some_and(|(parent, _)| !path.starts_with(parent)) {
            above.pop();
        }
        let parent = above.last().map_or(NO_PARENT, |(_, index)| *index);
        let index = offset(tables.directories.len())?;
        tables.directory(path, group, parent)?;
        if group.has_entries() && path != Path::new("/") {
            above.push((path, index));
        }
    }
    for file in contents {
        let path = tables.string(file.path.as_os_str().as_bytes())?;
        tables.prefixes.push(Prefix { digest: file.digest, len: file.len, path, kind: file.kind });
    }
    Ok(tables)
}

/// Moves the entries of directories that have few to the nearest known directory above, as paths relative to that.
fn dissolve_small_groups(groups: &mut BTreeMap<PathBuf, Group>) {
    let paths: Vec<PathBuf> = groups.keys().cloned().collect();
    // Deepest first, so that what is moved is counted where it arrives.
    for path in paths.iter().rev() {
        let small = groups.get(path).is_some_and(|group| group.entries() < WORTH_OPENING);
        let above = path.ancestors().skip(1).find(|above| groups.contains_key(*above));
        let Some(above) = above.filter(|above| small && *above != Path::new("/")) else { continue };
        let Ok(way) = path.strip_prefix(above) else { continue };
        let Some(group) = groups.get_mut(path) else { continue };
        let (files, absences) =
            (std::mem::take(&mut group.files), std::mem::take(&mut group.absences));
        let longer = |name: Vec<u8>| way.join(OsStr::from_bytes(&name)).into_os_string().into_vec();
        if let Some(above) = groups.get_mut(above) {
            above.files.extend(files.into_iter().map(|((n, kind), s)| ((longer(n), kind), s)));
            above.absences.extend(absences.into_iter().map(longer));
        }
    }
    groups.retain(|_, group| group.has_entries() || group.kind != 0);
}

/// A directory that is opened for its entries need not be asked for in its parent as well.
fn drop_implied_directories(groups: &mut BTreeMap<PathBuf, Group>) {
    let known: BTreeSet<PathBuf> = groups.keys().cloned().collect();
    for (path, group) in groups.iter_mut() {
        group.files.retain(|(name, kind), _| {
            *kind != FILE_IS_DIRECTORY || !known.contains(&path.join(OsStr::from_bytes(name)))
        });
    }
    groups.retain(|_, group| group.has_entries() || group.kind != 0);
}

impl Tables {
    fn directory(&mut self, path: &Path, group: &Group, parent: u32) -> Result<(), InputError> {
        let path = self.string(path.as_os_str().as_bytes())?;
        let stems = if group.kind == DIRECTORY_FOUND_IN { self.stems(&group.stems)? } else { path };
        let files = offset(self.files.len())?;
        for ((name, kind), stamp) in &group.files {
            let name = self.string(name)?;
            self.files.push(File { stamp: *stamp, name, kind: *kind });
        }
        let absences = offset(self.absences.len())?;
        for name in &group.absences {
            let name = self.string(name)?;
            self.absences.push(Absent { name, reserved: 0 });
        }
        self.directories.push(Directory {
            stamp: group.stamp,
            names: group.names,
            path,
            kind: group.kind,
            stems,
            files,
            file_count: offset(group.files.len())?,
            absences,
            absence_count: offset(group.absences.len())?,
            parent,
        });
        Ok(())
    }

    fn stems(&mut self, stems: &BTreeSet<Vec<u8>>) -> Result<u32, InputError> {
        let start = offset(self.strings.len())?;
        for stem in stems {
            self.string(stem)?;
        }
        self.strings.push(0);
        Ok(start)
    }

    fn string(&mut self, bytes: &[u8]) -> Result<u32, InputError> {
        let start = offset(self.strings.len())?;
        self.strings.extend_from_slice(bytes);
        self.strings.push(0);
        Ok(start)
    }
}

fn offset(position: usize) -> Result<u32, InputError> {
    u32::try_from(position).map_err(|_| InputError::TooMany)
}
