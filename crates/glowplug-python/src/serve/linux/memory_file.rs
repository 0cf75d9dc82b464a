//! A template's heap and the data of its libraries in a file of memory, of which it and what it forks are views. A fork has to copy the
//! page table of anonymous memory, an entry for each page, and the end of a process takes it down again; of a private view of a file only
//! what was written to since.

use super::memory::{Memory, PAGE, Range};
use std::ffi::{CString, c_int, c_void};
use std::ptr;

/// So much is moved at a time, bytes: so much memory more than before is needed.
const STEP: usize = 4 << 20;

/// Memory that is moved, and whether it can be written.
type Piece = (Range, bool);

/// Moves the heap of libc, these arenas and the data of libraries into a file. Where something fails, the rest stays as it is.
///
/// Other anonymous memory may belong to allocators that take it for zeroed after `MADV_DONTNEED`, which a view of a file is not: libc does
/// not say that of the heap, nor CPython of its arenas, nor anybody of what a library was loaded with.
///
/// # Safety
/// In the only thread.
pub unsafe fn move_to_file(arenas: Vec<Range>) {
    let Ok(memory) = Memory::of("self") else { return };
    let heap = memory.heap().chain(arenas).map(|range| (range, true));
    let pieces: Vec<Piece> = heap.chain(within(memory.data(), &segments())).collect();
    let len: usize = pieces.iter().map(|((start, end), _)| end - start).sum();
    // SAFETY: the call asks for an id; the name is a string.
    let Ok(name) = CString::new(format!("glowplug-{}", unsafe { libc::getpid() })) else { return };
    // SAFETY: system calls on a descriptor of this function's own; the pieces are this process's memory, by the caller and as the kernel
    // has just told, and nothing is allocated, freed, loaded or unloaded until all is moved.
    unsafe {
        let file = libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC);
        if file < 0 {
            return;
        }
        if libc::ftruncate(file, len as libc::off_t) == 0 {
            move_pieces(&pieces, file);
        }
        libc::close(file);
    }
}

/// Those parts of memory that lie in the segments.
fn within(data: impl Iterator<Item = Piece>, segments: &[Range]) -> impl Iterator<Item = Piece> {
    data.flat_map(move |((start, end), is_writable)| {
        segments.iter().filter_map(move |segment| {
            let (start, end) = (start.max(segment.0), end.min(segment.1));
            (start < end).then_some(((start, end), is_writable))
        })
    })
}

/// The segments that libraries and the program were loaded with and may write to, or might until they were relocated: whole pages.
fn segments() -> Vec<Range> {
    let mut found: Vec<Range> = Vec::new();
    // SAFETY: the function is called before this one returns, with the pointer that is given here.
    unsafe { libc::dl_iterate_phdr(Some(note_segments), (&raw mut found).cast()) };
    found
}

/// # Safety
/// As for [`segments`].
unsafe extern "C" fn note_segments(
    object: *mut libc::dl_phdr_info,
    _len: usize,
    found: *mut c_void,
) -> c_int {
    // SAFETY: libc gives a live description with its headers; the other pointer is that of [`segments`].
    unsafe {
        let found = &mut *found.cast::<Vec<Range>>();
        let headers = (*object).dlpi_phdr;
        for index in 0..usize::from((*object).dlpi_phnum) {
            let header = &*headers.add(index);
            if header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_W != 0 {
                let start = ((*object).dlpi_addr + header.p_vaddr) as usize;
                let end = (start + header.p_memsz as usize).next_multiple_of(PAGE);
                found.push((start / PAGE * PAGE, end));
            }
        }
    }
    0
}

/// # Safety
/// The pieces are private memory of this process, whose only thread this is; the file is empty and long enough.
unsafe fn move_pieces(pieces: &[Piece], file: i32) {
    let flags = libc::MAP_PRIVATE | libc::MAP_FIXED;
    let mut offset = 0;
    for &((start, end), is_writable) in pieces {
        let protection = libc::PROT_READ | if is_writable { libc::PROT_WRITE } else { 0 };
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
