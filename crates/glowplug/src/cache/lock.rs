//! Locks that vanish with the process that holds them.

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    file: OwnedFd,
    path: PathBuf,
}

impl Lock {
    /// Takes the lock at `path`; `None` where another process holds it.
    pub(super) fn take(path: &Path) -> io::Result<Option<Lock>> {
        Lock::acquire(path, FlockOperation::NonBlockingLockExclusive)
    }

    /// Takes the lock at `path`, waiting for it.
    ///
    /// # Errors
    /// Where the file cannot be made or opened.
    pub(crate) fn wait(path: &Path) -> io::Result<Lock> {
        loop {
            if let Some(lock) = Lock::acquire(path, FlockOperation::LockExclusive)? {
                return Ok(lock);
            }
        }
    }

    fn acquire(path: &Path, operation: FlockOperation) -> io::Result<Option<Lock>> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        loop {
            let file = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?;
            match rustix::fs::flock(&file, operation) {
                Err(Errno::WOULDBLOCK) => return Ok(None),
                Err(Errno::INTR) => continue,
                result => result?,
            }
            // Its last holder may have removed the file between our opening and locking it; the name is what is locked.
            let ours = rustix::fs::fstat(&file)?;
            if rustix::fs::lstat(path).is_ok_and(|named| named.st_ino == ours.st_ino) {
                return Ok(Some(Lock { file, path: path.to_owned() }));
            }
        }
    }

    /// The locked file. A process that inherits its descriptor holds the lock as well.
    pub fn as_file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Leaves the lock to a process that has inherited [`Lock::as_file`].
    pub fn leave(self) {
        // Unlike dropping, this must not remove the file: it is still locked. The descriptor is closed when this process ends
        // or executes another program.
        std::mem::forget(self);
    }

    /// Gives the locked file another name, and with it its life beyond the lock.
    pub(crate) fn rename(mut self, name: &Path) -> io::Result<()> {
        rustix::fs::rename(&self.path, name)?;
        // From here on the old name is somebody else's.
        self.path.clear();
        Ok(())
    }

    /// Takes over a lock that another process took and left.
    pub(super) fn adopt(file: OwnedFd, path: PathBuf) -> Lock {
        Lock { file, path }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Removed while it is held, so that nobody locks a file that is about to lose its name without noticing.
        if !self.path.as_os_str().is_empty() {
            let _ = rustix::fs::unlink(&self.path);
        }
    }
}
