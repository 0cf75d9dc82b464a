//! The memory of Python's small objects in one piece: by default each arena lies wherever the kernel finds room, between the libraries.
//!
//! Only as long as a template imports. What it forks gets arenas as ever.

use super::linux::memory::Range;
use pyo3_ffi as ffi;
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::ptr;
use std::sync::Mutex;

/// How much room there should be where the first arena is put, bytes. Nothing is reserved.
const ROOM: usize = 1 << 30;

/// The least arena, bytes (CPython 3.9). Pieces of the stack of Python frames come from the same function from 3.11 on, and go again.
const LEAST: usize = 256 << 10;

/// The arenas that live, and where the next one should be.
struct Arenas {
    next: usize,
    /// Lengths in bytes, by addresses.
    live: BTreeMap<usize, usize>,
}

static ARENAS: Mutex<Arenas> = Mutex::new(Arenas { next: 0, live: BTreeMap::new() });

/// What gathers the arenas of Python's small objects.
pub struct Gathered(ffi::PyObjectArenaAllocator);

impl Gathered {
    /// Puts arenas side by side from here on.
    ///
    /// # Safety
    /// No interpreter has been initialised.
    pub unsafe fn begin() -> Gathered {
        // SAFETY: both calls take a live structure of that shape; what `release` does is what CPython's own function does.
        unsafe {
            let mut usual =
                ffi::PyObjectArenaAllocator { ctx: ptr::null_mut(), alloc: None, free: None };
            ffi::PyObject_GetArenaAllocator(&mut usual);
            ffi::PyObject_SetArenaAllocator(&mut ffi::PyObjectArenaAllocator {
                ctx: ptr::null_mut(),
                alloc: Some(allocate),
                free: Some(release),
            });
            Gathered(usual)
        }
    }

    /// Lets CPython put arenas where it likes again; returns where those are that live.
    ///
    /// # Safety
    /// GIL, in the only thread.
    pub unsafe fn end(mut self) -> Vec<Range> {
        // SAFETY: the structure is what CPython gave.
        unsafe { ffi::PyObject_SetArenaAllocator(&mut self.0) };
        let mut ranges: Vec<Range> = Vec::new();
        for (start, len) in std::mem::take(&mut known().live) {
            match ranges.last_mut() {
                Some((_, end)) if *end == start => *end = start + len,
                _ => ranges.push((start, start + len)),
            }
        }
        ranges
    }
}

fn known() -> std::sync::MutexGuard<'static, Arenas> {
    // Nothing panics while it is held.
    ARENAS.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

extern "C" fn allocate(_: *mut c_void, len: usize) -> *mut c_void {
    let writable = libc::PROT_READ | libc::PROT_WRITE;
    if len < LEAST {
        return map(0, len, writable, 0).map_or(ptr::null_mut(), |start| start as *mut c_void);
    }
    let mut arenas = known();
    if arenas.next == 0 {
        arenas.next = room();
    }
    let Some(start) = map(arenas.next, len, writable, 0) else {
        return ptr::null_mut();
    };
    arenas.next = start + len;
    arenas.live.insert(start, len);
    start as *mut c_void
}

extern "C" fn release(_: *mut c_void, start: *mut c_void, len: usize) {
    known().live.remove(&(start as usize));
    // SAFETY: CPython uses the arena no more.
    unsafe { libc::munmap(start, len) };
}

/// An address with room above it; 0 where there is none.
fn room() -> usize {
    let Some(start) = map(0, ROOM, libc::PROT_NONE, libc::MAP_NORESERVE) else { return 0 };
    // SAFETY: nobody uses it.
    unsafe { libc::munmap(start as *mut c_void, ROOM) };
    start
}

/// New memory, at an address if that is free and somewhere else if not.
pub fn map(address: usize, len: usize, protection: i32, flags: i32) -> Option<usize> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | flags;
    // SAFETY: a new mapping, which replaces none.
    let start = unsafe { libc::mmap(address as *mut c_void, len, protection, flags, -1, 0) };
    (start != libc::MAP_FAILED).then_some(start as usize)
}
