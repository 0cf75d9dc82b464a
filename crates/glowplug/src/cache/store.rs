//! Adding and removing images, within the limit that the cache has.

use super::history;
use super::lock::Lock;
use super::{Cache, FOLDERS, IMAGES, OpenImage, UNFINISHED, Unusable, image_name};
use crate::key::{BUILD, Digest};
use crate::settings::ByteSize;
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::{fs, io};

/// Held while images are added or removed, so that two freezers do not both take the last free room.
const STORE_LOCK: &str = "store.lock";

/// Why an image was not added.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It alone exceeds the limit of the cache.
    #[error("the image takes {needed}, the cache may take {limit}; raise `cache-size`")]
    TooLarge {
        /// What it takes.
        needed: ByteSize,
        /// What there may be.
        limit: ByteSize,
    },
    /// Images that are being made leave too little room.
    #[error("the image takes {needed}, and other images in the making leave {left} of the cache")]
    NoRoom {
        /// What it takes.
        needed: ByteSize,
        /// What is left.
        left: ByteSize,
    },
    /// The disk or the folder does not allow it.
    #[error("the cache cannot be written: {0}")]
    Io(#[from] io::Error),
}

impl From<Errno> for StoreError {
    fn from(error: Errno) -> StoreError {
        StoreError::Io(error.into())
    }
}

/// A file among the images.
#[derive(Debug)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Length in bytes.
    pub len: u64,
    /// When it was last used, nanoseconds since 1970.
    pub last_used_ns: u64,
}

impl Entry {
    /// The key and values that the name of an image consists of; `None` for other files.
    pub fn digests(&self) -> Option<(Digest, Digest)> {
        let (key, values) = self.name.strip_suffix(".image")?.split_once('-')?;
        Some((Digest::from_hex(key)?, Digest::from_hex(values)?))
    }

    fn is_unfinished(&self) -> bool {
        self.name.starts_with(UNFINISHED)
    }
}

/// What was removed from the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Number of files.
    pub files: u64,
    /// Their length in bytes.
    pub bytes: u64,
}

impl Pruned {
    fn add(&mut self, entry: &Entry) {
        self.files += 1;
        self.bytes += entry.len;
    }
}

/// An image in the making. Unless it is published it is removed when this is dropped; where even that does not happen, because
/// its process was killed, [`Cache::prune`] and the next new image remove it.
#[derive(Debug)]
pub struct NewImage<'c> {
    cache: &'c Cache,
    /// Locked as long as it is being written.
    file: OwnedFd,
    name: String,
    limit: ByteSize,
}

impl Cache {
    /// All files among the images, locks and selectors left out.
    ///
    /// # Errors
    /// Where the folder cannot be listed.
    pub fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        let folder = match fs::read_dir(self.path().join(IMAGES)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(entries),
            folder => folder?,
        };
        for name in folder {
            let Ok(name) = name?.file_name().into_string() else { continue };
            if !name.ends_with(".image") && !name.starts_with(UNFINISHED) {
                continue;
            }
            // It may vanish while we look: others evict as well.
            let Ok(stat) = self.stat_file(&format!("{IMAGES}/{name}")) else { continue };
            if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
                let stamp = crate::stamp::of(&stat);
                entries.push(Entry { name, len: stamp.size, last_used_ns: stamp.mtime_ns });
            }
        }
        Ok(entries)
    }

    /// Opens the image of an entry, whichever build made it.
    ///
    /// # Errors
    /// Where it may not be used.
    pub fn open_entry(&self, entry: &Entry) -> Result<OpenImage, Unusable> {
        let file = self
            .open_file(&format!("{IMAGES}/{}", entry.name))
            .map_err(|error| Unusable::opening(&error))?;
        OpenImage::check_of_any_build(file)
    }

    /// Begins an image of `len` bytes and makes room for it: the images that were not used for longest go first.
    ///
    /// # Errors
    /// Where there is no room below `limit`, or the cache cannot be written.
    pub fn begin(&self, len: u64, limit: ByteSize) -> Result<NewImage<'_>, StoreError> {
        let _lock = self.store_lock()?;
        self.make_room(len, limit, None)?;
        let name = format!("{IMAGES}/{UNFINISHED}{}", self.unused_suffix());
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.root, &name, flags, Mode::RUSR | Mode::WUSR)?;
        let image = NewImage { cache: self, file, name, limit };
        rustix::fs::flock(&image.file, FlockOperation::NonBlockingLockExclusive)?;
        // Its length is what counts against the limit, so it has it from the start.
        rustix::fs::ftruncate(&image.file, len)?;
        Ok(image)
    }

    /// Removes an image.
    ///
    /// # Errors
    /// Where the cache is read-only.
    pub fn remove(&self, entry: &Entry) -> io::Result<()> {
        rustix::fs::unlinkat(&self.root, format!("{IMAGES}/{}", entry.name), AtFlags::empty())?;
        self.remove_companions()
    }

    /// Removes what no start will use: images of other builds, images that may not be used, and what freezers that died left.
    ///
    /// # Errors
    /// Where the cache cannot be listed or written.
    pub fn prune(&self) -> io::Result<Pruned> {
        let mut pruned = Pruned::default();
        let _lock = self.store_lock()?;
        for entry in self.entries()? {
            let useless = if entry.is_unfinished() {
                self.is_abandoned(&entry)
            } else {
                !self.is_usable(&entry)
            };
            if useless {
                self.unlink(&entry)?;
                pruned.add(&entry);
            }
        }
        self.remove_companions()?;
        self.remove_free_locks()?;
        self.remove_unfinished()?;
        Ok(pruned)
    }

    fn store_lock(&self) -> io::Result<Lock> {
        Lock::wait(&self.path().join(IMAGES).join(STORE_LOCK))
    }

    /// Removes images until `len` more bytes fit below `limit`. The store lock is held.
    fn make_room(&self, len: u64, limit: ByteSize, except: Option<&str>) -> Result<(), StoreError> {
        if len > limit.0 {
            return Err(StoreError::TooLarge { needed: ByteSize(len), limit });
        }
        let mut entries = self.entries()?;
        entries.retain(|entry| except != Some(&entry.name));
        let (abandoned, mut entries): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| self.is_abandoned(entry));
        for entry in &abandoned {
            self.unlink(entry)?;
        }
        entries.sort_by_key(|entry| (entry.is_unfinished(), entry.last_used_ns));
        let mut taken: u64 = entries.iter().map(|entry| entry.len).sum();
        for entry in entries.iter().take_while(|entry| !entry.is_unfinished()) {
            if taken.saturating_add(len) <= limit.0 {
                break;
            }
            self.unlink(entry)?;
            taken -= entry.len;
        }
        if taken.saturating_add(len) > limit.0 {
            let left = ByteSize(limit.0.saturating_sub(taken));
            return Err(StoreError::NoRoom { needed: ByteSize(len), left });
        }
        Ok(())
    }

    /// Whether an unfinished image's writer is gone. The store lock is held, so no writer is just about to lock its file.
    fn is_abandoned(&self, entry: &Entry) -> bool {
        entry.is_unfinished()
            && self.open_file(&format!("{IMAGES}/{}", entry.name)).is_ok_and(|file| {
                rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
            })
    }

    fn is_usable(&self, entry: &Entry) -> bool {
        self.open_entry(entry).is_ok_and(|image| {
            image.head().build == BUILD.0
                && entry.digests().is_some_and(|(key, _)| key.0 == image.head().key)
        })
    }

    fn unlink(&self, entry: &Entry) -> io::Result<()> {
        let name = format!("{IMAGES}/{}", entry.name);
        if let Some((key, values)) = entry.digests() {
            self.history(&key, &values).forget();
        }
        match rustix::fs::unlinkat(&self.root, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes the selectors and histories of images that are gone.
    fn remove_companions(&self) -> io::Result<()> {
        let entries = self.entries()?;
        let used = |stem: &str| entries.iter().any(|entry| entry.name.starts_with(stem));
        self.remove_files(|name| {
            let stem = name.strip_suffix(".selector").or_else(|| history::stem_of(name));
            stem.is_some_and(|stem| !used(stem))
        })
    }

    /// Removes what killed processes left of small files.
    fn remove_unfinished(&self) -> io::Result<()> {
        for folder in FOLDERS.map(|folder| self.path().join(folder)).iter().filter(|f| f.is_dir()) {
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                if entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes()) {
                    // Taking a lock and dropping it removes its file.
                    drop(Lock::take(&entry.path()));
                }
            }
        }
        Ok(())
    }

    fn remove_free_locks(&self) -> io::Result<()> {
        self.remove_files(|name| {
            let Some(key) = name.strip_suffix(".lock").and_then(Digest::from_hex) else {
                return false;
            };
            // Taking a lock and dropping it removes its file.
            drop(self.lock(&key));
            false
        })
    }

    fn remove_files(&self, mut condition: impl FnMut(&str) -> bool) -> io::Result<()> {
        for entry in fs::read_dir(self.path().join(IMAGES))? {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(&mut condition) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// A suffix that no unfinished image has.
    fn unused_suffix(&self) -> String {
        let pid = std::process::id();
        (0u32..)
            .map(|n| format!("{pid}-{n}"))
            .find(|suffix| self.stat_file(&format!("{IMAGES}/{UNFINISHED}{suffix}")).is_err())
            .unwrap_or_default()
    }
}

impl NewImage<'_> {
    /// Gives the image another length, and makes room for it.
    ///
    /// # Errors
    /// As [`Cache::begin`].
    pub fn set_len(&self, len: u64) -> Result<(), StoreError> {
        let _lock = self.cache.store_lock()?;
        self.cache.make_room(len, self.limit, Some(self.file_name()))?;
        Ok(rustix::fs::ftruncate(&self.file, len)?)
    }

    /// Makes the image the one of `key` and these values, in place of an older one. It is complete on disk before it has its
    /// name. Write the selector afterwards: a selector without an image is swept away.
    ///
    /// # Errors
    /// Where the disk is full or fails.
    pub fn publish(mut self, key: &Digest, values: &Digest) -> Result<(), StoreError> {
        let lock = self.cache.store_lock()?;
        let len = u64::try_from(rustix::fs::fstat(&self.file)?.st_size).unwrap_or(u64::MAX);
        self.cache.make_room(len, self.limit, Some(self.file_name()))?;
        drop(lock);
        rustix::fs::fsync(&self.file)?;
        // Before the new image has its name, so that what it has been through is never counted for it. Thaws of the old one that are
        // counted meanwhile do no harm.
        self.cache.history(key, values).forget();
        let name = image_name(key, values);
        rustix::fs::renameat(&self.cache.root, &self.name, &self.cache.root, &name)?;
        // From here on there is nothing to remove.
        self.name.clear();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(&self.cache.root, IMAGES, flags, Mode::empty())?;
        Ok(rustix::fs::fsync(folder)?)
    }

    /// The path under which it can be opened until it is published.
    pub fn path(&self) -> std::path::PathBuf {
        self.cache.path().join(&self.name)
    }

    fn file_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }
}

impl AsFd for NewImage<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for NewImage<'_> {
    fn drop(&mut self) {
        if !OsStr::new(&self.name).is_empty() {
            let _ = rustix::fs::unlinkat(&self.cache.root, &self.name, AtFlags::empty());
        }
    }
}
