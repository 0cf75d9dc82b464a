//! The folders that Glowplug writes to.

use super::{Check, Part};
use crate::cache::{Cache, CacheError};
use crate::settings::{ByteSize, Settings};
use glowplug_linux::attempts;
use std::io;
use std::path::{Path, PathBuf};

/// What the names of files that are made to try something begin with.
pub const PREFIX: &str = ".glowplug-doctor-";

/// Less free space than this holds few images of usual size, bytes.
const LITTLE_SPACE: u64 = 256 << 20;

/// Where images are kept.
pub struct Place {
    /// The cache, or why there is none.
    cache: Result<Cache, CacheError>,
    /// How much it may take.
    limit: ByteSize,
    /// What of it exists: the cache itself, or the nearest folder above it.
    existing: Option<PathBuf>,
}

impl Place {
    /// The place that the settings name. Nothing is made.
    pub fn of(settings: &Settings) -> Place {
        let folder = settings.cache_dir.as_deref();
        let existing = folder.and_then(|folder| folder.ancestors().find(|above| above.is_dir()));
        Place {
            cache: folder.ok_or(CacheError::NoFolder).and_then(Cache::open),
            limit: settings.cache_size,
            existing: existing.map(Path::to_owned),
        }
    }

    /// The checks of the cache.
    pub fn checks(&self) -> Vec<Check> {
        let mut checks = vec![self.cache().affecting(&[Part::Run, Part::Freeze])];
        checks.extend(self.execution());
        checks
    }

    fn cache(&self) -> Check {
        let plainly = "programs start plainly: there is no place for images";
        let folder = match (&self.cache, &self.existing) {
            (Ok(_), Some(folder)) | (Err(CacheError::Missing), Some(folder)) => folder,
            (Err(error), _) => {
                return Check::fails("cache", error.to_string())
                    .so(plainly)
                    .help("set GLOWPLUG_CACHE_DIR to a folder of your own");
            }
            (Ok(_), None) => return Check::fails("cache", "it has just been removed").so(plainly),
        };
        let images = self.images();
        if let Err(error) = try_file(folder) {
            let found = format!("{}: {error}", folder.display());
            let help = "set GLOWPLUG_CACHE_DIR to a folder that can be written to";
            return if images > 0 {
                let so = format!("the {images} images there are used, others are not made");
                Check::limited("cache", found).so(so).help(help)
            } else {
                Check::fails("cache", found).so(plainly).help(help)
            };
        }
        let space = rustix::fs::statvfs(folder)
            .map_or(u64::MAX, |stat| stat.f_bavail.saturating_mul(stat.f_frsize));
        let made = if self.cache.is_ok() { "" } else { "to be made below " };
        let found = format!(
            "{made}{}; {images} images, limit {}, free {}",
            folder.display(),
            self.limit,
            ByteSize(space)
        );
        if space < LITTLE_SPACE {
            return Check::limited("cache", found)
                .so("images that do not fit are not made")
                .help("free some space, or set GLOWPLUG_CACHE_DIR");
        }
        Check::works("cache", found)
    }

    fn images(&self) -> usize {
        let entries = self.cache.as_ref().ok().and_then(|cache| cache.entries().ok());
        entries.map_or(0, |entries| entries.len())
    }

    /// Whether what lies there can be mapped executable.
    fn execution(&self) -> Option<Check> {
        // Where no file can be made, that is said already.
        let file = try_file(self.existing.as_deref()?).ok()?;
        Some(match attempts::map_executable(file.as_file()) {
            Ok(()) => Check::works("cache code", "files there can be mapped executable"),
            Err(error) => Check::fails("cache code", format!("mounted noexec? {error}"))
                .so("programs start plainly: images cannot be mapped")
                .help("set GLOWPLUG_CACHE_DIR to a folder on a file system without noexec"),
        })
        .map(|check| check.affecting(&[Part::Run]))
    }

    /// Where a program is frozen for a trial: beside the real images if that is possible.
    pub fn for_trial(&self) -> PathBuf {
        let usable = self.existing.clone().filter(|folder| try_file(folder).is_ok());
        usable.unwrap_or_else(std::env::temp_dir)
    }
}

fn try_file(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new().prefix(PREFIX).tempfile_in(folder)
}

/// The check of the folder for temporary files.
pub fn temporary() -> Check {
    let folder = std::env::temp_dir();
    let check = match try_file(&folder) {
        Ok(_) => Check::works("temporary files", folder.display().to_string()),
        Err(error) => Check::fails("temporary files", error.to_string())
            .so("nothing can be profiled")
            .help("set TMPDIR to a folder that can be written to"),
    };
    check.affecting(&[Part::Profile])
}
