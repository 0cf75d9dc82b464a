//! A template's heap in a file of memory, of which it and what it forks are views. A fork has to copy the page table of anonymous memory,
//! an entry for each page, and the end of a process takes it down again; of a private view of a file only what was written to since.

use super::memory::{Memory, Range};
use std::ffi::{CString, c_void};
use std::ptr;

/// So much is moved at a time, bytes: so much memory more than before is needed.
const STEP: usize = 4 << 20;

/// Moves the heap of libc and these arenas into a file. Where something fails, the rest stays as it is.
///
/// Other anonymous memory may belong to allocators that take it for zeroed after `MADV_DONTNEED`, which a view of a file is not: libc does
/// not say that of the heap, nor CPython of its arenas.
///
/// # Safety
/// In the only thread.
pub unsafe fn move_to_file(arenas: Vec<Range>) {
    let Ok(memory) = Memory::of("self") else { return };
    let ranges: Vec<Range> = memory.heap().chain(arenas).collect();
    let len: usize = ranges.iter().map(|(start, end)| end - start).sum();
    // SAFETY: the call asks for an id; the name is a string.
    let Ok(name) = CString::new(format!("glowplug-{}", unsafe { libc::getpid() })) else { return };
    // SAFETY: system calls on a descriptor of this function's own; the ranges are this process's memory, by the caller and `Memory::heap`,
    // and nothing is allocated or freed until all is moved.
    unsafe {
        let file = libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC);
        if file < 0 {
            return;
        }
        if libc::ftruncate(file, len as libc::off_t) == 0 {
            move_ranges(&ranges, file);
        }
        libc::close(file);
    }
}

/// # Safety
/// The ranges are anonymous memory of this process, whose only thread this is; the file is empty and long enough.
unsafe fn move_ranges(ranges: &[Range], file: i32) {
    let (protection, flags) =
        (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_FIXED);
    let mut offset = 0;
    for &(start, end) in ranges {
        let mut place = start;
        while place < end {
            let len = STEP.min(end - place);
            // SAFETY: by the caller. Between the two calls nothing is written, so that the memory is what it was.
            unsafe {
                let memory = ptr::without_provenance_mut::<c_void>(place);
                if libc::pwrite(file, memory, len, offset) != len as isize
                    || libc::mmap(memory, len, protection, flags, file, offset) == libc::MAP_FAILED
                {
                    return;
                }
            }
            place += len;
            offset += len as libc::off_t;
        }
    }
}
