//! The names in a directory that matter, as a digest.

use glowplug_image::inputs::stem;
use rustix::fs::{Dir, Mode, OFlags, openat};
use rustix::io::Errno;
use std::os::fd::{AsFd, OwnedFd};

/// Which names of a directory matter.
#[derive(Clone, Copy, Debug)]
pub(super) enum Matter<'a> {
    /// All of them.
    All,
    /// Those that can be modules whose stem is in this list, which is in byte order, and the folders of installed distributions (`.dist-info`,
    /// `.egg-info`), for which `importlib.metadata` looks through every folder of `sys.path`.
    Stems(&'a [&'a [u8]]),
}

impl Matter<'_> {
    fn covers(self, name: &[u8]) -> bool {
        match self {
            Matter::All => true,
            Matter::Stems(stems) => {
                (can_be_module(name) && stems.binary_search(&stem(name)).is_ok())
                    || name.to_ascii_lowercase().ends_with(b"-info")
            }
        }
    }
}

/// Whether CPython's finder would take it for a package's folder, or by one of its suffixes for a module
/// (importlib.machinery.all_suffixes).
pub(super) fn can_be_module(name: &[u8]) -> bool {
    !name.contains(&b'.') || [&b".py"[..], b".pyc", b".so"].iter().any(|end| name.ends_with(end))
}

/// The names in the directory `path`, relative to `dir`, that matter, in byte order.
pub(super) fn list(
    dir: impl AsFd,
    path: &std::ffi::CStr,
    matter: Matter<'_>,
) -> Result<Vec<Vec<u8>>, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd: OwnedFd = openat(dir, path, flags, Mode::empty())?;
    let mut names = Vec::new();
    for entry in Dir::new(fd)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." && matter.covers(name) {
            names.push(name.to_vec());
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// A digest of names in byte order.
pub(super) fn digest(names: &[Vec<u8>]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    for name in names {
        hasher.update(name);
        hasher.update(&[0]);
    }
    short(&hasher)
}

/// The first 16 bytes of a digest.
pub(super) fn short(hasher: &blake3::Hasher) -> [u8; 16] {
    let mut digest = [0; 16];
    hasher.finalize_xof().fill(&mut digest);
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looked_up_stems_and_distributions_matter() {
        let matter = Matter::Stems(&[b"json", b"numpy"]);
        for name in ["json", "json.py", "numpy.cpython-311.so", "a-1.0.dist-info", "b.EGG-INFO"] {
            assert!(matter.covers(name.as_bytes()), "{name}");
        }
        for name in ["results.csv", "jso", "info", "json.image", "json.py.bak"] {
            assert!(!matter.covers(name.as_bytes()), "{name}");
        }
        assert!(Matter::All.covers(b"results.csv"));
    }
}
