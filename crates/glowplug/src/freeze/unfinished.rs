//! A file that has no name until it is whole, so that nothing is left of it where its writer is killed.

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use tempfile::{Builder, TempPath};

/// What the names begin with that a file has for a moment, or all the time where the file system knows no files without names.
const PREFIX: &str = ".glowplug-";

/// The file. Unless it is finished, nothing is left of it when this is dropped.
#[derive(Debug)]
pub struct Unfinished {
    file: File,
    name: Option<TempPath>,
    folder: PathBuf,
}

impl Unfinished {
    /// Begins a file of the user's own in `folder`.
    ///
    /// # Errors
    /// Where the folder cannot be written.
    pub fn begin(folder: &Path) -> io::Result<Unfinished> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let (file, name) = match rustix::fs::open(folder, flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => (file.into(), None),
            // Why not is of no interest: the usual way has an error of its own.
            Err(_) => {
                let (file, name) = Builder::new().prefix(PREFIX).tempfile_in(folder)?.into_parts();
                (file, Some(name))
            }
        };
        Ok(Unfinished { file, name, folder: folder.to_owned() })
    }

    /// To be written.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Brings it to the disk and gives it its name, in place of an older file.
    ///
    /// # Errors
    /// Where the disk is full or fails.
    pub fn finish(self, path: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        let name = match self.name {
            Some(name) => name,
            // A link cannot take the place of a file, a renamed one can.
            None => link(&self.file, &self.folder)?,
        };
        name.persist(path).map_err(|error| error.error)
    }
}

/// Gives a file without a name one that nothing else has.
fn link(file: &File, folder: &Path) -> io::Result<TempPath> {
    let itself = format!("/proc/self/fd/{}", file.as_raw_fd());
    let link =
        |path: &Path| Ok(rustix::fs::linkat(CWD, &itself, CWD, path, AtFlags::SYMLINK_FOLLOW)?);
    Ok(Builder::new().prefix(PREFIX).make_in(folder, link)?.into_temp_path())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .expect("can be listed")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_appears_whole_and_takes_the_place_of_another() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        for content in ["one", "two"] {
            let unfinished = Unfinished::begin(folder.path()).expect("a file");
            unfinished.file().write_all(content.as_bytes()).expect("is written");
            let before = names(folder.path());
            assert_eq!(before.contains(&"file".to_owned()), content == "two");
            unfinished.finish(&path).expect("gets its name");
            assert_eq!(std::fs::read_to_string(&path).expect("is read"), content);
            assert_eq!(names(folder.path()), ["file"]);
        }
        let mode = std::fs::metadata(&path).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn nothing_is_left_of_a_file_that_is_given_up() {
        let folder = tempfile::tempdir().expect("a folder");
        drop(Unfinished::begin(folder.path()).expect("a file"));
        assert!(names(folder.path()).is_empty());
        let unfinished = Unfinished::begin(folder.path()).expect("a file");
        assert!(unfinished.finish(&folder.path().join("no/such/folder")).is_err());
        assert!(names(folder.path()).is_empty());
    }
}
