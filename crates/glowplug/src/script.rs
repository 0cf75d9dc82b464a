//! The script that a command line names: which file it is, and whether it is source code.

use rustix::fs::{FileType, Mode, OFlags};
use std::ffi::OsString;
use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// A script of source code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Its path without symbolic links: its folder becomes `sys.path[0]`.
    pub real_path: PathBuf,
}

/// Why a script is left to a fresh interpreter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSource {
    /// It cannot be opened; python says so better.
    Unreadable,
    /// A folder with a `__main__.py`.
    Folder,
    /// A pipe or device: looking at it would consume it.
    Special,
    /// A zip file with a `__main__.py`.
    Zip,
    /// Bytecode.
    Bytecode,
}

impl fmt::Display for NotSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotSource::Unreadable => "the script cannot be read",
            NotSource::Folder => "the program is a folder",
            NotSource::Special => "the script is no regular file",
            NotSource::Zip => "the program is a zip file",
            NotSource::Bytecode => "the script is bytecode",
        })
    }
}

/// How many bytes from the end of a file a zip's end record can begin: 22 bytes and a comment.
const ZIP_TAIL: u64 = 22 + 65_535;

impl Script {
    /// Looks at the file that `path` names.
    ///
    /// # Errors
    /// Where it is not a regular file of source code.
    pub fn inspect(path: &Path) -> Result<Script, NotSource> {
        // A pipe must not even be opened: that alone would wake its writer.
        let stat = rustix::fs::stat(path).map_err(|_| NotSource::Unreadable)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {}
            FileType::Directory => return Err(NotSource::Folder),
            _ => return Err(NotSource::Special),
        }
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file =
            rustix::fs::open(path, flags, Mode::empty()).map_err(|_| NotSource::Unreadable)?;
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        if path.extension().is_some_and(|extension| extension == "pyc") || is_bytecode(&file) {
            return Err(NotSource::Bytecode);
        }
        if is_zip(&file, size) {
            return Err(NotSource::Zip);
        }
        let real_path = real_path(&file).ok_or(NotSource::Unreadable)?;
        // `/dev/stdin`, `/proc/self/fd/9`: a name that means another file in each process.
        if path.starts_with("/proc") || path.starts_with("/dev") {
            return Err(NotSource::Special);
        }
        Ok(Script { real_path })
    }
}

/// CPython takes a file for bytecode that begins with the magic number's first half, whose second byte is a carriage return.
fn is_bytecode(file: &OwnedFd) -> bool {
    let mut start = [0; 4];
    matches!(rustix::io::pread(file, &mut start[..], 0), Ok(4))
        && start[1] == b'\r'
        && start[2] != b'\n'
}

/// Whether zipimport would find the record at the end of a zip file; a zip may have anything in front.
fn is_zip(file: &OwnedFd, size: u64) -> bool {
    let len = size.min(ZIP_TAIL);
    let mut tail = vec![0; usize::try_from(len).unwrap_or(0)];
    let Ok(read) = rustix::io::pread(file, &mut tail[..], size - len) else { return true };
    // The control byte is all but absent from source code, and looking for one byte is quick.
    tail[..read].contains(&5) && tail[..read].windows(4).any(|window| window == b"PK\x05\x06")
}

/// The path of an open file as the kernel knows it; `None` where it has been removed.
fn real_path(file: &OwnedFd) -> Option<PathBuf> {
    let path = link_of(file.as_fd())?;
    (path.is_absolute() && !path.as_os_str().as_encoded_bytes().ends_with(b" (deleted)"))
        .then_some(path)
}

fn link_of(file: BorrowedFd<'_>) -> Option<PathBuf> {
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    let target = rustix::fs::readlink(link, Vec::with_capacity(256)).ok()?;
    Some(PathBuf::from(OsString::from_vec(target.into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn inspect(name: &str, contents: &[u8]) -> Result<Script, NotSource> {
        let folder = tempfile::tempdir().expect("tempdir");
        let path = folder.path().join(name);
        fs::write(&path, contents).expect("write");
        let result = Script::inspect(&path);
        if let Ok(script) = &result {
            assert_eq!(script.real_path, fs::canonicalize(&path).expect("canonicalize"));
        }
        result
    }

    #[test]
    fn source_code_is_recognised() {
        for source in [&b""[..], b"x", b"print(1)\n", b"a\r\nb\r\n", "# \u{5}PK".as_bytes()] {
            assert!(inspect("script.py", source).is_ok(), "{source:?}");
        }
        assert!(inspect("no_extension", b"#!/usr/bin/env python\n").is_ok());
    }

    #[test]
    fn zip_files_are_recognised_with_text_in_front_and_a_comment_behind() {
        let end = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        assert_eq!(inspect("a.pyz", end), Err(NotSource::Zip));
        let mut framed = b"#!/usr/bin/env python3\n".to_vec();
        framed.extend_from_slice(end);
        framed.extend_from_slice(&[b' '; 60_000]);
        assert_eq!(inspect("a.py", &framed), Err(NotSource::Zip));
    }

    #[test]
    fn bytecode_is_recognised_by_name_and_by_magic_number() {
        assert_eq!(inspect("a.pyc", b"anything"), Err(NotSource::Bytecode));
        for magic in [b"o\r\r\n", b"\xa7\r\r\n", b"\xcb\r\r\n", b"\xf3\r\r\n"] {
            assert_eq!(inspect("a", magic), Err(NotSource::Bytecode));
        }
    }

    #[test]
    fn a_link_leads_to_the_real_path() {
        let folder = tempfile::tempdir().expect("tempdir");
        let real = folder.path().join("real.py");
        fs::write(&real, "pass").expect("write");
        std::os::unix::fs::symlink("real.py", folder.path().join("link.py")).expect("symlink");
        let script = Script::inspect(&folder.path().join("link.py")).expect("source");
        assert_eq!(script.real_path, fs::canonicalize(real).expect("canonicalize"));
    }

    #[test]
    fn folders_pipes_and_missing_files_are_left_to_python() {
        let folder = tempfile::tempdir().expect("tempdir");
        assert_eq!(Script::inspect(folder.path()), Err(NotSource::Folder));
        assert_eq!(Script::inspect(Path::new("/dev/null")), Err(NotSource::Special));
        assert_eq!(Script::inspect(&folder.path().join("none.py")), Err(NotSource::Unreadable));
        let pipe = folder.path().join("pipe");
        let mode = Mode::RUSR | Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, mode, 0).expect("mkfifo");
        assert_eq!(Script::inspect(&pipe), Err(NotSource::Special));
    }
}
