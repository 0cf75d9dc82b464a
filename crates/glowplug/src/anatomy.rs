//! What an image consists of and needs, for people and their tools.

use crate::cache::OpenImage;
use crate::key::Digest;
use crate::meta::Meta;
use glowplug_image::inputs::{
    Absent, DIRECTORY_GROUPS, Directory, FILE_IS_DIRECTORY, FILE_NOFOLLOW, File, PREFIX_WHOLE,
    Prefix,
};
use glowplug_image::state::VDSO_SYMBOLS;
use glowplug_image::{Head, HotRange, Region, RegionKind, Section, region};
use serde::Serialize;

/// What an image consists of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Anatomy {
    /// The key, hexadecimal.
    pub key: String,
    /// The build of Glowplug that made it, hexadecimal.
    pub build: String,
    /// Whether it is a refusal, which holds no process.
    pub refusal: bool,
    /// When it was made, nanoseconds since 1970.
    pub created_ns: u64,
    /// Length of the file, bytes.
    pub file_bytes: u64,
    /// Length of the head and the tables, bytes.
    pub table_bytes: u64,
    /// The regions by kind and protection.
    pub regions: Vec<RegionGroup>,
    /// Pages that a rehearsed start wrote to.
    pub hot: Hot,
    /// How many inputs there are.
    pub inputs: InputCounts,
    /// What it needs of CPU and kernel.
    pub needs: Needs,
    /// What the freezer wrote about it.
    pub meta: Meta,
}

/// Regions that are alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RegionGroup {
    /// Where their contents come from.
    pub kind: &'static str,
    /// Protection, as `rwx`.
    pub protection: String,
    /// How many there are.
    pub count: u64,
    /// Their length in memory, bytes.
    pub bytes: u64,
}

/// Pages that a rehearsed start wrote to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Hot {
    /// Number of ranges.
    pub ranges: u64,
    /// Length in bytes.
    pub bytes: u64,
    /// Share of the memory that the image holds, in thousandths.
    pub per_mille: u64,
}

/// How many inputs there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct InputCounts {
    /// Files.
    pub files: u64,
    /// Symbolic links.
    pub links: u64,
    /// Directories that were listed.
    pub listed_directories: u64,
    /// Directories that only have to be there.
    pub directories: u64,
    /// Paths that must stay absent.
    pub absences: u64,
    /// Files that count by their contents.
    pub contents: u64,
    /// Environment variables beside those in the key.
    pub variables: u64,
}

/// What an image needs of CPU and kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Needs {
    /// Feature words of the CPU, hexadecimal.
    pub cpu: Vec<String>,
    /// Functions of the vdso.
    pub vdso: Vec<String>,
    /// Length of the restartable-sequence area, bytes; 0 for none.
    pub rseq_bytes: u64,
    /// Regions that the kernel may drop (`MAP_DROPPABLE`).
    pub droppable: u64,
    /// Regions that are wiped in a child (`MADV_WIPEONFORK`).
    pub wiped: u64,
    /// Guard regions.
    pub guards: u64,
    /// Soft limit of the stack's size, bytes; `None` for no limit.
    pub stack_limit: Option<u64>,
}

impl Anatomy {
    /// Takes an image apart.
    pub fn of(image: &OpenImage) -> Anatomy {
        let (head, bytes) = (image.head(), image.bytes());
        let meta = Meta::of(image.meta());
        let regions = head.table::<Region>(Section::Regions, bytes);
        Anatomy {
            key: Digest(head.key).hex(),
            build: Digest(head.build).hex(),
            refusal: head.is_refusal(),
            created_ns: head.created_ns,
            file_bytes: head.file_len,
            table_bytes: head.pages_offset,
            regions: groups(regions),
            hot: hot(head, head.table(Section::Hot, bytes)),
            inputs: counts(head, bytes, &meta),
            needs: needs(head, regions),
            meta,
        }
    }
}

fn groups(regions: &[Region]) -> Vec<RegionGroup> {
    let mut groups: Vec<RegionGroup> = Vec::new();
    for region in regions {
        let (kind, protection) = (kind_name(region.kind()), protection(region.prot));
        let same = |group: &&mut RegionGroup| group.kind == kind && group.protection == protection;
        match groups.iter_mut().find(same) {
            Some(group) => {
                group.count += 1;
                group.bytes = group.bytes.saturating_add(region.len);
            }
            None => groups.push(RegionGroup { kind, protection, count: 1, bytes: region.len }),
        }
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group.bytes));
    groups
}

fn kind_name(kind: Option<RegionKind>) -> &'static str {
    match kind {
        Some(RegionKind::Image) => "image",
        Some(RegionKind::Zero) => "zero",
        Some(RegionKind::Droppable) => "droppable",
        Some(RegionKind::Wiped) => "wiped",
        Some(RegionKind::Guard) => "guard",
        Some(RegionKind::Vdso) => "vdso",
        Some(RegionKind::Stack) => "stack",
        None => "unknown",
    }
}

fn protection(bits: u8) -> String {
    [(region::READ, 'r'), (region::WRITE, 'w'), (region::EXEC, 'x')]
        .map(|(bit, letter)| if bits & bit != 0 { letter } else { '-' })
        .iter()
        .collect()
}

fn hot(head: &Head, ranges: &[HotRange]) -> Hot {
    let bytes = ranges.iter().fold(0u64, |sum, range| sum.saturating_add(range.len));
    let pages = head.file_len.saturating_sub(head.pages_offset).max(1);
    let per_mille = u64::try_from(u128::from(bytes) * 1000 / u128::from(pages)).unwrap_or(u64::MAX);
    Hot { ranges: ranges.len() as u64, bytes, per_mille }
}

fn counts(head: &Head, bytes: &[u8], meta: &Meta) -> InputCounts {
    let mut counts = InputCounts {
        absences: head.table::<Absent>(Section::Absences, bytes).len() as u64,
        contents: head.table::<Prefix>(Section::Prefixes, bytes).len() as u64,
        variables: meta.env_names.len() as u64,
        ..InputCounts::default()
    };
    for file in head.table::<File>(Section::Files, bytes) {
        match file.kind {
            FILE_IS_DIRECTORY => counts.directories += 1,
            FILE_NOFOLLOW => counts.links += 1,
            _ => counts.files += 1,
        }
    }
    let directories = head.table::<Directory>(Section::Directories, bytes);
    counts.listed_directories =
        directories.iter().filter(|directory| directory.kind != DIRECTORY_GROUPS).count() as u64;
    counts
}

fn needs(head: &Head, regions: &[Region]) -> Needs {
    let context = &head.context;
    let of_kind = |kind| regions.iter().filter(|region| region.kind() == Some(kind)).count() as u64;
    let vdso_count = usize::try_from(context.vdso_count).unwrap_or(0).min(VDSO_SYMBOLS);
    Needs {
        cpu: context.cpu.iter().map(|word| format!("{word:08x}")).collect(),
        vdso: context.vdso_symbols[..vdso_count]
            .iter()
            .map(|symbol| {
                let name = symbol.name.split(|&b| b == 0).next().unwrap_or_default();
                String::from_utf8_lossy(name).into_owned()
            })
            .collect(),
        rseq_bytes: context.rseq_len,
        droppable: of_kind(RegionKind::Droppable),
        wiped: of_kind(RegionKind::Wiped),
        guards: of_kind(RegionKind::Guard),
        stack_limit: Some(context.stack_limit).filter(|limit| *limit != u64::MAX),
    }
}

/// An input, with how it is checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Input {
    /// `file`, `link`, `directory`, `listing`, `absent`, `beginning` or `contents`.
    pub kind: &'static str,
    /// Its path.
    pub path: String,
}

/// All inputs of an image but the environment variables, in the order of its tables. Entries that point outside them are left
/// out.
pub fn inputs(image: &OpenImage) -> Vec<Input> {
    let (head, bytes) = (image.head(), image.bytes());
    let strings = head.table::<u8>(Section::Strings, bytes);
    let files = head.table::<File>(Section::Files, bytes);
    let absences = head.table::<Absent>(Section::Absences, bytes);
    let mut inputs = Vec::new();
    for directory in head.table::<Directory>(Section::Directories, bytes) {
        let Some(folder) = string(strings, directory.path) else { continue };
        if directory.kind != DIRECTORY_GROUPS {
            inputs.push(Input { kind: "listing", path: folder.clone() });
        }
        for file in range(files, directory.files, directory.file_count) {
            inputs.extend(entry(file_kind(file.kind), &folder, string(strings, file.name)));
        }
        for absent in range(absences, directory.absences, directory.absence_count) {
            inputs.extend(entry("absent", &folder, string(strings, absent.name)));
        }
    }
    for prefix in head.table::<Prefix>(Section::Prefixes, bytes) {
        let kind = if prefix.kind == PREFIX_WHOLE { "contents" } else { "beginning" };
        inputs.extend(string(strings, prefix.path).map(|path| Input { kind, path }));
    }
    inputs
}

fn file_kind(kind: u32) -> &'static str {
    match kind {
        FILE_IS_DIRECTORY => "directory",
        FILE_NOFOLLOW => "link",
        _ => "file",
    }
}

fn entry(kind: &'static str, folder: &str, name: Option<String>) -> Option<Input> {
    let name = name?;
    let path =
        if folder.ends_with('/') { format!("{folder}{name}") } else { format!("{folder}/{name}") };
    Some(Input { kind, path })
}

fn range<T>(table: &[T], first: u32, count: u32) -> &[T] {
    let first = first as usize;
    first.checked_add(count as usize).and_then(|end| table.get(first..end)).unwrap_or_default()
}

fn string(strings: &[u8], offset: u32) -> Option<String> {
    let rest = strings.get(offset as usize..)?;
    let len = rest.iter().position(|&b| b == 0)?;
    Some(String::from_utf8_lossy(&rest[..len]).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(kind: RegionKind, prot: u8, pages: u64) -> Region {
        let len = pages * glowplug_image::PAGE;
        Region { len, prot, kind: kind as u8, ..Region::default() }
    }

    #[test]
    fn regions_are_grouped_by_kind_and_protection() {
        let groups = groups(&[
            region(RegionKind::Image, region::READ, 1),
            region(RegionKind::Zero, region::READ | region::WRITE, 9),
            region(RegionKind::Image, region::READ, 2),
            region(RegionKind::Image, region::READ | region::EXEC, 1),
        ]);
        let seen: Vec<_> =
            groups.iter().map(|g| (g.kind, g.protection.as_str(), g.count, g.bytes)).collect();
        assert_eq!(
            seen,
            [
                ("zero", "rw-", 1, 9 << 12),
                ("image", "r--", 2, 3 << 12),
                ("image", "r-x", 1, 1 << 12)
            ]
        );
    }

    #[test]
    fn nonsense_in_tables_is_left_out() {
        assert_eq!(range(&[1, 2, 3], 1, 2), [2, 3]);
        assert!(range(&[1, 2, 3], 2, 2).is_empty());
        assert!(range(&[1, 2, 3], u32::MAX, u32::MAX).is_empty());
        assert_eq!(string(b"a\0bc\0", 2).as_deref(), Some("bc"));
        assert_eq!(string(b"a\0bc", 2), None);
        assert_eq!(string(b"a\0", 9), None);
    }
}
