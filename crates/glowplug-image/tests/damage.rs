//! Images whose heads and tables are damaged at random: whatever is accepted stays inside its bounds, and what was sealed is not
//! accepted when a bit of it has changed.

use glowplug_image::inputs::{Absent, Directory, File, Prefix};
use glowplug_image::{
    FORMAT_VERSION, HEAD_LEN, Head, HotRange, MAGIC, PAGE, Region, RegionKind, Section, Span,
    region,
};
use proptest::prelude::*;
use std::ops::Range;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

/// Pages of contents behind the tables.
const PAGES: u64 = 4;

/// Head and tables of a sound image, in words so that they are aligned.
fn tables() -> Vec<u64> {
    let region = |n: u64| Region {
        addr: (1 + n) << 20,
        len: PAGE,
        offset: 0,
        prot: region::READ | region::WRITE,
        kind: RegionKind::Zero as u8,
        ..Region::default()
    };
    let regions: Vec<Region> = (0..9).map(region).collect();
    let hot = [HotRange { addr: 1 << 20, len: PAGE }; 3];
    let directory = Directory { file_count: 2, absence_count: 1, ..Directory::default() };
    let files = [File::default(); 2];
    let sections = [
        (Section::Regions, regions.as_bytes()),
        (Section::Hot, hot.as_bytes()),
        (Section::Directories, directory.as_bytes()),
        (Section::Files, files.as_bytes()),
        (Section::Absences, Absent::default().as_bytes()),
        (Section::Prefixes, Prefix::default().as_bytes()),
        (Section::Strings, b"/usr/lib\0json.py\0"),
        (Section::Meta, b"{\"target\": \"a.py\"}"),
        (Section::Warm, Span { offset: 0, len: PAGE }.as_bytes()),
        (Section::Digests, [[7u8; 16]; 2].as_bytes()),
    ]
    .map(|(section, bytes)| (section, bytes.to_vec()));
    let mut head = Head::new_zeroed();
    head.magic = MAGIC;
    head.version = FORMAT_VERSION;
    let mut body = Vec::new();
    for (section, bytes) in sections {
        let offset = (HEAD_LEN + body.len()) as u64;
        head.sections[section as usize] = Span { offset, len: bytes.len() as u64 };
        body.extend_from_slice(&bytes);
        body.resize(body.len().next_multiple_of(8), 0);
    }
    let len = (HEAD_LEN + body.len()).next_multiple_of(PAGE as usize);
    head.pages_offset = len as u64;
    head.file_len = len as u64 + PAGES * PAGE;
    head.seal(&body);
    let mut words = vec![0u64; len / 8];
    let bytes = words.as_mut_bytes();
    bytes[..size_of::<Head>()].copy_from_slice(head.as_bytes());
    bytes[HEAD_LEN..][..body.len()].copy_from_slice(&body);
    words
}

fn file_len(tables: &[u64]) -> u64 {
    (tables.len() * 8) as u64 + PAGES * PAGE
}

/// Whether a table lies in the file behind the head.
fn is_inside<T>(head: &Head, section: Section, file: &[u8]) -> bool
where
    T: FromBytes + Immutable + KnownLayout + IntoBytes,
{
    let table = head.table::<T>(section, file).as_bytes().as_ptr_range();
    let Range { start, end } = file[HEAD_LEN.min(file.len())..].as_ptr_range();
    table.is_empty() || start <= table.start && table.end <= end
}

fn all_are_inside(head: &Head, file: &[u8]) -> bool {
    is_inside::<Region>(head, Section::Regions, file)
        && is_inside::<HotRange>(head, Section::Hot, file)
        && is_inside::<Directory>(head, Section::Directories, file)
        && is_inside::<File>(head, Section::Files, file)
        && is_inside::<Absent>(head, Section::Absences, file)
        && is_inside::<Prefix>(head, Section::Prefixes, file)
        && is_inside::<u8>(head, Section::Strings, file)
        && is_inside::<u8>(head, Section::Meta, file)
}

/// Which bytes of the file the two checksums cover.
fn covered(tables: &[u64]) -> Vec<Range<usize>> {
    let (head, _) = Head::ref_from_prefix(tables.as_bytes()).expect("a head");
    let sections = head.sections.iter().map(|s| s.offset as usize..(s.offset + s.len) as usize);
    std::iter::once(0..size_of::<Head>()).chain(sections).collect()
}

/// A word that is put somewhere into the head or the tables: often into the head's small numbers, and often near a limit.
fn word() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        0..64u64,
        (0..64u32).prop_map(|bit| 1 << bit),
        (0..64u64).prop_map(|n| u64::MAX - n),
        (0..8 * PAGE).prop_map(|n| n & !7),
    ]
}

fn place() -> impl Strategy<Value = prop::sample::Index> {
    any::<prop::sample::Index>()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_accepted_lies_inside(
        words in prop::collection::vec((any::<bool>(), place(), word()), 1..6),
        cut in prop::option::weighted(0.1, place()),
    ) {
        let mut file = tables();
        let len = file_len(&file);
        for (in_head, place, word) in words {
            // The spans of the sections and what stands before them.
            let end = if in_head { std::mem::offset_of!(Head, context) / 8 } else { file.len() };
            file[place.index(end)] = word;
        }
        if let Some(cut) = cut {
            file.truncate(cut.index(file.len()));
        }
        let bytes = file.as_bytes();
        if let Ok(head) = Head::parse(bytes, len) {
            prop_assert!(all_are_inside(head, bytes));
            let _ = (head.verify(bytes), head.verify_inputs(bytes), head.is_refusal());
            for region in head.table::<Region>(Section::Regions, bytes) {
                let sound = region.is_sound(len);
                prop_assert!(!sound || region.end() > region.addr);
            }
        }
    }

    #[test]
    fn every_flipped_bit_that_counts_is_noticed(place in place(), bit in 0..8u32) {
        let mut file = tables();
        let len = file_len(&file);
        let covered: Vec<usize> = covered(&file).into_iter().flatten().collect();
        file.as_mut_bytes()[covered[place.index(covered.len())]] ^= 1 << bit;
        let bytes = file.as_bytes();
        let accepted = Head::parse(bytes, len)
            .and_then(|head| head.verify(bytes).and_then(|()| head.verify_inputs(bytes)));
        prop_assert!(accepted.is_err());
    }
}

#[test]
fn a_sealed_image_is_accepted() {
    let file = tables();
    let bytes = file.as_bytes();
    let head = Head::parse(bytes, file_len(&file)).expect("sound");
    assert_eq!(head.verify(bytes), Ok(()));
    assert_eq!(head.verify_inputs(bytes), Ok(()));
    assert_eq!(head.table::<Region>(Section::Regions, bytes).len(), 9);
}
