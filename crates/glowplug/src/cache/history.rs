//! What became of an image since it was made: how often it was thawed, and when its renewal was tried.
//!
//! Both stand in small files beside the image, which itself is never written to. They are about the image of that name: a new one
//! removes them. Where they cannot be written, in a cache that is read-only or full, images are used all the same.

use super::{Cache, IMAGES, image_stem};
use crate::key::Digest;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::process::Resource;
use std::io;
use std::time::{Duration, SystemTime};

/// How the names of the two files end.
const THAWS: &str = ".thaws";
const TRIAL: &str = ".renewal";

/// Most thaws that are counted, so that the file stays small where images are never renewed.
const MOST_THAWS: u64 = 1 << 20;

/// Most thaws that are counted at once.
const MOST_AT_ONCE: usize = 128;

/// The history of the image of one key and one set of values.
#[derive(Debug)]
pub struct History<'c> {
    cache: &'c Cache,
    stem: String,
}

/// The image's name without its ending, for the name of a file of its history; `None` for other files.
pub(super) fn stem_of(name: &str) -> Option<&str> {
    name.strip_suffix(THAWS).or_else(|| name.strip_suffix(TRIAL))
}

impl Cache {
    /// The history of the image of `key` for these values.
    pub fn history(&self, key: &Digest, values: &Digest) -> History<'_> {
        History { cache: self, stem: format!("{IMAGES}/{}", image_stem(key, values)) }
    }
}

impl History<'_> {
    /// Adds thaws and returns how many there are now; `None` where that cannot be noted.
    ///
    /// The length of the file is the number. Processes that append side by side all count.
    pub fn add_thaws(&self, count: usize) -> Option<u64> {
        // A process that makes a file longer than it may is killed.
        let limit = rustix::process::getrlimit(Resource::Fsize).current;
        if limit.is_some_and(|limit| limit <= MOST_THAWS + MOST_AT_ONCE as u64) {
            return None;
        }
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE;
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let mode = Mode::RUSR | Mode::WUSR;
        let file = rustix::fs::openat(&self.cache.root, self.name(THAWS), flags, mode).ok()?;
        let before = u64::try_from(rustix::fs::fstat(&file).ok()?.st_size).ok()?;
        if before >= MOST_THAWS {
            return Some(before);
        }
        let marks = [b'.'; MOST_AT_ONCE];
        let written = rustix::io::write(&file, &marks[..count.min(MOST_AT_ONCE)]).ok()?;
        Some(before + written as u64)
    }

    /// How many thaws were counted.
    pub fn thaws(&self) -> u64 {
        let stat = self.cache.stat_file(&self.name(THAWS));
        stat.ok().and_then(|stat| u64::try_from(stat.st_size).ok()).unwrap_or(0)
    }

    /// When the renewal of this image was last tried.
    pub fn last_trial(&self) -> Option<SystemTime> {
        let stat = self.cache.stat_file(&self.name(TRIAL)).ok()?;
        Some(SystemTime::UNIX_EPOCH + Duration::from_nanos(crate::stamp::of(&stat).mtime_ns))
    }

    /// Notes that its renewal is tried now.
    ///
    /// # Errors
    /// Where the cache is full or read-only.
    pub fn note_trial(&self) -> io::Result<()> {
        self.cache.write(&self.name(TRIAL), b"")
    }

    /// Forgets everything, for a new image or none.
    pub fn forget(&self) {
        for ending in [THAWS, TRIAL] {
            let _ = rustix::fs::unlinkat(&self.cache.root, self.name(ending), AtFlags::empty());
        }
    }

    fn name(&self, ending: &str) -> String {
        format!("{}{ending}", self.stem)
    }
}
