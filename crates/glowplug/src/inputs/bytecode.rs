//! Which source vouches for a file of bytecode.
//!
//! Python compares the source's time and size with what the bytecode was made from, so a source with an unchanged stamp leads to
//! the same code. This does not hold for bytecode that is checked by hash, where Python may never have looked at the source.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Set in the second word of the header of bytecode that is checked by hash or not at all.
const FLAG_HASH_BASED: u32 = 1;

/// Whether `path` looks like bytecode that was compiled from a source elsewhere: `NAME.TAG.pyc`, `NAME.TAG.opt-N.pyc`.
pub(super) fn is_cached(path: &Path) -> bool {
    module_name(path).is_some()
}

/// Whether `path` is a folder that Python keeps bytecode in.
pub(super) fn is_folder(path: &Path) -> bool {
    path.file_name() == Some(OsStr::new("__pycache__"))
}

/// Where the source of a bytecode file may be, likeliest first.
///
/// Beside `__pycache__`; or, where bytecode is kept under a prefix (`sys.pycache_prefix`), at the path that follows the prefix,
/// of which only the end is known.
pub(super) fn sources(path: &Path) -> Vec<PathBuf> {
    let Some(name) = module_name(path) else { return Vec::new() };
    let mut source = name.to_os_string();
    source.push(".py");
    let Some(folder) = path.parent() else { return Vec::new() };
    if is_folder(folder) {
        return folder.parent().map(|dir| dir.join(&source)).into_iter().collect();
    }
    let parts: Vec<_> = folder.components().skip(1).collect();
    (1..parts.len())
        .map(|from| {
            let mut dir = PathBuf::from("/");
            dir.extend(&parts[from..]);
            dir.join(&source)
        })
        .collect()
}

/// Whether the file is bytecode that Python accepts for its hash, or unseen.
pub(super) fn is_hash_based(path: &Path) -> io::Result<bool> {
    let mut header = [0; 16];
    File::open(path)?.read_exact(&mut header)?;
    let flags = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
    Ok(flags & FLAG_HASH_BASED != 0)
}

/// `NAME` of `NAME.TAG.pyc` and `NAME.TAG.opt-N.pyc`, also with the number behind it that a half-written file bears.
fn module_name(path: &Path) -> Option<&OsStr> {
    let name = path.file_name()?.as_bytes();
    let whole = match name.iter().rposition(|byte| *byte == b'.') {
        Some(dot) if name[dot + 1..].iter().all(u8::is_ascii_digit) => &name[..dot],
        _ => name,
    };
    let mut parts = whole.strip_suffix(b".pyc")?.rsplitn(3, |byte| *byte == b'.');
    let mut tag = parts.next()?;
    let mut rest = parts.next()?;
    if tag.starts_with(b"opt-") {
        tag = rest;
        rest = parts.next()?;
    } else if parts.next().is_some() {
        return None;
    }
    let plausible = tag.contains(&b'-') && !rest.is_empty();
    plausible.then(|| OsStr::from_bytes(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(path: &str) -> Option<PathBuf> {
        sources(Path::new(path)).into_iter().next()
    }

    #[test]
    fn source_stands_beside_pycache() {
        let expected = Some(PathBuf::from("/p/a.py"));
        assert_eq!(first("/p/__pycache__/a.cpython-311.pyc"), expected);
        assert_eq!(first("/p/__pycache__/a.cpython-311.opt-2.pyc"), expected);
        assert_eq!(first("/p/__pycache__/a.cpython-311.pyc.140012"), expected);
        assert_eq!(first("/p/a.pyc"), None);
        assert_eq!(first("/p/a.py"), None);
    }

    #[test]
    fn source_under_a_prefix_is_a_tail_of_the_path() {
        let found = sources(Path::new("/var/pyc/home/me/a.cpython-312.pyc"));
        assert!(found.contains(&PathBuf::from("/home/me/a.py")));
        assert!(!found.contains(&PathBuf::from("/a.py")));
    }
}
