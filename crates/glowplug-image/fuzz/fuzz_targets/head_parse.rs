//! The head and the tables behind it: no input makes them panic, and no table lies outside the file.
#![no_main]

use glowplug_image::inputs::{Absent, ContentDigest, Directory, File, Prefix};
use glowplug_image::{FORMAT_VERSION, HEAD_LEN, Head, HotRange, MAGIC, Region, Section};
use libfuzzer_sys::fuzz_target;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

fuzz_target!(|data: &[u8]| {
    // Aligned as a mapped file is, and past what would be found out first.
    let mut words = vec![0u64; data.len().max(HEAD_LEN).div_ceil(8)];
    words.as_mut_bytes()[..data.len()].copy_from_slice(data);
    let file = words.as_mut_bytes();
    let len = file.len() as u64;
    file[..8].copy_from_slice(&MAGIC);
    file[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    let at = std::mem::offset_of!(Head, file_len);
    file[at..at + 8].copy_from_slice(&len.to_le_bytes());
    let Ok(head) = Head::parse(file, len) else { return };
    let _ = (head.verify(file), head.verify_inputs(file));
    for region in require_inside::<Region>(head, Section::Regions, file) {
        let _ = (region.is_sound(len), region.end(), region.kind());
    }
    require_inside::<HotRange>(head, Section::Hot, file);
    require_inside::<Directory>(head, Section::Directories, file);
    require_inside::<File>(head, Section::Files, file);
    require_inside::<Absent>(head, Section::Absences, file);
    require_inside::<Prefix>(head, Section::Prefixes, file);
    require_inside::<ContentDigest>(head, Section::Digests, file);
    require_inside::<u8>(head, Section::Strings, file);
    require_inside::<u8>(head, Section::Meta, file);
});

fn require_inside<'a, T>(head: &Head, section: Section, file: &'a [u8]) -> &'a [T]
where
    T: FromBytes + Immutable + IntoBytes + KnownLayout,
{
    let table = head.table::<T>(section, file);
    let place = table.as_bytes().as_ptr_range();
    let inside = file[HEAD_LEN..].as_ptr_range();
    assert!(place.is_empty() || inside.start <= place.start && place.end <= inside.end);
    table
}
