//! Reads what the collector wrote: chunks of records, each chunk of one thread. The collector's `trace` module says how they are laid out.
//!
//! A trace ends where its process did, so everything that has not been said is left out, and nothing here fails beyond the header.

mod lines;

use lines::Code;
use std::collections::{BTreeMap, HashMap};

/// Bytes of a chunk and of the file's header.
pub const CHUNK: usize = 1 << 16;
const CHUNK_HEADER: usize = 16;
const MAGIC: &[u8; 8] = b"glowprof";
const FORMAT: u64 = 1;

/// The header of an empty trace with room for some chunks.
pub fn header(chunks: u64) -> [u8; 32] {
    let mut header = [0; 32];
    header[..8].copy_from_slice(MAGIC);
    header[8..16].copy_from_slice(&FORMAT.to_le_bytes());
    header[24..].copy_from_slice(&chunks.to_le_bytes());
    header
}

/// How many chunks of a file have been written to, by its header of 32 bytes or more.
pub fn taken(header: &[u8]) -> u64 {
    word(header, 16).min(word(header, 24))
}

/// Why a file is no trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the collector's file was damaged")]
pub struct NotATrace;

/// A record: what happened in a thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What it is about; see [`kind`].
    pub kind: u8,
    /// Depends on the kind.
    pub flags: u8,
    /// Depends on the kind.
    pub argument: u32,
    /// Depends on the kind.
    pub words: Vec<u64>,
}

/// The kinds of records, as the collector numbers them.
pub mod kind {
    #![allow(
        missing_docs,
        reason = "they are documented where they are written, in the collector's module `trace`"
    )]
    pub const PROCESS: u8 = 1;
    pub const STRING: u8 = 2;
    pub const LOAD_BEGIN: u8 = 3;
    pub const LOAD_END: u8 = 4;
    pub const PHASE_BEGIN: u8 = 5;
    pub const PHASE_END: u8 = 6;
    pub const SPEC: u8 = 7;
    pub const EDGE: u8 = 8;
    pub const LOOKUP: u8 = 9;
    pub const DATA: u8 = 10;
    pub const END: u8 = 11;
    pub const PRICE: u8 = 12;
    pub const PYTHON: u8 = 13;
    pub const ARGUMENT: u8 = 14;
    pub const THREAD: u8 = 16;
    pub const DLOPEN: u8 = 17;
    pub const WATCHED: u8 = 18;
    pub const USED: u8 = 19;
    pub const TAKEN: u8 = 20;
    pub const CODE: u8 = 21;
}

/// What one thread wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThreadTrace {
    /// The kernel's id.
    pub tid: u32,
    /// In the order of their happening.
    pub records: Vec<Record>,
}

/// What one process wrote, from its start (or the fork that made it) to its end, or to its becoming another program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessTrace {
    /// Its id.
    pub pid: u32,
    /// Its parent's.
    pub parent_pid: u32,
    /// Whether it was forked, not executed.
    pub forked: bool,
    /// Its threads; the one that wrote first is the first.
    pub threads: Vec<ThreadTrace>,
    /// Its strings, those of the process that it was forked from among them.
    pub strings: HashMap<u32, String>,
    /// Its code objects that import, likewise.
    codes: HashMap<u32, Code>,
}

/// Splits a trace into its processes, in the order of their beginnings. Only processes with a Python in them write any.
///
/// # Errors
/// Where the header is not the collector's.
pub fn read(bytes: &[u8]) -> Result<Vec<ProcessTrace>, NotATrace> {
    let header = bytes.get(..32).ok_or(NotATrace)?;
    if &header[..8] != MAGIC || word(header, 8) != FORMAT {
        return Err(NotATrace);
    }
    let taken = taken(header);
    let mut processes: Vec<ProcessTrace> = Vec::new();
    // Which process writes under a process id now.
    let mut current: BTreeMap<u32, usize> = BTreeMap::new();
    for chunk in bytes.chunks(CHUNK).skip(1).take(usize::try_from(taken).unwrap_or(usize::MAX)) {
        let Some((pid, tid, records)) = read_chunk(chunk) else { continue };
        for record in records {
            if record.kind == kind::PROCESS {
                begin(&mut processes, &mut current, pid, &record);
            }
            let index = *current.entry(pid).or_insert_with(|| {
                processes.push(ProcessTrace { pid, ..ProcessTrace::default() });
                processes.len() - 1
            });
            processes[index].push(tid, record);
        }
    }
    for process in &mut processes {
        process.find_lines();
    }
    Ok(processes)
}

/// A process record begins a process.
fn begin(
    processes: &mut Vec<ProcessTrace>,
    current: &mut BTreeMap<u32, usize>,
    pid: u32,
    record: &Record,
) {
    let parent_pid = record.words.first().map_or(0, |&pid| pid as u32);
    let forked = record.flags == 1;
    let (strings, codes) = match current.get(&parent_pid) {
        Some(&parent) if forked => {
            (processes[parent].strings.clone(), processes[parent].codes.clone())
        }
        _ => Default::default(),
    };
    // A thread's name comes before anything else of it, so before the process that it is the first thread of.
    let named = processes.pop_if(|last| last.pid == pid && last.holds_names_alone());
    let threads = named.map(|named| named.threads).unwrap_or_default();
    processes.push(ProcessTrace { pid, parent_pid, forked, threads, strings, codes });
    current.insert(pid, processes.len() - 1);
}

/// The traces of processes that one was forked into, directly or not.
pub fn forked_from<'a>(all: &'a [ProcessTrace], from: &ProcessTrace) -> Vec<&'a ProcessTrace> {
    let mut parents = vec![from.pid];
    let mut found = Vec::new();
    for trace in all.iter().filter(|trace| trace.forked) {
        if parents.contains(&trace.parent_pid) {
            parents.push(trace.pid);
            found.push(trace);
        }
    }
    found
}

impl ProcessTrace {
    fn holds_names_alone(&self) -> bool {
        let records = || self.threads.iter().flat_map(|thread| &thread.records);
        self.strings.is_empty() && records().all(|record| record.kind == kind::THREAD)
    }

    fn push(&mut self, tid: u32, record: Record) {
        if record.kind == kind::STRING {
            let bytes: Vec<u8> =
                record.words.iter().skip(1).flat_map(|word| word.to_le_bytes()).collect();
            let length = record.words.first().map_or(0, |&length| length as usize).min(bytes.len());
            self.strings
                .insert(record.argument, String::from_utf8_lossy(&bytes[..length]).into_owned());
            return;
        }
        if record.kind == kind::CODE {
            self.codes.extend(
                Code::read(record.flags, &record.words).map(|code| (record.argument, code)),
            );
            return;
        }
        let thread = match self.threads.iter_mut().position(|thread| thread.tid == tid) {
            Some(index) => index,
            None => {
                self.threads.push(ThreadTrace { tid, records: Vec::new() });
                self.threads.len() - 1
            }
        };
        self.threads[thread].records.push(record);
    }

    /// Puts file and line in place of the code objects and places in them that imports were noted with. A thread can name a code
    /// object that another one took a note of, further on in the file; so this comes last.
    fn find_lines(&mut self) {
        let records = self.threads.iter_mut().flat_map(|thread| &mut thread.records);
        for record in records.filter(|record| [kind::LOAD_BEGIN, kind::EDGE].contains(&record.kind))
        {
            let Some(place) = record.words.first_mut() else { continue };
            let code = self.codes.get(&((*place >> 32) as u32));
            *place = code
                .map_or(0, |code| u64::from(code.file) << 32 | u64::from(code.line(*place as u32)));
        }
    }

    /// A string by its number; empty where it is not known.
    pub fn string(&self, number: u32) -> &str {
        self.strings.get(&number).map_or("", String::as_str)
    }

    /// All records of a kind, of all threads.
    pub fn of_kind(&self, kind: u8) -> impl Iterator<Item = &Record> {
        self.threads
            .iter()
            .flat_map(|thread| &thread.records)
            .filter(move |record| record.kind == kind)
    }
}

fn read_chunk(chunk: &[u8]) -> Option<(u32, u32, Vec<Record>)> {
    let number = |at: usize| Some(u32::from_le_bytes(chunk.get(at..at + 4)?.try_into().ok()?));
    let used = (number(0)? as usize).min(chunk.len());
    let (pid, tid) = (number(4)?, number(8)?);
    if used < CHUNK_HEADER || pid == 0 {
        return None;
    }
    let mut records = Vec::new();
    let mut at = CHUNK_HEADER;
    while at + 8 <= used {
        let head = word(chunk, at);
        let length = (head >> 16 & 0xffff) as usize;
        let end = at + 8 + 8 * length;
        if end > used {
            break;
        }
        records.push(Record {
            kind: head as u8,
            flags: (head >> 8) as u8,
            argument: (head >> 32) as u32,
            words: (0..length).map(|index| word(chunk, at + 8 + 8 * index)).collect(),
        });
        at = end;
    }
    Some((pid, tid, records))
}

fn word(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|word| word.try_into().ok()).map_or(0, u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(kind: u8, flags: u8, argument: u32, words: &[u64]) -> Vec<u8> {
        let head = u64::from(kind)
            | u64::from(flags) << 8
            | (words.len() as u64) << 16
            | u64::from(argument) << 32;
        [head].iter().chain(words).flat_map(|word| word.to_le_bytes()).collect()
    }

    fn trace(chunks: &[(u32, u32, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = vec![0; CHUNK];
        bytes[..32].copy_from_slice(&header(8));
        bytes[16..24].copy_from_slice(&(chunks.len() as u64).to_le_bytes());
        for (pid, tid, records) in chunks {
            let mut chunk = Vec::new();
            for number in [(CHUNK_HEADER + records.len()) as u32, *pid, *tid, 1] {
                chunk.extend(number.to_le_bytes());
            }
            chunk.extend(records);
            chunk.resize(CHUNK, 0);
            bytes.extend(chunk);
        }
        bytes
    }

    #[test]
    fn the_name_of_the_first_thread_belongs_to_its_process() {
        let records =
            [record(kind::THREAD, 0, 0, &[1, 0]), record(kind::PROCESS, 0, 0, &[1])].concat();
        let processes = read(&trace(&[(10, 10, records)])).unwrap();
        assert_eq!(processes.len(), 1);
        assert_eq!(processes[0].threads[0].records.len(), 2);
    }

    fn text(number: u32, text: &[u8; 8]) -> Vec<u8> {
        record(kind::STRING, 0, number, &[8, u64::from_le_bytes(*text)])
    }

    #[test]
    fn a_forked_child_knows_its_parents_strings_and_an_executed_program_starts_afresh() {
        let first = [record(kind::PROCESS, 0, 0, &[1]), text(1, b"parent__")].concat();
        let child = [record(kind::PROCESS, 1, 0, &[10]), text(2, b"child___")].concat();
        let executed = [record(kind::PROCESS, 0, 0, &[1]), text(1, b"another_")].concat();
        let processes =
            read(&trace(&[(10, 10, first), (11, 11, child), (10, 10, executed)])).unwrap();
        let seen: Vec<_> =
            processes.iter().map(|p| (p.pid, p.forked, p.string(1), p.string(2))).collect();
        assert_eq!(
            seen,
            [
                (10, false, "parent__", ""),
                (11, true, "parent__", "child___"),
                (10, false, "another_", "")
            ]
        );
    }

    #[test]
    fn what_was_not_finished_is_left_out() {
        let whole = record(kind::PROCESS, 0, 0, &[1]);
        let cut = &record(kind::EDGE, 0, 7, &[1, 2, 3])[..16];
        let processes = read(&trace(&[(10, 10, [&whole[..], cut].concat())])).unwrap();
        assert_eq!(processes[0].threads[0].records.len(), 1);
    }

    #[test]
    fn another_file_is_refused() {
        assert_eq!(read(b"something else entirely, and long enough"), Err(NotATrace));
        assert_eq!(read(b""), Err(NotATrace));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(chunk in proptest::collection::vec(any::<u8>(), 0..600)) {
            let mut bytes = trace(&[(10, 10, vec![0; 600])]);
            bytes[CHUNK + CHUNK_HEADER..][..chunk.len()].copy_from_slice(&chunk);
            prop_assert!(read(&bytes).is_ok());
        }
    }
}
