//! What a freezer saw: the recorder's file, typed, and what was learned beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Where the entries begin in the recorder's file.
const DATA: usize = 64;
/// Set by the recorder in the flags word when an entry did not fit.
const FLAG_OVERFLOW: u64 = 1 << 1;

/// What happened to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// Opened for reading.
    Read,
    /// Opened for writing, created, removed or renamed.
    Write,
    /// Asked for, and there.
    Stat,
    /// Asked for or opened, and not there.
    Missing,
    /// Listed, and not by a finder of the import system.
    List,
    /// Listed by a finder of the import system.
    FinderList,
    /// Read as a symbolic link.
    Link,
}

impl Op {
    fn of(byte: u8) -> Option<Op> {
        Some(match byte {
            b'O' => Op::Read,
            b'W' => Op::Write,
            b'S' => Op::Stat,
            b'N' => Op::Missing,
            b'D' => Op::List,
            b'F' => Op::FinderList,
            b'L' => Op::Link,
            _ => return None,
        })
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// All that happened to one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    first: Op,
    ops: u8,
}

impl Seen {
    /// Nothing but `op`.
    pub fn only(op: Op) -> Seen {
        Seen { first: op, ops: op.bit() }
    }

    /// What happened first.
    pub fn first(self) -> Op {
        self.first
    }

    /// Whether `op` happened at all.
    pub fn has(self, op: Op) -> bool {
        self.ops & op.bit() != 0
    }

    /// Whether one of `ops` happened.
    pub fn any(self, ops: &[Op]) -> bool {
        ops.iter().any(|op| self.has(*op))
    }

    pub(crate) fn add(&mut self, op: Op) {
        self.ops |= op.bit();
    }
}

/// The recorder's file of one process, typed.
///
/// Paths are absolute, without `.` and doubled slashes; `..` stays, because behind a symbolic link it means something else.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// The process that was recorded; 0 where the recorder never started.
    pub pid: u64,
    /// Some of what happened is missing: the file was too small.
    pub overflow: bool,
    /// Entries that made no sense: an unknown op or a path that is not absolute.
    pub damaged: usize,
    /// What happened to each path.
    pub paths: BTreeMap<PathBuf, Seen>,
    /// Environment variables that were asked for through libc.
    pub variables: BTreeSet<OsString>,
    /// What was done that leaves traces outside, or asked that has another answer at each start; in order.
    pub deeds: Vec<Deed>,
}

/// In place of a module: what was done before the imports, when the interpreter and `site` started.
pub const STARTING: &str = "<start>";

/// In place of a module: what the freezer's own code does, and hooks before the freeze.
pub const OWN: &str = "<glowplug>";

/// Something that was done while a module was being imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// The module; empty where there was none.
    pub module: String,
    /// The recorder's letter: `W`, `X`, `C`, `B`, `K` or `T`; below `/dev` and `/proc` also `O`, `D` or `L`.
    pub op: u8,
    /// The file, program, socket or fact.
    pub name: OsString,
}

impl Record {
    /// Reads the recorder's file. Never fails: what is missing or odd is counted in the record.
    pub fn parse(file: &[u8]) -> Record {
        let word = |at: usize| {
            let bytes = file.get(at..at + 8).and_then(|b| <[u8; 8]>::try_from(b).ok());
            bytes.map_or(0, u64::from_le_bytes)
        };
        let data = file.get(DATA..).unwrap_or(&[]);
        let used = usize::try_from(word(0)).unwrap_or(usize::MAX);
        let mut record = Record {
            pid: word(8),
            overflow: word(16) & FLAG_OVERFLOW != 0 || used > data.len(),
            ..Record::default()
        };
        let data = &data[..used.min(data.len())];
        let mut module = STARTING.to_owned();
        // A process that ends between reserving and writing an entry leaves NULs: these are empty entries.
        for entry in data.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()) {
            match entry[0] {
                b'M' => module = String::from_utf8_lossy(&entry[1..]).into_owned(),
                op => record.take(op, &entry[1..], &module),
            }
        }
        record
    }

    fn take(&mut self, op: u8, name: &[u8], module: &str) {
        let text = || OsString::from_vec(name.to_vec());
        let is_pseudo = || name.starts_with(b"/dev/") || name.starts_with(b"/proc/");
        if matches!(op, b'W' | b'X' | b'C' | b'B' | b'K' | b'T')
            || matches!(op, b'O' | b'D' | b'L') && is_pseudo()
        {
            self.deeds.push(Deed { module: module.to_owned(), op, name: text() });
        }
        match op {
            b'E' => _ = self.variables.insert(text()),
            b'X' | b'C' | b'B' | b'K' | b'T' => {}
            _ => match Op::of(op) {
                Some(op) if name.first() == Some(&b'/') => {
                    self.note(tidy(OsStr::from_bytes(name)), op);
                }
                _ => self.damaged += 1,
            },
        }
    }

    /// Reads what the recorder has written so far to its file of `room` bytes: no more of the file than is used.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn read(file: &std::fs::File, room: u64) -> std::io::Result<Record> {
        use std::os::unix::fs::FileExt;
        let mut used = [0; 8];
        file.read_exact_at(&mut used, 0)?;
        let len = u64::from_le_bytes(used).saturating_add(64).min(room);
        let mut bytes = vec![0; usize::try_from(len).map_err(std::io::Error::other)?];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(Record::parse(&bytes))
    }

    /// Adds one observation of an absolute path.
    pub fn note(&mut self, path: PathBuf, op: Op) {
        self.paths.entry(path).and_modify(|seen| seen.add(op)).or_insert_with(|| Seen::only(op));
    }

    /// Adds what another pass read, without what was `written`, what lies in that, and what cannot be compared.
    pub fn add_reads(&mut self, other: &Record, written: &BTreeSet<PathBuf>) {
        // What that pass read about its own process is about another one here.
        let its_own = Path::new("/proc").join(other.pid.to_string());
        for (path, seen) in other.paths.iter().filter(|(path, _)| !path.starts_with(&its_own)) {
            let is_written = path.ancestors().any(|path| written.contains(path));
            if !is_written && !super::is_unrepeatable(path, other.pid) {
                self.paths.entry(path.clone()).or_insert(*seen);
            }
        }
    }

    /// Paths that were opened for reading.
    pub fn opened(&self) -> impl Iterator<Item = &Path> {
        self.paths.iter().filter(|(_, seen)| seen.has(Op::Read)).map(|(path, _)| path.as_path())
    }
}

/// The path without `.` components, doubled slashes and slashes at its end.
pub(super) fn tidy(path: &OsStr) -> PathBuf {
    Path::new(path).components().collect()
}

/// All that a freezer knows about what the imports read.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// What the recorder wrote.
    pub record: Record,
    /// For each directory of a finder, the stems of the names that were looked up in it.
    pub lookups: BTreeMap<PathBuf, BTreeSet<String>>,
    /// Files that are mapped into the process, shared libraries above all, as /proc/PID/maps names them.
    pub mapped: Vec<PathBuf>,
    /// The script, and how many of its first bytes count.
    pub program: Option<(PathBuf, u64)>,
    /// Files that count though nobody saw them being read: the interpreter, pyvenv.cfg, Glowplug's own parts.
    pub extra_files: Vec<PathBuf>,
    /// Files and folders of Glowplug's own: that the record mentions them says nothing. As `extra_files` they still count.
    pub own: Vec<PathBuf>,
}
