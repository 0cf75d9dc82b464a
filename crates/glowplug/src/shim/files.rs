//! Changes of an environment's folders that leave their times alone.

use super::ShimError;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Folders that get back the times that they have now when this value is dropped.
#[derive(Debug)]
pub struct KeptTimes(Vec<(PathBuf, Timestamps)>);

impl KeptTimes {
    /// Remembers the times of some folders.
    pub fn of(folders: &[&Path]) -> KeptTimes {
        let times = |folder: &&Path| {
            let metadata = fs::metadata(folder).ok()?;
            let time = |tv_sec, tv_nsec| Timespec { tv_sec, tv_nsec };
            let times = Timestamps {
                last_access: time(metadata.atime(), metadata.atime_nsec()),
                last_modification: time(metadata.mtime(), metadata.mtime_nsec()),
            };
            Some((folder.to_path_buf(), times))
        };
        KeptTimes(folders.iter().filter_map(times).collect())
    }
}

impl Drop for KeptTimes {
    fn drop(&mut self) {
        for (folder, times) in &self.0 {
            // A folder that is somebody else's keeps the time of the change.
            let _ = rustix::fs::utimensat(CWD, folder, times, AtFlags::empty());
        }
    }
}

/// Makes a folder, unless it is there.
pub fn make_folder(path: &Path) -> Result<(), ShimError> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(ShimError::io("make the folder", path)(error))
        }
        _ => Ok(()),
    }
}

/// Writes a program, under its name only when it is whole. An equal one is left alone.
pub fn write_program(path: &Path, bytes: &[u8]) -> Result<(), ShimError> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let unfinished = beside(path);
    let write = || {
        let mut file = File::create(&unfinished)?;
        file.write_all(bytes)?;
        file.set_permissions(fs::Permissions::from_mode(0o755))?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&unfinished);
        ShimError::io("write", path)(error)
    })
}

/// A name for what is to be renamed to `path`.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// Makes a symbolic link in place of whatever bears the name.
pub fn link(target: &Path, path: &Path, by_way_of: &Path) -> Result<(), ShimError> {
    remove(by_way_of)?;
    symlink(target, by_way_of).map_err(ShimError::io("make the link", by_way_of))?;
    rename(by_way_of, path)
}

/// Renames.
pub fn rename(from: &Path, to: &Path) -> Result<(), ShimError> {
    fs::rename(from, to).map_err(ShimError::io("replace", to))
}

/// Removes a file or link, if there is one.
pub fn remove(path: &Path) -> Result<(), ShimError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(ShimError::io("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// Whether two names are of one file or link.
pub fn is_same(one: &Path, other: &Path) -> bool {
    let identity = |path: &Path| fs::symlink_metadata(path).map(|m| (m.dev(), m.ino()));
    identity(one).is_ok_and(|one| identity(other).is_ok_and(|other| one == other))
}

/// Whether anything bears the name, be it a link that leads nowhere.
pub fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}
