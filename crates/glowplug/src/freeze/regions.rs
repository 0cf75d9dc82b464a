//! Which memory of a process that stands still goes into an image, and as what.
//!
//! The page map tells what is there: in private mappings of files every page goes into the image, so that no library need be opened
//! at a thaw; of anonymous memory what is present and not zero. Neighbours with the same protection become one region, since
//! each region costs the restorer a system call. Read-only data is mapped readable and executable for that reason alone: it lies between
//! a library's code and its relocated data, which are merged through it. Nothing becomes writable and executable that was not so in the
//! process itself (libffi's closures, code that a library makes at run time).

use super::subject::Subject;
use super::vdso;
use glowplug_image::region::{EXEC, READ, WRITE};
use glowplug_image::{Context, Region, RegionKind};
use glowplug_linux::process::{Mapping, PAGE, Page, Process, VmFlags};
use std::io;
use std::os::unix::fs::FileExt;
use zerocopy::{FromZeros, IntoBytes};

/// Where the restorer and its tables lie: never part of an image, also where the frozen process was thawed itself.
const RESTORER: std::ops::Range<u64> = 0x100_0000_0000..0x101_0000_0000;

/// Runs of absent or zero pages shorter than this are written as contents (holes of the file), so that they do not split a region.
const ZERO_RUN: u64 = 32 * PAGE;

/// Larger anonymous ranges are not counted against overcommit.
const RESERVED: u64 = 8 << 20;

/// The stack's size where the limit is larger or absent, bytes.
const LARGEST_STACK: u64 = 1 << 30;

/// What stays unmapped between the stack and what lies below it, as the kernel keeps it, bytes.
const STACK_GAP: u64 = 1 << 20;

/// A region whose contents, if it has any, are still in the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The region; its offset is not known yet.
    pub region: Region,
}

impl Piece {
    fn new(start: u64, end: u64, prot: u8, kind: RegionKind) -> Piece {
        let reservation = kind == RegionKind::Zero && (prot == 0 || end - start > RESERVED);
        let noreserve = reservation || kind == RegionKind::Stack;
        let region = Region {
            addr: start,
            len: end - start,
            prot,
            kind: kind as u8,
            noreserve: u8::from(noreserve),
            ..Region::default()
        };
        Piece { region }
    }

    /// Whether the image holds its contents.
    pub fn has_contents(&self) -> bool {
        matches!(self.region.kind(), Some(RegionKind::Image | RegionKind::Vdso))
    }
}

/// Why a process cannot be surveyed.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    /// It must not be frozen.
    #[error("{0}")]
    Refused(String),
    /// It cannot be looked at.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The regions of the process, by address, and its context.
pub fn survey(subject: &Subject) -> Result<(Vec<Piece>, Context), SurveyError> {
    let still = subject.still()?;
    let process = still.process;
    let memory = process.memory()?;
    let mut context = Context::new_zeroed();
    memory.read_exact_at(context.as_mut_bytes(), still.context)?;
    let layout = process.layout()?;
    context.layout.start_code = layout.start_code;
    context.layout.end_code = layout.end_code;
    context.layout.start_data = layout.start_data;
    context.layout.end_data = layout.end_data;
    context.layout.start_brk = layout.start_brk;
    if context.tid_addr == 0 {
        return Err(refused("the C library's thread id is not where it should be"));
    }
    let flags = process.vm_flags()?;
    let mut pieces = Vec::new();
    for mapping in process.mappings()? {
        if RESTORER.contains(&mapping.start) || mapping.name == "[vsyscall]" {
            continue;
        }
        if mapping.name.starts_with("[vvar") {
            continue;
        }
        if mapping.name == "[vdso]" {
            let mut bytes = vec![0; (mapping.end - mapping.start) as usize];
            memory.read_exact_at(&mut bytes, mapping.start)?;
            let functions = vdso::functions(&bytes)
                .ok_or_else(|| refused("the kernel's vdso is not understood"))?;
            context.vdso_addr = mapping.start;
            context.vdso_len = mapping.end - mapping.start;
            context.vdso_count = functions.len() as u64;
            for (slot, function) in context.vdso_symbols.iter_mut().zip(functions) {
                *slot = function;
            }
            pieces.push(Piece::new(mapping.start, mapping.end, READ | EXEC, RegionKind::Vdso));
            continue;
        }
        let flags = flags.get(&mapping.start).copied().unwrap_or_default();
        if mapping.name == "[stack]" {
            context.stack_top = mapping.end;
            let floor = pieces.last().map_or(0, |p: &Piece| p.region.end() + STACK_GAP);
            let start = mapping.end.saturating_sub(LARGEST_STACK).max(floor);
            if start < mapping.start {
                pieces.push(Piece::new(start, mapping.start, READ | WRITE, RegionKind::Stack));
            }
        }
        survey_mapping(process, &memory, &mapping, flags, &mut pieces)?;
    }
    Ok((merge(pieces), context))
}

fn refused(reason: &str) -> SurveyError {
    SurveyError::Refused(reason.to_owned())
}

fn survey_mapping(
    process: Process,
    memory: &std::fs::File,
    mapping: &Mapping,
    flags: VmFlags,
    pieces: &mut Vec<Piece>,
) -> Result<(), SurveyError> {
    let (start, end) = (mapping.start, mapping.end);
    let mut prot = protection(mapping);
    if mapping.shared && mapping.write {
        let name = if mapping.name.is_empty() { "anonymous" } else { &mapping.name };
        return Err(refused(&format!("an import maps shared, writable memory ({name})")));
    }
    let whole = if flags.droppable {
        Some(RegionKind::Droppable)
    } else if flags.wiped_on_fork {
        Some(RegionKind::Wiped)
    } else if prot == 0 {
        Some(RegionKind::Zero)
    } else {
        None
    };
    if let Some(kind) = whole {
        pieces.push(Piece::new(start, end, prot, kind));
        return Ok(());
    }
    if mapping.is_file() {
        if prot == READ {
            prot |= EXEC;
        }
        pieces.push(Piece::new(start, end, prot, RegionKind::Image));
        return Ok(());
    }
    let mut run = start;
    let mut kind = None;
    for (page, address) in process.pages(start, end)?.into_iter().zip((start..).step_by(4096)) {
        let this = classify(page, memory, address);
        if kind != Some(this) {
            if let Some(kind) = kind {
                push_run(pieces, run, address, prot, kind);
            }
            (run, kind) = (address, Some(this));
        }
    }
    if let Some(kind) = kind {
        push_run(pieces, run, end, prot, kind);
    }
    Ok(())
}

/// A short run of zeros is contents, so that it does not split a region.
fn push_run(pieces: &mut Vec<Piece>, start: u64, end: u64, prot: u8, kind: RegionKind) {
    let short = kind == RegionKind::Zero && end - start < ZERO_RUN;
    let kind = if short { RegionKind::Image } else { kind };
    pieces.push(Piece::new(start, end, prot, kind));
}

fn classify(page: Page, memory: &std::fs::File, address: u64) -> RegionKind {
    if !page.is_present() {
        return if page.is_guard() { RegionKind::Guard } else { RegionKind::Zero };
    }
    let mut bytes = [0; PAGE as usize];
    match memory.read_exact_at(&mut bytes, address) {
        Ok(()) if bytes.iter().any(|&b| b != 0) => RegionKind::Image,
        Ok(()) => RegionKind::Zero,
        // A guard that an older kernel does not show in the page map: present, but reading it faults.
        Err(_) => RegionKind::Guard,
    }
}

fn protection(mapping: &Mapping) -> u8 {
    let bit = |set, bit| if set { bit } else { 0 };
    bit(mapping.read, READ) | bit(mapping.write, WRITE) | bit(mapping.exec, EXEC)
}

/// Joins neighbours that one `mmap` can restore. The vdso stays by itself: the restorer changes its protection.
fn merge(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut merged: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match merged.last_mut() {
            Some(last)
                if last.region.end() == piece.region.addr
                    && last.region.kind == piece.region.kind
                    && last.region.prot == piece.region.prot
                    && last.region.noreserve == piece.region.noreserve
                    && piece.region.kind() != Some(RegionKind::Vdso) =>
            {
                last.region.len += piece.region.len;
            }
            _ => merged.push(piece),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    const RX: u8 = READ | EXEC;
    const RW: u8 = READ | WRITE;

    #[test]
    fn neighbours_of_one_kind_are_joined() {
        let pieces = vec![
            Piece::new(0x1000, 0x3000, RX, RegionKind::Image),
            Piece::new(0x3000, 0x4000, RX, RegionKind::Image),
            Piece::new(0x4000, 0x5000, RW, RegionKind::Image),
            Piece::new(0x6000, 0x7000, RW, RegionKind::Image),
        ];
        let merged = merge(pieces);
        let ranges: Vec<_> = merged.iter().map(|p| (p.region.addr, p.region.len)).collect();
        assert_eq!(ranges, [(0x1000, 0x3000), (0x4000, 0x1000), (0x6000, 0x1000)]);
    }

    #[test]
    fn a_short_run_of_zeros_does_not_split_a_region() {
        let mut pieces = Vec::new();
        push_run(&mut pieces, 0x1000, 0x2000, RW, RegionKind::Image);
        push_run(&mut pieces, 0x2000, 0x3000, RW, RegionKind::Zero);
        push_run(&mut pieces, 0x3000, 0x4000, RW, RegionKind::Image);
        assert_eq!(merge(pieces).len(), 1);
        let mut pieces = Vec::new();
        push_run(&mut pieces, 0x1000, 0x2000, RW, RegionKind::Image);
        push_run(&mut pieces, 0x2000, 0x2000 + ZERO_RUN, RW, RegionKind::Zero);
        assert_eq!(merge(pieces).len(), 2);
    }

    #[test]
    fn writable_and_executable_neighbours_stay_apart() {
        let protections = [RX, RW, RW | EXEC, RX, RW | EXEC, RW];
        let pieces = protections.iter().zip(1u64..).map(|(&prot, page)| {
            Piece::new(page * PAGE, (page + 1) * PAGE, prot, RegionKind::Image)
        });
        let merged = merge(pieces.collect());
        let kept: Vec<u8> = merged.iter().map(|piece| piece.region.prot).collect();
        assert_eq!(kept, protections);
    }

    #[test]
    fn the_vdso_is_joined_with_nothing() {
        let pieces = vec![
            Piece::new(0x1000, 0x2000, RX, RegionKind::Vdso),
            Piece::new(0x2000, 0x3000, RX, RegionKind::Vdso),
        ];
        assert_eq!(merge(pieces).len(), 2);
    }
}
