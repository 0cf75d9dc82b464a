//! The memory that the notes go to, and whether this process takes any.
//!
//! The memory file starts with a header, which the starter zeroed:
//!
//! | bytes | content |
//! |---|---|
//! | 0..8 | bytes of data that were asked for; more than there is room for after an overflow |
//! | 8..16 | id of the recording process |
//! | 16..24 | flags |
//! | 64.. | data: entries of an op, a name and a NUL |

use core::ffi::c_int;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering};

use crate::{start, syscall};

const USED: usize = 0;
const PROCESS: usize = 8;
const FLAGS: usize = 16;
const DATA: usize = 64;

/// Flag: directories are being listed by the import system's finder.
pub const FINDER_IS_LISTING: u64 = 1;
/// Flag: an entry did not fit and was dropped.
const OVERFLOW: u64 = 2;

/// The wipe-on-fork mapping; the kernel rounds it up to a page.
const PULSE_LENGTH: usize = 8;

/// How much is noted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Detail {
    /// Program code and libraries that were opened.
    Light = LIGHT,
    /// Everything.
    Full = FULL,
}

/// What happened to the named thing.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Op {
    /// Opened for reading.
    Open = b'O',
    /// Opened for writing, created, renamed or removed.
    Write = b'W',
    /// Looked at, and there.
    Status = b'S',
    /// Not there.
    NotFound = b'N',
    /// Listed.
    Directory = b'D',
    /// Listed by the import system's finder.
    FinderDirectory = b'F',
    /// A symbolic link that was read.
    Link = b'L',
    /// An environment variable that was asked for.
    Environment = b'E',
    /// A process that was started.
    Process = b'X',
    /// A socket that was connected.
    Connection = b'C',
    /// A socket that was bound.
    Binding = b'B',
    /// A signal that was sent.
    Signal = b'K',
    /// Something of the moment that was asked for: `time`, `pid`, `entropy`, `host`, `umask`.
    Moment = b'T',
    /// The module that is being imported from here on; empty for none.
    Module = b'M',
}

// The states: not started yet, never (again) recording, or recording in some detail.
const UNSTARTED: u8 = 0;
const OFF: u8 = 1;
const LIGHT: u8 = 2;
const FULL: u8 = 3;

static STATE: AtomicU8 = AtomicU8::new(UNSTARTED);
/// The memory file.
static BASE: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());
/// Its size in bytes.
static LENGTH: AtomicUsize = AtomicUsize::new(0);
/// Its flag is true in the recording process and whatever shares its memory (the child of a vfork),
/// and false in a forked child, where the kernel puts zeros in its place.
static PULSE: AtomicPtr<AtomicBool> = AtomicPtr::new(ptr::null_mut());
/// Where the kernel cannot do that: the id of the recording process. Otherwise 0.
static RECORDER: AtomicUsize = AtomicUsize::new(0);

/// Claims the start for the caller. False if it has been claimed.
pub fn claim_start() -> bool {
    STATE.compare_exchange(UNSTARTED, OFF, Ordering::Relaxed, Ordering::Relaxed).is_ok()
}

/// Maps the memory file, if it is one that has room for a header and something more. The caller
/// keeps the descriptor.
pub fn begin(descriptor: c_int, detail: Detail) {
    let Some(length) = syscall::file_size(descriptor).filter(|&length| length > DATA) else {
        return;
    };
    let Some(base) = syscall::map_shared(descriptor, length) else { return };
    let Some(pulse) = syscall::map_private(PULSE_LENGTH) else {
        // SAFETY: nobody else knows the mapping yet.
        unsafe { syscall::unmap(base, length) };
        return;
    };
    let process = syscall::process_id() as usize;
    if !syscall::wipe_on_fork(pulse, PULSE_LENGTH) {
        RECORDER.store(process, Ordering::Relaxed);
    }
    let pulse = pulse.cast::<AtomicBool>().as_ptr();
    // SAFETY: the fresh mapping holds zeros, which are a valid AtomicBool.
    unsafe { (*pulse).store(true, Ordering::Relaxed) };
    PULSE.store(pulse, Ordering::Relaxed);
    BASE.store(base.as_ptr(), Ordering::Relaxed);
    LENGTH.store(length, Ordering::Relaxed);
    let record = Record { base, capacity: length - DATA };
    record.counter(PROCESS).store(process as u64, Ordering::Relaxed);
    STATE.store(detail as u8, Ordering::Release);
}

/// Ends all recording in this process and unmaps its memory, also in a forked child, whose hooks
/// have been silent already.
///
/// # Safety
/// No other thread of this process may be inside a hook.
pub unsafe fn stop() {
    STATE.store(OFF, Ordering::Relaxed);
    let base = BASE.swap(ptr::null_mut(), Ordering::Relaxed);
    let pulse = PULSE.swap(ptr::null_mut(), Ordering::Relaxed);
    for (mapping, length) in [(base, LENGTH.load(Ordering::Relaxed)), (pulse.cast(), PULSE_LENGTH)]
    {
        if let Some(mapping) = NonNull::new(mapping) {
            // SAFETY: the mappings are those of `begin`; hooks that begin from here on see that
            // recording is off, and the caller vouches that none is under way.
            unsafe { syscall::unmap(mapping, length) };
        }
    }
}

/// Whether this is the interpreter of a freezer, or was forked from it, and has not been frozen yet.
pub fn is_in_freezer() -> bool {
    STATE.load(Ordering::Acquire) == FULL
}

/// The record that this process writes to.
pub struct Record {
    base: NonNull<u8>,
    capacity: usize,
}

impl Record {
    /// The record of this process, if it notes things of this detail.
    #[inline]
    pub fn of(least: Detail) -> Option<Self> {
        let state = STATE.load(Ordering::Acquire);
        if state == OFF { None } else { Self::of_state(state, least) }
    }

    #[inline(never)]
    fn of_state(mut state: u8, least: Detail) -> Option<Self> {
        if state == UNSTARTED {
            start::early();
            state = STATE.load(Ordering::Acquire);
        }
        if state < least as u8 || !in_recorded_process() {
            return None;
        }
        let base = NonNull::new(BASE.load(Ordering::Relaxed))?;
        Some(Self { base, capacity: LENGTH.load(Ordering::Relaxed).saturating_sub(DATA) })
    }

    /// Adds an entry whose name is the concatenation of `parts`, none of which holds a NUL.
    #[inline(never)]
    pub fn append(&self, op: Op, parts: &[&[u8]]) {
        let size = 2 + parts.iter().map(|part| part.len()).sum::<usize>();
        let start = self.counter(USED).fetch_add(size as u64, Ordering::Relaxed);
        let fits = start.checked_add(size as u64).is_some_and(|end| end <= self.capacity as u64);
        if !fits {
            self.counter(FLAGS).fetch_or(OVERFLOW, Ordering::Relaxed);
            return;
        }
        let mut place = self.base.as_ptr().wrapping_add(DATA + start as usize);
        let (op, end): (&[u8], &[u8]) = (&[op as u8], b"\0");
        for part in [op].iter().chain(parts).chain(&[end]) {
            // SAFETY: the bytes from `start` on were reserved for this entry alone and lie within
            // the mapping, as was checked above.
            unsafe { ptr::copy_nonoverlapping(part.as_ptr(), place, part.len()) };
            place = place.wrapping_add(part.len());
        }
    }

    /// Whether any of these flags is set.
    pub fn has(&self, flags: u64) -> bool {
        self.counter(FLAGS).load(Ordering::Relaxed) & flags != 0
    }

    /// Sets some flags and clears others.
    pub fn change_flags(&self, set: u64, clear: u64) {
        self.counter(FLAGS).fetch_or(set, Ordering::Relaxed);
        self.counter(FLAGS).fetch_and(!clear, Ordering::Relaxed);
    }

    /// A number of the header.
    fn counter(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: the mapping is page-aligned and longer than the header, whose numbers are at
        // multiples of 8; it stays until `stop`, whose caller vouches that no hook runs.
        unsafe { &*self.base.as_ptr().wrapping_add(offset).cast::<AtomicU64>() }
    }
}

/// Whether this is the process that records, or shares its memory.
fn in_recorded_process() -> bool {
    let recorder = RECORDER.load(Ordering::Relaxed);
    if recorder != 0 {
        return recorder == syscall::process_id() as usize;
    }
    let pulse = PULSE.load(Ordering::Relaxed);
    // SAFETY: not null, it is the mapping of `begin`, which stays until `stop`.
    !pulse.is_null() && unsafe { (*pulse).load(Ordering::Relaxed) }
}
