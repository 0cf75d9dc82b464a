//! A process's memory as the kernel tells of it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes of a page.
pub const PAGE: usize = 4096;

/// Bytes of a huge page of x86-64.
const HUGE: usize = 2 << 20;

/// So many pages of a huge one may be copied although they are shared.
const FEW_SHARED: usize = HUGE / PAGE / 32;

/// `MADV_COLLAPSE` (Linux 6.1).
const MADV_COLLAPSE: libc::c_int = 25;

/// Page map: the page is in memory; it is a file's; nobody else maps it (Linux 4.2).
const PRESENT: u64 = 1 << 63;
const OF_FILE: u64 = 1 << 61;
const EXCLUSIVE: u64 = 1 << 56;

/// Memory from an address up to another.
pub type Range = (usize, usize);

/// The memory of a process.
pub struct Memory {
    page_map: File,
    mappings: Vec<Mapping>,
}

/// Private memory without code.
struct Mapping {
    range: Range,
    is_writable: bool,
    kind: Kind,
}

/// Whose memory it is.
#[derive(PartialEq, Eq)]
enum Kind {
    /// Libc's, below the program break.
    Heap,
    /// A view of a template's file.
    View,
    Other,
}

/// A page.
#[derive(Clone, Copy)]
pub struct Page {
    /// Its address.
    pub address: usize,
    entry: u64,
}

impl Page {
    /// Whether somebody has written to it, or to what it was forked from.
    pub fn is_written(&self) -> bool {
        self.entry & (PRESENT | OF_FILE) == PRESENT
    }

    /// Whether it is written, and of this process alone.
    pub fn is_own(&self) -> bool {
        self.is_written() && self.entry & EXCLUSIVE != 0
    }
}

impl Memory {
    /// That of a process: its id, or `self`.
    ///
    /// # Errors
    /// Where /proc does not tell.
    pub fn of(process: &str) -> io::Result<Memory> {
        let maps = std::fs::read_to_string(format!("/proc/{process}/maps"))?;
        let page_map = File::open(format!("/proc/{process}/pagemap"))?;
        Ok(Memory { page_map, mappings: maps.lines().filter_map(mapping).collect() })
    }

    /// The ranges that can be written and are shared with nobody, in order.
    pub fn writable(&self) -> impl Iterator<Item = Range> {
        self.mappings.iter().filter(|mapping| mapping.is_writable).map(|mapping| mapping.range)
    }

    /// All private memory without code that is no view of a template's file yet, and whether it can be written.
    pub fn data(&self) -> impl Iterator<Item = (Range, bool)> {
        let own = self.mappings.iter().filter(|mapping| mapping.kind != Kind::View);
        own.map(|mapping| (mapping.range, mapping.is_writable))
    }

    /// The memory below the program break, where libc's heap begins.
    pub fn heap(&self) -> impl Iterator<Item = Range> {
        let heap = |mapping: &&Mapping| mapping.is_writable && mapping.kind == Kind::Heap;
        self.mappings.iter().filter(heap).map(|mapping| mapping.range)
    }

    /// The pages of a range.
    ///
    /// # Errors
    /// Where the page map cannot be read.
    pub fn pages(&self, start: usize, end: usize) -> io::Result<impl Iterator<Item = Page>> {
        let mut entries = vec![0; (end - start) / PAGE * 8];
        self.page_map.read_exact_at(&mut entries, (start / PAGE * 8) as u64)?;
        let pages = (0..(end - start) / PAGE).map(move |index| {
            let mut entry = [0; 8];
            entry.copy_from_slice(&entries[index * 8..index * 8 + 8]);
            Page { address: start + index * PAGE, entry: u64::from_le_bytes(entry) }
        });
        Ok(pages)
    }
}

/// What a line of `maps` tells, if it is of private memory without code.
fn mapping(line: &str) -> Option<Mapping> {
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    let is_writable = rest.starts_with("rw-p");
    let kind = match rest {
        _ if rest.ends_with("[heap]") => Kind::Heap,
        _ if rest.contains("/memfd:glowplug-") => Kind::View,
        _ => Kind::Other,
    };
    let mapping = Mapping { range: (address(start)?, address(end)?), is_writable, kind };
    (is_writable || rest.starts_with("r--p")).then_some(mapping)
}

/// Lays this process's memory out in huge pages, where most of one is in use: a fork copies one entry then in place of 512. What it shares
/// with the template that it was forked from stays shared.
pub fn use_huge_pages() {
    let Ok(memory) = Memory::of("self") else { return };
    for (start, end) in memory.writable() {
        let places = (start.next_multiple_of(HUGE)..end).step_by(HUGE);
        for place in places.filter(|place| place + HUGE <= end) {
            let pages = memory.pages(place, place + HUGE);
            let written: Vec<Page> =
                pages.map_or(Vec::new(), |pages| pages.filter(Page::is_written).collect());
            let own = written.iter().filter(|page| page.is_own()).count();
            if own > HUGE / PAGE / 2 && written.len() - own <= FEW_SHARED {
                // SAFETY: the memory keeps its contents; where the kernel cannot, it stays as it is.
                unsafe { libc::madvise(place as *mut _, HUGE, MADV_COLLAPSE) };
            }
        }
    }
}
