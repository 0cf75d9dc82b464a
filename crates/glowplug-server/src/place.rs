//! Where the sockets of servers lie: in one folder that is the user's alone, each named after what its template is for.

use glowplug_linux::surroundings;
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

/// What the names of sockets end with.
pub const SUFFIX: &str = ".sock";

/// Permission bits that give others something.
const OTHERS: u32 = 0o077;

/// The folder of the sockets, open.
#[derive(Debug)]
pub struct Place {
    folder: OwnedFd,
}

impl Place {
    /// Opens the folder.
    ///
    /// # Errors
    /// Where it is not there, is somebody else's, or is open to others.
    pub fn open(path: &Path) -> io::Result<Place> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&folder)?;
        let own = stat.st_uid == rustix::process::geteuid().as_raw();
        if !own || stat.st_mode & OTHERS != 0 {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(Place { folder })
    }

    /// Connects to the server of this name.
    ///
    /// # Errors
    /// Where there is none.
    pub fn connect(&self, name: &str) -> io::Result<UnixStream> {
        UnixStream::connect(surroundings::short_path(self.folder.as_fd(), name))
    }

    /// Makes the socket of this name, in place of one that a server has left behind.
    ///
    /// # Errors
    /// Where the folder cannot be written.
    pub fn listen(&self, name: &str) -> io::Result<UnixListener> {
        self.remove(name);
        UnixListener::bind(surroundings::short_path(self.folder.as_fd(), name))
    }

    /// Removes the socket of this name.
    pub fn remove(&self, name: &str) {
        let _ = rustix::fs::unlinkat(&self.folder, name, AtFlags::empty());
    }

    /// Inode of the socket of this name, which tells it from one that has taken its place.
    pub fn inode(&self, name: &str) -> Option<u64> {
        let stat = rustix::fs::statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW);
        stat.ok().map(|stat| stat.st_ino)
    }

    /// The names of all sockets.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy();
            if name.ends_with(SUFFIX) {
                names.push(name.into_owned());
            }
        }
        names.sort();
        Ok(names)
    }
}
