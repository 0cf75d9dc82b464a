//! The inputs of an image: what the imports read, and whether it is still the same.
//!
//! [`observe`] takes in what a freezer saw, [`build`] turns it into the tables of an image, and [`check`] compares them with the
//! machine at each start. docs/inputs.md says which things are inputs and why.

use std::io;
use std::path::{Path, PathBuf};

mod build;
mod bytecode;
mod check;
mod contents;
mod names;
mod observe;
mod pseudo;
mod stamp;
mod tables;
mod watch;

pub use build::{build, build_refusal};
pub use check::{Caches, check, check_contents, paths, programs};
pub use observe::{Deed, OWN, Observed, Op, Record, STARTING, Seen};
pub use pseudo::is_unrepeatable;
pub use tables::{Note, Tables};
pub use watch::Watch;

/// Why no image can be made from what a freezer saw.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// A file or directory changed while the image was made, or so shortly before that a further change would not show.
    #[error("{} changed while the program was being frozen", .0.display())]
    Racy(PathBuf),
    /// The imports found it, and now it is gone.
    #[error("{} vanished while the program was being frozen", .0.display())]
    Vanished(PathBuf),
    /// The imports did not find it, and now it is there.
    #[error("{} appeared while the program was being frozen", .0.display())]
    Appeared(PathBuf),
    /// The imports both read and wrote it: each start may find something else.
    #[error("{} is both read and written by the program's imports", .0.display())]
    ReadAndWritten(PathBuf),
    /// The imports opened a device: its state is not in the process's memory.
    #[error("the program's imports opened the device {}", .0.display())]
    Device(PathBuf),
    /// The imports read about another process.
    #[error("the program's imports read {}, which belongs to another process", .0.display())]
    OtherProcess(PathBuf),
    /// It cannot be asked for.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// What was asked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The recorder had no room for all that happened.
    #[error("the program's imports touched more files than the recorder can note")]
    Overflow,
    /// The recorder's file has entries that make no sense.
    #[error("the record of the program's imports is damaged")]
    Damaged,
    /// The tables would not fit their 32-bit offsets.
    #[error("the program's imports read too many files")]
    TooMany,
}

impl InputError {
    /// Whether the next freeze may well succeed without anybody changing anything.
    ///
    /// `Racy`, `Vanished` and `Appeared` are of the moment; the others call for a refusal, whose inputs are
    /// made by [`build_refusal`].
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Racy(_) | Self::Vanished(_) | Self::Appeared(_))
    }
}

/// Why an image may not be used: the first input found that is not what it was.
#[derive(Debug, thiserror::Error)]
pub enum Changed {
    /// A file's stamp differs.
    #[error("inputs changed: {}", .0.display())]
    File(PathBuf),
    /// A file or directory is gone.
    #[error("inputs changed: {} is gone", .0.display())]
    Vanished(PathBuf),
    /// A path that was absent is there.
    #[error("inputs changed: {} appeared", .0.display())]
    Appeared(PathBuf),
    /// Names that matter were added to or removed from a directory.
    #[error("inputs changed: names in {}", .0.display())]
    Directory(PathBuf),
    /// The leading imports of the program, or a pseudo file that counts by its contents, differ.
    #[error("inputs changed: contents of {}", .0.display())]
    Contents(PathBuf),
    /// An input cannot be asked for.
    #[error("inputs changed: cannot read {}: {source}", path.display())]
    Unreadable {
        /// What was asked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The tables contradict themselves.
    #[error("the image's inputs are damaged: {0}")]
    Damaged(&'static str),
}

impl Changed {
    /// What changed; `None` where the image itself is damaged.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path)
            | Self::Vanished(path)
            | Self::Appeared(path)
            | Self::Directory(path)
            | Self::Contents(path)
            | Self::Unreadable { path, .. } => Some(path),
            Self::Damaged(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
