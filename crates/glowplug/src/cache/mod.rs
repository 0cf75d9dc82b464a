//! The cache: a private folder of images and of what else need not be found out twice.

mod history;
mod image;
mod lock;
mod servers;
mod store;
#[cfg(test)]
mod tests;

pub use history::History;
pub use image::{OpenImage, Unusable};
pub use lock::Lock;
pub use store::{Entry, NewImage, Pruned, StoreError};

use crate::key::Digest;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// The folder of the images, relative to the cache.
const IMAGES: &str = "images";
/// What the names of unfinished files begin with.
const UNFINISHED: &str = ".new-";
/// The subfolders of the cache.
const FOLDERS: [&str; 4] = [IMAGES, "interpreters", "settings", servers::FOLDER];
/// Permission bits of others than the owner.
const OTHERS: u32 = 0o077;

/// An open cache folder that belongs to the user alone.
#[derive(Debug)]
pub struct Cache {
    root: OwnedFd,
    path: PathBuf,
}

/// Why a cache folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// There is none yet.
    #[error("there is no cache yet")]
    Missing,
    /// Neither a setting nor a home folder says where it is.
    #[error("no folder for the cache: set GLOWPLUG_CACHE_DIR or HOME")]
    NoFolder,
    /// Something failed.
    #[error("cannot {action} the cache folder {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The folder.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// It is something else.
    #[error("the cache folder {} is not a folder", path.display())]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// It belongs to somebody else.
    #[error("the cache folder {} belongs to user {owner}", path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// Others may enter it.
    #[error("the cache folder {} is open to others (mode {mode:03o}); run `chmod 700` on it", path.display())]
    Exposed {
        /// The folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

impl Cache {
    /// Opens the cache at `path`.
    ///
    /// # Errors
    /// [`CacheError::Missing`] where there is none yet; other errors where it must not be used.
    pub fn open(path: &Path) -> Result<Cache, CacheError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| match error {
            Errno::NOENT => CacheError::Missing,
            Errno::NOTDIR => CacheError::NotAFolder { path: path.to_owned() },
            error => CacheError::io("open", path, error),
        })?;
        let stat = rustix::fs::fstat(&root).map_err(|e| CacheError::io("inspect", path, e))?;
        if stat.st_uid != rustix::process::geteuid().as_raw() {
            return Err(CacheError::Foreign { path: path.to_owned(), owner: stat.st_uid });
        }
        if stat.st_mode & OTHERS != 0 {
            return Err(CacheError::Exposed { path: path.to_owned(), mode: stat.st_mode & 0o777 });
        }
        Ok(Cache { root, path: path.to_owned() })
    }

    /// Opens the cache at `path` and makes it where it is missing, for the user alone.
    ///
    /// # Errors
    /// As [`Cache::open`], and where a folder cannot be made.
    pub fn create(path: &Path) -> Result<Cache, CacheError> {
        let cache = match Cache::open(path) {
            Err(CacheError::Missing) => {
                make_private_folders(path).map_err(|e| CacheError::io("make", path, e))?;
                Cache::open(path)?
            }
            opened => opened?,
        };
        for folder in FOLDERS {
            match rustix::fs::mkdirat(&cache.root, folder, Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(CacheError::io("fill", path, error)),
            }
        }
        Ok(cache)
    }

    /// Where the cache lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads a small file of the cache whole.
    ///
    /// # Errors
    /// Where it cannot be read, is not the user's own, or others may write to it.
    pub fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let file = self.open_file(name)?;
        let stat = rustix::fs::fstat(&file)?;
        if !is_private(&stat) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let mut bytes = vec![0; usize::try_from(stat.st_size).unwrap_or(0)];
        let read = rustix::io::pread(&file, &mut bytes[..], 0)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// Writes a small file of the cache: whole or not at all.
    ///
    /// # Errors
    /// Where the cache is full or read-only.
    pub fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let target = self.path.join(name);
        let unfinished = unfinished(&target)?;
        let file = unfinished.as_file();
        rustix::fs::ftruncate(file, 0)?;
        io::Write::write_all(&mut File::from(file.try_clone_to_owned()?), bytes)?;
        unfinished.rename(&target)
    }

    /// The names of the environment variables that the imports of `key` read; `None` where there is no image of it.
    pub fn selector(&self, key: &Digest) -> Option<Selector> {
        self.read(&format!("{IMAGES}/{key}.selector")).ok().map(Selector)
    }

    /// Writes the selector of `key`.
    ///
    /// # Errors
    /// Where the cache is full or read-only.
    pub fn write_selector<'n>(
        &self,
        key: &Digest,
        names: impl IntoIterator<Item = &'n [u8]>,
    ) -> io::Result<()> {
        self.write(&format!("{IMAGES}/{key}.selector"), &Selector::of(names).0)
    }

    /// Opens the image of `key` for these values of its variables.
    ///
    /// # Errors
    /// Where there is none, or none that may be used.
    pub fn open_image(&self, key: &Digest, values: &Digest) -> Result<OpenImage, Unusable> {
        let file =
            self.open_file(&image_name(key, values)).map_err(|error| Unusable::opening(&error))?;
        let image = OpenImage::check(file)?;
        if image.head().key != key.0 {
            return Err(Unusable::OtherKey);
        }
        Ok(image)
    }

    /// Takes the lock of `key`, which its one freezer holds; `None` where another process holds it.
    ///
    /// # Errors
    /// Where the cache is full or read-only.
    pub fn lock(&self, key: &Digest) -> io::Result<Option<Lock>> {
        Lock::take(&self.lock_path(key))
    }

    fn lock_path(&self, key: &Digest) -> PathBuf {
        self.path.join(format!("{IMAGES}/{key}.lock"))
    }

    /// Takes the lock of `key`, waiting for its holder.
    ///
    /// # Errors
    /// As [`Cache::lock`].
    pub fn wait_for_lock(&self, key: &Digest) -> io::Result<Lock> {
        Lock::wait(&self.lock_path(key))
    }

    /// Takes over the lock of `key` that another process took, handed on by its descriptor and left.
    pub fn adopt_lock(&self, key: &Digest, file: OwnedFd) -> Lock {
        Lock::adopt(file, self.lock_path(key))
    }

    fn open_file(&self, name: &str) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        Ok(rustix::fs::openat(&self.root, name, flags, Mode::empty())?)
    }

    fn stat_file(&self, name: &str) -> io::Result<Stat> {
        Ok(rustix::fs::statat(&self.root, name, AtFlags::SYMLINK_NOFOLLOW)?)
    }
}

/// The names of the environment variables that the imports of a key read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector(Vec<u8>);

impl Selector {
    /// A selector of these names. Names of the key's own variables need not be in it.
    pub fn of<'n>(names: impl IntoIterator<Item = &'n [u8]>) -> Selector {
        let mut bytes = Vec::new();
        for name in names {
            bytes.extend_from_slice(name);
            bytes.push(0);
        }
        Selector(bytes)
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|&b| b == 0).filter(|name| !name.is_empty())
    }
}

impl CacheError {
    fn io(action: &'static str, path: &Path, error: impl Into<io::Error>) -> CacheError {
        CacheError::Io { action, path: path.to_owned(), source: error.into() }
    }
}

fn image_name(key: &Digest, values: &Digest) -> String {
    format!("{IMAGES}/{}.image", image_stem(key, values))
}

/// What the names of an image and of its history begin with.
fn image_stem(key: &Digest, values: &Digest) -> String {
    format!("{key}-{values}")
}

/// Whether a file is regular, the user's own, closed to others, and has no second name.
fn is_private(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
        && stat.st_uid == rustix::process::geteuid().as_raw()
        && stat.st_mode & OTHERS == 0
        && stat.st_nlink == 1
}

/// The file in which what is to become `target` is written. Its name is always the same, so that what a killed process left of it is
/// taken up by the next one; the lock keeps two from writing at once.
fn unfinished(target: &Path) -> io::Result<Lock> {
    let name =
        target.file_name().and_then(|name| name.to_str()).ok_or(io::ErrorKind::InvalidInput)?;
    Lock::wait(&target.with_file_name(format!("{UNFINISHED}{name}")))
}

fn make_private_folders(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}
