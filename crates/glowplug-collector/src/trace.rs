//! Writes the notes.
//!
//! The file is a header and chunks of 64 KiB. A thread takes a chunk by adding one to a number in the header, writes records into
//! it, and says how far it has come after each record; so whoever reads the file sees whole records only, however and whenever the
//! process ended, and threads and forked processes never write to the same place.
//!
//! All numbers are little-endian. Header: magic, format, number of chunks taken, number of chunks that fit. Chunk: `used` bytes
//! (u32, this header included), pid, tid, and a number of the thread's life in this process. Record: kind (u8), flags (u8), words
//! of payload (u16), argument (u32), payload (u64 each).

use core::cell::Cell;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, AtomicU64, Ordering};

/// Bytes of a chunk and of the file's header.
pub const CHUNK: usize = 1 << 16;
const CHUNK_HEADER: usize = 16;
const MAGIC: u64 = u64::from_le_bytes(*b"glowprof");
const FORMAT: u64 = 1;

/// What a record is about. The reader, `glowplug_profile::trace`, has the same list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A process began: parent pid; clocks; process CPU time.
    Process = 1,
    /// A string gets its number (argument); payload: length, bytes.
    String = 2,
    /// The load of a module begins: name (argument); importer's code and place in it; its module's name and package; snapshot.
    /// Flags: [`IN_FUNCTION`].
    LoadBegin = 3,
    /// It ends: exception's type (argument) or 0; snapshot, and what collecting took so far.
    LoadEnd = 4,
    /// A phase (argument) begins; clocks.
    PhaseBegin = 5,
    /// It ends; clocks.
    PhaseEnd = 6,
    /// A module's spec: name (argument); origin, loader's type. Flags: package.
    Spec = 7,
    /// A module is imported at a place: name (argument); code and place in it; importer's name and package; level; names of the `from` list. Flags: [`IN_FUNCTION`], and `sites::Form`.
    Edge = 8,
    /// A place was searched: its name (argument); nanoseconds. Flags: found.
    Lookup = 9,
    /// A file was read by an importer: path (argument); bytes. Flags: succeeded.
    Data = 10,
    /// The process ends or is replaced: argument says how; snapshot, and what collecting took.
    End = 11,
    /// What counting an allocation costs in this process, and a read of an attribute, picoseconds.
    Price = 12,
    /// The version of this Python (argument).
    Python = 13,
    /// An argument of the command line (argument).
    Argument = 14,
    /// The thread's name: 16 bytes.
    Thread = 16,
    /// A time in dlopen: clocks' differences.
    Dlopen = 17,
    /// From now on it is seen when a module is used: name (argument). Flags: [`AT_END`].
    Watched = 18,
    /// A module is used for the first time: name (argument). Flags: how, see `usage::watched::How`.
    Used = 19,
    /// Something was taken out of a module by `from` whose use is not seen: name (argument).
    Taken = 20,
    /// A code object gets its number (argument): file and first line; length and bytes of its table of lines. Flags: the table's form: 1
    /// `co_lnotab`, 2 `co_linetable` of 3.10, 3 that of 3.11 on. A place in it is an offset in its bytecode; with 0, where there is no
    /// table, it is the line itself.
    Code = 21,
}

/// Flag of an import in a function.
pub const IN_FUNCTION: u8 = 1;
/// Flag of a module of which it is only known at the end of the process whether its functions ran.
pub const AT_END: u8 = 1;

static MAP: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());
/// The process of the notes.
static OWNER: AtomicI32 = AtomicI32::new(0);
/// Goes up with each fork, so that a child takes a chunk of its own.
static LIFE: AtomicU32 = AtomicU32::new(1);

thread_local! {
    static MINE: Cell<Mine> = const { Cell::new(Mine { chunk: None, life: 0 }) };
}

/// The chunk that this thread writes to.
#[derive(Clone, Copy)]
struct Mine {
    chunk: Option<NonNull<u8>>,
    life: u32,
}

/// Maps the file. Returns whether it is one that can be written to.
pub fn open(path: &core::ffi::CStr) -> bool {
    // SAFETY: system calls on a NUL-ended path and a descriptor of this function's own.
    let (map, length) = unsafe {
        let file = libc::syscall(
            libc::SYS_openat,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::O_RDWR | libc::O_CLOEXEC,
            0,
        ) as i32;
        if file < 0 {
            return false;
        }
        let mut status: libc::stat = core::mem::zeroed();
        let known = libc::fstat(file, &raw mut status) == 0;
        let length = if known { status.st_size as usize } else { 0 };
        let map = if length >= 2 * CHUNK {
            libc::mmap(
                ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file,
                0,
            )
        } else {
            libc::MAP_FAILED
        };
        libc::syscall(libc::SYS_close, file);
        (map, length)
    };
    if map == libc::MAP_FAILED {
        return false;
    }
    let map: *mut u8 = map.cast();
    // SAFETY: the mapping has at least two chunks; its header is four words.
    let sound = unsafe { map.cast::<[u64; 2]>().read() == [MAGIC, FORMAT] };
    if sound {
        MAP.store(map, Ordering::Release);
        own();
    } else {
        // SAFETY: the mapping was just made and nothing points into it.
        unsafe { libc::munmap(map.cast(), length) };
    }
    sound
}

/// The process that notes are taken for; not the child of a vfork.
pub fn owner() -> i64 {
    i64::from(OWNER.load(Ordering::Relaxed))
}

/// Whether notes are taken.
#[inline]
pub fn is_open() -> bool {
    !MAP.load(Ordering::Relaxed).is_null()
}

/// To be called in the child of a fork.
pub fn forked() {
    LIFE.fetch_add(1, Ordering::Relaxed);
    own();
}

fn own() {
    // SAFETY: a system call without conditions.
    OWNER.store(unsafe { libc::syscall(libc::SYS_getpid) } as i32, Ordering::Relaxed);
}

/// Takes a note of up to about 60 KiB. Where the file is full, or a thread is at its end, it is lost.
pub fn note(kind: Kind, flags: u8, argument: u32, payload: &[&[u64]]) {
    let words: usize = payload.iter().map(|part| part.len()).sum();
    write(kind, flags, argument, words, |mut to| {
        for part in payload {
            // SAFETY: there is room for the words of all parts.
            unsafe {
                ptr::copy_nonoverlapping(part.as_ptr(), to, part.len());
                to = to.add(part.len());
            }
        }
    });
}

/// Takes a note of some words with bytes behind them, which zeros fill up to a word.
pub fn note_bytes(kind: Kind, flags: u8, argument: u32, words: &[u64], bytes: &[u8]) {
    let whole = bytes.len().div_ceil(8);
    write(kind, flags, argument, words.len() + whole, |to| {
        // SAFETY: there is room for the words, and for those that the bytes fill.
        unsafe {
            ptr::copy_nonoverlapping(words.as_ptr(), to, words.len());
            let to = to.add(words.len());
            if whole > 0 {
                to.add(whole - 1).write(0);
            }
            ptr::copy_nonoverlapping(bytes.as_ptr(), to.cast(), bytes.len());
        }
    });
}

/// Takes a note of some words, which are written by a function to the address that it gets.
#[inline]
fn write(kind: Kind, flags: u8, argument: u32, words: usize, payload: impl FnOnce(*mut u64)) {
    let length = 8 + 8 * words;
    let _ = MINE.try_with(|mine| {
        let Some(chunk) = room(mine, length) else { return };
        let head = u64::from(kind as u8)
            | u64::from(flags) << 8
            | (words as u64) << 16
            | u64::from(argument) << 32;
        // SAFETY: `room` returns a chunk of this thread alone with `length` bytes left behind `used`.
        unsafe {
            let used = &*chunk.as_ptr().cast::<AtomicU32>();
            let at = used.load(Ordering::Relaxed);
            let to: *mut u64 = chunk.as_ptr().add(at as usize).cast();
            to.write(head);
            payload(to.add(1));
            used.store(at + length as u32, Ordering::Release);
        }
    });
}

/// This thread's chunk, with room for a record.
#[inline]
fn room(mine: &Cell<Mine>, length: usize) -> Option<NonNull<u8>> {
    let Mine { chunk, life } = mine.get();
    if let (Some(chunk), true) = (chunk, life == LIFE.load(Ordering::Relaxed)) {
        // SAFETY: the chunk is this thread's.
        let used = unsafe { (*chunk.as_ptr().cast::<AtomicU32>()).load(Ordering::Relaxed) };
        if used as usize + length <= CHUNK {
            return Some(chunk);
        }
    }
    let is_new = chunk.is_none() || life != LIFE.load(Ordering::Relaxed);
    let fresh = take_chunk(length, is_new);
    mine.set(Mine { chunk: fresh, life: LIFE.load(Ordering::Relaxed) });
    fresh
}

#[cold]
fn take_chunk(length: usize, name_thread: bool) -> Option<NonNull<u8>> {
    let map = NonNull::new(MAP.load(Ordering::Acquire))?;
    if length > CHUNK - CHUNK_HEADER - 24 {
        return None;
    }
    // SAFETY: the header's third and fourth word: how many chunks are taken and how many fit.
    let (taken, fit) = unsafe {
        let words: *mut u64 = map.as_ptr().cast();
        ((*words.add(2).cast::<AtomicU64>()).fetch_add(1, Ordering::Relaxed), *words.add(3))
    };
    if taken >= fit {
        return None;
    }
    // SAFETY: the chunk lies within the mapping, and the number that was taken is nobody else's.
    unsafe {
        let chunk = map.add(CHUNK * (taken as usize + 1));
        let words: *mut u32 = chunk.as_ptr().cast();
        words.add(1).write(libc::getpid() as u32);
        words.add(2).write(libc::syscall(libc::SYS_gettid) as u32);
        words.add(3).write(LIFE.load(Ordering::Relaxed));
        let mut used = CHUNK_HEADER;
        if name_thread {
            let record: *mut u64 = chunk.as_ptr().add(used).cast();
            record.write(Kind::Thread as u64 | 2 << 16);
            libc::prctl(libc::PR_GET_NAME, record.add(1));
            used += 24;
        }
        (*words.cast::<AtomicU32>()).store(used as u32, Ordering::Release);
        Some(chunk)
    }
}
