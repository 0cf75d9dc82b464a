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
    writable: Vec<Range>,
    heap: Vec<Range>,
    data: Vec<Data>,
}

/// Private memory without code, which is no view of a template's file yet.
#[derive(Clone, Copy)]
pub struct Data {
    /// Where it lies.
    pub range: Range,
    /// Whether it may be written to.
    pub is_writable: bool,
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
        let heap = maps.lines().filter(|line| line.ends_with("[heap]"));
        Ok(Memory {
            page_map,
            writable: maps.lines().filter_map(writable_private).collect(),
            heap: heap.filter_map(writable_private).collect(),
            data: maps.lines().filter_map(data).collect(),
        })
    }

    /// The ranges that can be written and are shared with nobody: start and end, in order.
    pub fn writable(&self) -> &[Range] {
        &self.writable
    }

    /// All private memory without code.
    pub fn data(&self) -> &[Data] {
        &self.data
    }

    /// The memory below the program break, where libc's heap begins.
    pub fn heap(&self) -> impl Iterator<Item = Range> {
        self.heap.iter().copied()
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

/// The range of a line of `maps`, and what follows it.
fn range(line: &str) -> Option<(Range, &str)> {
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    Some(((address(start)?, address(end)?), rest))
}

/// The range of a line of `maps` whose memory can be written and is private.
fn writable_private(line: &str) -> Option<Range> {
    let (range, rest) = range(line)?;
    rest.starts_with("rw-p").then_some(range)
}

/// What a line of `maps` says of private memory without code.
fn data(line: &str) -> Option<Data> {
    let (range, rest) = range(line)?;
    let is_writable = rest.starts_with("rw-p");
    let is_view = rest.contains("/memfd:glowplug-");
    ((is_writable || rest.starts_with("r--p")) && !is_view).then_some(Data { range, is_writable })
}

/// Lays this process's memory out in huge pages, where most of one is in use: a fork copies one entry then in place of 512. What it shares
/// with the template that it was forked from stays shared.
pub fn use_huge_pages() {
    let Ok(memory) = Memory::of("self") else { return };
    for &(start, end) in memory.writable() {
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
