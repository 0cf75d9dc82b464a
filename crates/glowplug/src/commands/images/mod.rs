//! `glowplug images`: lists, explains, checks and removes images.

mod list;
mod select;
mod show;
mod verify;

use crate::cache::{Cache, CacheError};
use crate::commandline::RunOptions;
use crate::settings::{ByteSize, Environment, Renewal, Settings};
use crate::start::working_directory;
use crate::{exit, explain};
use clap::{Args, Subcommand};
use std::io::Write;
use std::path::Path;

/// The arguments of `glowplug images`.
#[derive(Debug, Args)]
pub struct Images {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the images in the cache, and the programs that may not be frozen
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Explain an image: memory, inputs, needs
    Show {
        /// Beginning of its name in the list, or the path of an image file
        image: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// List every input
        #[arg(long)]
        inputs: bool,
    },
    /// Check that images are whole and that their inputs are unchanged
    Verify {
        /// Beginnings of names in the list, or paths of image files [default: all in the cache]
        images: Vec<String>,
    },
    /// Remove images from the cache
    Remove {
        /// Beginnings of their names in the list
        #[arg(required_unless_present = "all")]
        images: Vec<String>,
        /// Remove all
        #[arg(long, conflicts_with = "images")]
        all: bool,
    },
    /// Remove what no start will use: images of other builds, damaged ones, and what was left unfinished
    Prune,
}

/// Why a subcommand failed, and with which exit status.
#[derive(Debug)]
struct Failure {
    message: String,
    status: u8,
}

impl Failure {
    fn usage(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), status: exit::USAGE }
    }

    fn image(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), status: exit::IMAGE }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        Failure::image(error.to_string())
    }
}

/// Runs the command and returns the exit status.
pub fn run(images: &Images, environment: &Environment) -> u8 {
    let result = open_cache(environment).and_then(|(cache, limits)| match &images.action {
        Action::List { json } => list::list(cache.as_ref(), *json),
        Action::Show { image, json, inputs } => {
            show::show(cache.as_ref(), limits, image, *json, *inputs)
        }
        Action::Verify { images } => verify::verify(cache.as_ref(), images),
        Action::Remove { images, .. } => remove(cache.as_ref(), images),
        Action::Prune => prune(cache.as_ref()),
    });
    match result {
        Ok(()) => 0,
        Err(failure) => {
            explain::error(failure.message);
            failure.status
        }
    }
}

/// The cache of the settings that hold here, `None` where there is none yet, and when its images are made anew.
fn open_cache(environment: &Environment) -> Result<(Option<Cache>, Renewal), Failure> {
    let folder = working_directory();
    let folder = folder.as_deref().unwrap_or(Path::new("/"));
    let settings = Settings::load(&RunOptions::default(), environment, folder)
        .map_err(|error| Failure::usage(error.to_string()))?;
    let folder = settings.cache_dir.ok_or(CacheError::NoFolder);
    match folder.and_then(|folder| Cache::open(&folder)) {
        Ok(cache) => Ok((Some(cache), settings.renewal)),
        Err(CacheError::Missing) => Ok((None, settings.renewal)),
        Err(error) => Err(Failure::image(error.to_string())),
    }
}

fn remove(cache: Option<&Cache>, wanted: &[String]) -> Result<(), Failure> {
    let Some(cache) = cache else { return select::nothing_for(wanted) };
    let mut bytes = 0;
    let entries =
        if wanted.is_empty() { select::all(cache)? } else { select::some(cache, wanted)? };
    for entry in &entries {
        cache.remove(entry)?;
        bytes += entry.len;
    }
    print(&removed(entries.len() as u64, bytes))
}

fn prune(cache: Option<&Cache>) -> Result<(), Failure> {
    let pruned = cache.map(Cache::prune).transpose()?.unwrap_or_default();
    print(&removed(pruned.files, pruned.bytes))
}

fn removed(count: u64, bytes: u64) -> String {
    let noun = if count == 1 { "image" } else { "images" };
    format!("removed {count} {noun}, {}\n", ByteSize(bytes))
}

/// Writes to standard output; a reader that has gone away is no failure.
fn print(text: &str) -> Result<(), Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

/// A time in words: `3 h ago`. Times in the future, after a clock was set back, are `now`.
fn ago(then_ns: u64) -> String {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
    let now = since_1970.map_or(0, |since| since.as_secs());
    let seconds = now.saturating_sub(then_ns / 1_000_000_000);
    match seconds {
        0..60 => "now".to_owned(),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}
