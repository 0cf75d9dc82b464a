//! Settings that were parsed before, in a form that costs nothing to read: lines of a name and a value.

use super::layer::{Layer, ModuleEntry, SecretEntry};
use super::sets::SetName;
use super::values::{ByteSize, Via};
use crate::cache::Cache;
use glowplug_image::inputs::Stamp;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// First line; another version of the format has another one.
const HEADER: &str = "glowplug settings 4";

/// Where the parsed settings of one file are kept.
pub struct ParsedFiles<'a> {
    cache: &'a Path,
    name: String,
}

impl<'a> ParsedFiles<'a> {
    /// For the settings file `path`, in the cache folder `cache`.
    pub fn new(cache: &'a Path, path: &Path) -> Self {
        let digest = crate::key::digest("settings file", &[path.as_os_str().as_bytes()]);
        ParsedFiles { cache, name: format!("settings/{}", digest.hex()) }
    }

    /// What was parsed from the file when it had this stamp; `Some(None)` where it held no settings.
    pub fn recall(&self, stamp: &Stamp) -> Option<Option<Layer>> {
        let bytes = Cache::open(self.cache).ok()?.read(&self.name).ok()?;
        decode(&bytes, stamp)
    }

    /// Keeps what was parsed. Failing to do so costs the next start some time and nothing else, so it is not reported.
    pub fn remember(&self, stamp: &Stamp, layer: Option<&Layer>) {
        let Some(bytes) = encode(stamp, layer) else { return };
        if let Ok(cache) = Cache::create(self.cache) {
            let _ = cache.write(&self.name, &bytes);
        }
    }
}

fn stamp_line(stamp: &Stamp) -> String {
    let Stamp { size, mtime_ns, ctime_ns, inode, device } = stamp;
    format!("{size} {mtime_ns} {ctime_ns} {inode} {device}")
}

/// `None` where a value does not fit on a line.
fn encode(stamp: &Stamp, layer: Option<&Layer>) -> Option<Vec<u8>> {
    let mut lines = Lines::default();
    lines.0.extend_from_slice(HEADER.as_bytes());
    lines.0.push(b'\n');
    lines.put("stamp", stamp_line(stamp).as_bytes())?;
    let Some(layer) = layer else {
        lines.put("none", b"")?;
        lines.put("end", b"")?;
        return Some(lines.0);
    };
    if let Some(python) = &layer.python {
        lines.put("python", python.as_os_str().as_bytes())?;
    }
    for entry in &layer.preload {
        lines.put("preload", entry.0.as_bytes())?;
    }
    if let Some(via) = layer.via {
        lines.put("via", via.name().as_bytes())?;
    }
    if let Some(explain) = layer.explain {
        lines.put("explain", switch_name(explain))?;
    }
    if let Some(folder) = &layer.cache_dir {
        lines.put("cache-dir", folder.as_os_str().as_bytes())?;
    }
    if let Some(size) = layer.cache_size {
        lines.put("cache-size", size.0.to_string().as_bytes())?;
    }
    if let Some(freeze) = layer.freeze {
        lines.put("freeze", switch_name(freeze))?;
    }
    if let Some(sealed) = layer.sealed {
        lines.put("sealed", switch_name(sealed))?;
    }
    for entry in &layer.allow_secrets {
        lines.put("allow-secret", entry.0.as_bytes())?;
    }
    if let Some(age) = layer.renew_after {
        lines.put("renew-after", age.to_string().as_bytes())?;
    }
    if let Some(thaws) = layer.renew_after_thaws {
        lines.put("renew-after-thaws", thaws.to_string().as_bytes())?;
    }
    for (name, set) in &layer.sets {
        for line in set.lines() {
            lines.put("set", format!("{} {line}", name.0).as_bytes())?;
        }
    }
    for (name, entries) in [
        ("lazy.modules", &layer.lazy.modules),
        ("lazy.exclude", &layer.lazy.exclude),
        ("lazy.warm", &layer.lazy.warm),
    ] {
        for entry in entries {
            lines.put(name, entry.as_bytes())?;
        }
    }
    lines.put("end", b"")?;
    Some(lines.0)
}

/// `None` where the bytes are damaged, of another version, or of another stamp.
fn decode(bytes: &[u8], stamp: &Stamp) -> Option<Option<Layer>> {
    let mut lines = bytes.split(|&b| b == b'\n');
    if lines.next()? != HEADER.as_bytes() {
        return None;
    }
    let stamp = stamp_line(stamp);
    if lines.next()?.strip_prefix(b"stamp ")? != stamp.as_bytes() {
        return None;
    }
    let mut layer = Some(Layer::default());
    for line in lines {
        let space = line.iter().position(|&b| b == b' ')?;
        let (name, value) = (&line[..space], &line[space + 1..]);
        match (name, &mut layer) {
            (b"end", _) => return Some(layer),
            (b"none", _) => layer = None,
            (_, Some(layer)) => set(layer, name, value)?,
            (_, None) => return None,
        }
    }
    None
}

fn set(layer: &mut Layer, name: &[u8], value: &[u8]) -> Option<()> {
    let text = || std::str::from_utf8(value).ok();
    let path = || Some(PathBuf::from(OsStr::from_bytes(value)));
    match name {
        b"python" => layer.python = path(),
        b"preload" => layer.preload.push(ModuleEntry(text()?.to_owned())),
        b"via" => layer.via = Some(Via::from_name(text()?)?),
        b"explain" => layer.explain = Some(value == switch_name(true)),
        b"cache-dir" => layer.cache_dir = path(),
        b"cache-size" => layer.cache_size = Some(ByteSize(text()?.parse().ok()?)),
        b"freeze" => layer.freeze = Some(value == switch_name(true)),
        b"sealed" => layer.sealed = Some(value == switch_name(true)),
        b"renew-after" => layer.renew_after = Some(text()?.parse().ok()?),
        b"renew-after-thaws" => layer.renew_after_thaws = Some(text()?.parse().ok()?),
        b"allow-secret" => layer.allow_secrets.push(SecretEntry(text()?.to_owned())),
        b"set" => {
            let (name, line) = text()?.split_once(' ')?;
            layer.sets.entry(SetName(name.to_owned())).or_default().set(line)?;
        }
        b"lazy.modules" => layer.lazy.modules.push(text()?.to_owned()),
        b"lazy.exclude" => layer.lazy.exclude.push(text()?.to_owned()),
        b"lazy.warm" => layer.lazy.warm.push(text()?.to_owned()),
        _ => return None,
    }
    Some(())
}

fn switch_name(on: bool) -> &'static [u8] {
    if on { b"on" } else { b"off" }
}

#[derive(Default)]
struct Lines(Vec<u8>);

impl Lines {
    fn put(&mut self, name: &str, value: &[u8]) -> Option<()> {
        if value.contains(&b'\n') {
            return None;
        }
        self.0.extend_from_slice(name.as_bytes());
        self.0.push(b' ');
        self.0.extend_from_slice(value);
        self.0.push(b'\n');
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::renewal::{Age, Thaws};
    use super::super::sets::PreloadSet;
    use super::*;
    use std::time::Duration;

    fn set() -> PreloadSet {
        PreloadSet {
            preload: vec![ModuleEntry("pandas".into()), ModuleEntry("a.b".into())],
            extends: Some(SetName("common".into())),
            pool: Some(4),
            memory_limit: Some(ByteSize(1 << 30)),
            idle: Some(Age(None)),
        }
    }

    fn full() -> Layer {
        Layer {
            python: Some("/usr/bin/python3".into()),
            preload: vec![ModuleEntry("a.b".into()), ModuleEntry("-c".into())],
            via: Some(Via::Thaw),
            explain: Some(false),
            cache_dir: Some("/a folder/cache".into()),
            cache_size: Some(ByteSize(123)),
            freeze: Some(true),
            sealed: Some(true),
            allow_secrets: vec![SecretEntry("A_TOKEN".into()), SecretEntry("/p/.env".into())],
            renew_after: Some(Age(Some(Duration::from_secs(5400)))),
            renew_after_thaws: Some(Thaws(None)),
            sets: [(SetName("data".into()), set())].into(),
            lazy: crate::settings::LazySettings {
                modules: vec!["a.b".into(), "/c/requirements.txt".into()],
                exclude: vec!["=d".into()],
                warm: vec!["e".into()],
            },
            gate: (),
        }
    }

    #[test]
    fn what_is_kept_is_recalled_for_the_same_stamp_only() {
        let stamp = Stamp { size: 1, mtime_ns: 2, ctime_ns: 3, inode: 4, device: 5 };
        let other = Stamp { ctime_ns: 4, ..stamp };
        for layer in [Some(full()), Some(Layer::default()), None] {
            let bytes = encode(&stamp, layer.as_ref()).expect("fits lines");
            assert_eq!(decode(&bytes, &stamp), Some(layer));
            assert_eq!(decode(&bytes, &other), None);
        }
    }

    #[test]
    fn truncated_files_are_not_believed() {
        let stamp = Stamp::default();
        let bytes = encode(&stamp, Some(&full())).expect("fits lines");
        // The last byte is the newline behind the end mark.
        for len in 0..bytes.len() - 1 {
            assert_eq!(decode(&bytes[..len], &stamp), None, "{len}");
        }
    }

    #[test]
    fn values_with_newlines_are_not_kept() {
        let layer = Layer { python: Some("/odd\nfolder/python".into()), ..Layer::default() };
        assert_eq!(encode(&Stamp::default(), Some(&layer)), None);
    }
}
