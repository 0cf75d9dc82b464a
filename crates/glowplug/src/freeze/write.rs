//! Writes images: the head, the sections, and the contents of memory.

use super::rehearse::Touched;
use super::{Frozen, KeptApart, Recipe, Refusal};
use crate::inputs::Tables;
use crate::key::BUILD;
use glowplug_image::cpu::Level;
use glowplug_image::head::{FLAG_CPU_FEATURES, FLAG_REFUSAL, SECTIONS};
use glowplug_image::{
    Context, FORMAT_VERSION, HEAD_LEN, Head, HotRange, MAGIC, PAGE, Region, RegionKind, Section,
    Span,
};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::{SystemTime, UNIX_EPOCH};
use zerocopy::{FromZeros, IntoBytes};

/// Bytes copied at once.
const CHUNK: usize = 1 << 20;

/// Most hot ranges that an image names; room for them is kept before they are known.
pub const MAX_HOT: usize = 4096;

/// Most warm spans that an image names.
const MAX_WARM: usize = 4096;

/// Length of the image, bytes.
pub fn length(frozen: &Frozen) -> u64 {
    let contents: u64 =
        frozen.regions.iter().filter(|p| p.has_contents()).map(|p| p.region.len).sum();
    let tables: usize = frozen.tables.sections().iter().map(|(_, bytes)| bytes.len() + 8).sum();
    let regions = frozen.regions.len() * size_of::<Region>();
    let hot = MAX_HOT * size_of::<HotRange>() + MAX_WARM * size_of::<Span>();
    let modules: usize = frozen.report.modules.iter().map(|module| module.len() + 8).sum();
    let apart = frozen.apart.describe();
    let apart = apart.iter().map(|module| module.module.len() + module.cause.len() + 32);
    let texts = frozen.notes.iter().chain(frozen.apart.roots().unwrap_or_default());
    let said = apart.chain(texts.map(|text| text.len() + 8)).sum::<usize>();
    contents + (HEAD_LEN + tables + regions + hot + modules + said + (64 << 10)) as u64
}

/// Writes the image of a process that stands still. What a start touches is not known before the rehearsal; an image without it is for
/// that alone, and says nothing about its contents.
pub fn image(
    frozen: &Frozen,
    recipe: &Recipe,
    file: &File,
    touched: Option<&Touched>,
) -> io::Result<()> {
    let mut regions: Vec<Region> = frozen.regions.iter().map(|piece| piece.region).collect();
    let mut contents = touched.map(|_| blake3::Hasher::new());
    let mut offset = 0;
    for (region, piece) in regions.iter_mut().zip(&frozen.regions) {
        if piece.has_contents() {
            region.offset = offset;
            offset += region.len;
        }
    }
    let contents_len = offset;
    let hot = touched.map_or(&[][..], |touched| &touched.hot);
    let hot = &hot[..hot.len().min(MAX_HOT)];
    let mut warm = touched.map_or_else(Vec::new, |touched| spans(&touched.warm, &regions));
    warm.truncate(MAX_WARM);
    let said = Said {
        modules: &frozen.report.modules,
        apart: frozen.apart.describe(),
        roots: frozen.apart.roots().unwrap_or_default(),
        notes: &frozen.notes,
        values: Some(frozen.values.hex()),
        // Takes the place of the digest, which is known when the contents are written.
        contents: contents.as_ref().map(|_| "0".repeat(2 * blake3::OUT_LEN)),
        ..Said::default()
    };
    let names = &frozen.names;
    let meta_of = |said: &Said<'_>| meta(recipe, &frozen.tables, names.names(), said);
    let mut sections = Sections::new();
    // The table of regions does not change its length when the offsets are known.
    sections.add(Section::Regions, regions.as_bytes());
    sections.add(Section::Hot, hot.as_bytes());
    sections.add_inputs(&frozen.tables);
    sections.add(Section::Meta, &meta_of(&said));
    sections.add(Section::Warm, warm.as_bytes());
    let pages_offset = sections.pages_offset();
    let len = pages_offset + contents_len;
    for (region, piece) in regions.iter_mut().zip(&frozen.regions) {
        if piece.has_contents() {
            region.offset += pages_offset;
        }
    }
    sections.overwrite(Section::Regions, regions.as_bytes());
    file.set_len(0)?;
    file.set_len(len)?;
    let memory = frozen.subject.still()?.process.memory()?;
    for region in regions.iter().filter(|region| region.offset != 0) {
        copy(&memory, region, file, contents.as_mut())?;
    }
    require_alive(&memory, frozen.context.registers.rsp)?;
    if let Some(contents) = contents {
        let contents = Some(contents.finalize().to_hex().to_string());
        sections.overwrite(Section::Meta, &meta_of(&Said { contents, ..said }));
    }
    let head = sections.head(recipe, &frozen.context, len, 0)?;
    file.write_all_at(&sections.body, HEAD_LEN as u64)?;
    file.write_all_at(head.as_bytes(), 0)
}

/// Where ranges of memory lie in the page contents. Both are sorted by address; the regions' offsets count from the first byte of the
/// contents. What lies in no region with contents is left out.
fn spans(ranges: &[HotRange], regions: &[Region]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for range in ranges {
        let first = regions.partition_point(|region| region.end() <= range.addr);
        let end = range.addr + range.len;
        for region in regions[first..].iter().take_while(|region| region.addr < end) {
            if !matches!(region.kind(), Some(RegionKind::Image | RegionKind::Vdso)) {
                continue;
            }
            let (start, end) = (range.addr.max(region.addr), end.min(region.end()));
            let offset = region.offset + (start - region.addr);
            match spans.last_mut() {
                Some(last) if last.end() == Some(offset) => last.len += end - start,
                _ => spans.push(Span { offset, len: end - start }),
            }
        }
    }
    spans
}

/// Length of a refusal's image, bytes.
pub fn refusal_length(refusal: &Refusal, recipe: &Recipe) -> u64 {
    refusal_sections(refusal, recipe).pages_offset()
}

/// Writes an image without regions that says why there is none.
pub fn refusal(refusal: &Refusal, recipe: &Recipe, file: &File) -> io::Result<()> {
    let sections = refusal_sections(refusal, recipe);
    let len = sections.pages_offset();
    let context = Context::new_zeroed();
    let head = sections.head(recipe, &context, len, FLAG_REFUSAL)?;
    file.set_len(0)?;
    file.set_len(len)?;
    file.write_all_at(&sections.body, HEAD_LEN as u64)?;
    file.write_all_at(head.as_bytes(), 0)
}

fn refusal_sections(refusal: &Refusal, recipe: &Recipe) -> Sections {
    let said = Said { reason: Some(&refusal.reason), ..Said::default() };
    let meta = meta(recipe, &refusal.inputs, refusal.names.names(), &said);
    let mut sections = Sections::new();
    sections.add(Section::Regions, &[]);
    sections.add(Section::Hot, &[]);
    sections.add_inputs(&refusal.inputs);
    sections.add(Section::Meta, &meta);
    sections.add(Section::Warm, &[]);
    sections
}

/// What only an image or only a refusal says for people.
#[derive(Clone, Default)]
struct Said<'a> {
    modules: &'a [String],
    /// Modules that are imported at each start, and what was preloaded all the same.
    apart: Vec<KeptApart>,
    roots: &'a [String],
    notes: &'a [String],
    /// Digest of the variables' values, hexadecimal.
    values: Option<String>,
    /// Digest of the page contents, hexadecimal.
    contents: Option<String>,
    reason: Option<&'a str>,
}

/// What `glowplug images` tells. Its length does not depend on which digest of the contents there is.
fn meta<'a>(
    recipe: &Recipe,
    tables: &Tables,
    names: impl Iterator<Item = &'a [u8]>,
    said: &Said<'_>,
) -> Vec<u8> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (major, minor, micro) = recipe.version;
    let meta = serde_json::json!({
        "target": recipe.target,
        "python": recipe.interpreter.to_string_lossy(),
        "python_version": format!("{major}.{minor}.{micro}"),
        "cpu": recipe.cpu.map(Level::name),
        "options": recipe.options.iter().map(|o| text(o.as_bytes())).collect::<Vec<_>>(),
        "preload": recipe.preload.iter().map(|p| &p.module).collect::<Vec<_>>(),
        "modules": said.modules,
        "env_names": names.map(text).collect::<Vec<_>>(),
        "values": said.values,
        "notes": tables
            .notes
            .iter()
            .map(ToString::to_string)
            .chain(said.notes.iter().cloned())
            .collect::<Vec<_>>(),
        "apart": said.apart,
        "roots": said.roots,
        "reason": said.reason,
        "contents": said.contents,
    });
    meta.to_string().into_bytes()
}

/// The sections of an image, as they stand behind its head.
struct Sections {
    spans: [Span; SECTIONS],
    body: Vec<u8>,
}

impl Sections {
    fn new() -> Sections {
        let empty = Span { offset: HEAD_LEN as u64, len: 0 };
        Sections { spans: [empty; SECTIONS], body: Vec::new() }
    }

    fn add(&mut self, section: Section, bytes: &[u8]) {
        let offset = (HEAD_LEN + self.body.len()) as u64;
        self.spans[section as usize] = Span { offset, len: bytes.len() as u64 };
        self.body.extend_from_slice(bytes);
        self.body.resize(self.body.len().next_multiple_of(8), 0);
    }

    fn add_inputs(&mut self, tables: &Tables) {
        for (section, bytes) in tables.sections() {
            self.add(section, bytes);
        }
    }

    /// Replaces a section's bytes by others of the same length.
    fn overwrite(&mut self, section: Section, bytes: &[u8]) {
        let at = self.spans[section as usize].offset as usize - HEAD_LEN;
        self.body[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn pages_offset(&self) -> u64 {
        ((HEAD_LEN + self.body.len()) as u64).next_multiple_of(PAGE)
    }

    fn head(&self, recipe: &Recipe, context: &Context, len: u64, flags: u32) -> io::Result<Head> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
        let mut context = *context;
        let mut flags = flags;
        if let Some(level) = recipe.cpu.filter(|_| flags & FLAG_REFUSAL == 0) {
            context.cpu = level.features();
            flags |= FLAG_CPU_FEATURES;
        }
        let mut head = Head {
            magic: MAGIC,
            version: FORMAT_VERSION,
            flags,
            build: BUILD.0,
            key: recipe.key.0,
            created_ns: u64::try_from(now.as_nanos()).unwrap_or(u64::MAX),
            file_len: len,
            pages_offset: self.pages_offset(),
            sections: self.spans,
            context,
            inputs_checksum: 0,
            checksum: 0,
        };
        head.seal(&self.body);
        Ok(head)
    }
}

/// Copies a region's contents, and adds them to their digest; zero pages become holes, and what cannot be read (the tail behind the end of a mapped file) zeros.
fn copy(
    memory: &File,
    region: &Region,
    file: &File,
    mut digest: Option<&mut blake3::Hasher>,
) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    let mut done = 0;
    while done < region.len {
        let len = usize::try_from(region.len - done).unwrap_or(CHUNK).min(CHUNK);
        let chunk = &mut buffer[..len];
        if memory.read_exact_at(chunk, region.addr + done).is_err() {
            read_pages(memory, chunk, region.addr + done);
        }
        if let Some(digest) = &mut digest {
            digest.update(chunk);
        }
        write_pages(file, chunk, region.offset + done)?;
        done += len as u64;
    }
    Ok(())
}

/// Fails where the process has ended, `stack` being an address on its stack. Its memory has gone with it, and what [`copy`] could not read
/// has become zeros; as long as it is alive, only what lies behind the end of a file cannot be read.
fn require_alive(memory: &File, stack: u64) -> io::Result<()> {
    memory
        .read_exact_at(&mut [0], stack)
        .map_err(|_| io::Error::other("the interpreter has ended while its memory was copied"))
}

fn read_pages(memory: &File, chunk: &mut [u8], address: u64) {
    for (index, page) in chunk.chunks_mut(PAGE as usize).enumerate() {
        if memory.read_exact_at(page, address + index as u64 * PAGE).is_err() {
            page.fill(0);
        }
    }
}

fn write_pages(file: &File, chunk: &[u8], offset: u64) -> io::Result<()> {
    let page = PAGE as usize;
    let is_zero = |page: &[u8]| page.iter().all(|&b| b == 0);
    let mut start = 0;
    while start < chunk.len() {
        let end = (start + page).min(chunk.len());
        if is_zero(&chunk[start..end]) {
            start = end;
            continue;
        }
        let mut stop = end;
        while stop < chunk.len() && !is_zero(&chunk[stop..(stop + page).min(chunk.len())]) {
            stop = (stop + page).min(chunk.len());
        }
        file.write_all_at(&chunk[start..stop], offset + start as u64)?;
        start = stop;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_memory_are_found_in_the_contents() {
        let region = |addr, len, offset, kind: RegionKind| Region {
            addr: addr * PAGE,
            len: len * PAGE,
            offset: offset * PAGE,
            kind: kind as u8,
            ..Region::default()
        };
        let regions = [
            region(10, 5, 0, RegionKind::Image),
            region(15, 2, 5, RegionKind::Image),
            region(17, 4, 0, RegionKind::Zero),
            region(30, 1, 7, RegionKind::Image),
        ];
        let range = |addr, pages| HotRange { addr: addr * PAGE, len: pages * PAGE };
        let found = spans(&[range(8, 3), range(13, 6), range(30, 1), range(40, 1)], &regions);
        let pages: Vec<_> = found.iter().map(|s| (s.offset / PAGE, s.len / PAGE)).collect();
        assert_eq!(pages, [(0, 1), (3, 5)]);
    }
}
