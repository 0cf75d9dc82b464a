//! What `glowplug profile` does without running a program: compares two profiles, shows one again, reads a log of `-X importtime`.

use super::outputs::{self, Outputs, WriteError};
use crate::{exit, explain};
use clap::Parser;
use glowplug_profile::importtime::{self, LogError};
use glowplug_profile::model::{Profile, ReadError};
use glowplug_profile::{diff, html};
use std::ffi::{CStr, OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Compares two profiles.
#[derive(Debug, Parser)]
#[command(
    name = "glowplug profile diff",
    bin_name = "glowplug profile diff",
    max_term_width = 100,
    after_help = "A and B are files that `glowplug profile --json` wrote, or logs of `python -X importtime`."
)]
struct Diff {
    /// The profile before
    a: PathBuf,
    /// The profile after
    b: PathBuf,
    /// Write a page that shows everything and needs nothing else; `-` is standard output
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// How many modules to list
    #[arg(long, value_name = "N", default_value_t = 30)]
    limit: usize,
}

/// Shows what was measured before.
#[derive(Debug, Parser)]
#[command(name = "glowplug profile", bin_name = "glowplug profile", max_term_width = 100)]
struct Again {
    /// Show a profile that `--json` wrote
    #[arg(long, value_name = "FILE", required_unless_present = "from_importtime")]
    from: Option<PathBuf>,
    /// Show a log of `python -X importtime`
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    from_importtime: Option<PathBuf>,
    #[command(flatten)]
    outputs: Outputs,
}

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}: {source}", path.display())]
    Profile { path: PathBuf, source: ReadError },
    #[error("{}: {source}", path.display())]
    Log { path: PathBuf, source: LogError },
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// How a profile is shown in the terminal.
pub type Show = fn(&Profile) -> String;

/// Does what the arguments behind `glowplug profile` ask for, where that needs no run; `None` where it does.
pub fn run(arguments: &[&CStr], show: Show) -> Option<u8> {
    let words = || arguments.iter().map(|word| OsStr::from_bytes(word.to_bytes()).to_owned());
    let name = OsString::from("glowplug profile");
    let result = match arguments {
        [first, ..] if first.to_bytes() == b"diff" => match Diff::try_parse_from(words()) {
            Ok(options) => compare(&options),
            Err(message) => return Some(misused(&message)),
        },
        _ if asks_for_saved(arguments) => {
            match Again::try_parse_from([name].into_iter().chain(words())) {
                Ok(options) => again(&options, show),
                Err(message) => return Some(misused(&message)),
            }
        }
        _ => return None,
    };
    Some(result.map_or_else(
        |failure| {
            explain::error(failure);
            exit::PROFILE
        },
        |()| 0,
    ))
}

/// To standard output for `--help`, to standard error otherwise; neither being open is no reason to panic.
fn misused(message: &clap::Error) -> u8 {
    let _ = message.print();
    if message.use_stderr() { exit::USAGE } else { 0 }
}

/// Whether `--from` or `--from-importtime` stands before the first word that is neither an option nor a file to write.
fn asks_for_saved(arguments: &[&CStr]) -> bool {
    let mut words = arguments.iter().map(|word| word.to_bytes());
    while let Some(word) = words.next().filter(|word| word.starts_with(b"--")) {
        let option = word.split(|&byte| byte == b'=').next().unwrap_or(word);
        if option == b"--from" || option == b"--from-importtime" {
            return true;
        }
        let takes_file = Outputs::OPTIONS.iter().any(|known| known.as_bytes() == word);
        if word == b"--" || (takes_file && words.next().is_none()) {
            return false;
        }
    }
    false
}

fn compare(options: &Diff) -> Result<(), Failure> {
    let difference = diff::compare(&either(&options.a)?, &either(&options.b)?);
    if options.html.as_deref() != Some(Path::new("-")) {
        outputs::write(Some(Path::new("-")), || diff::render_text(&difference, options.limit))?;
    }
    Ok(outputs::write(options.html.as_deref(), || html::render_diff(&difference))?)
}

fn again(options: &Again, show: Show) -> Result<(), Failure> {
    let profile = match (&options.from, &options.from_importtime) {
        (Some(path), _) => saved(path, &read(path)?)?,
        (None, Some(path)) => logged(path, &read(path)?)?,
        (None, None) => unreachable!("clap demands one of them"),
    };
    if options.outputs.is_empty() {
        outputs::write(Some(Path::new("-")), || show(&profile))?;
    }
    Ok(options.outputs.write(&profile)?)
}

/// A profile or a log: JSON begins with a brace.
fn either(path: &Path) -> Result<Profile, Failure> {
    let text = read(path)?;
    if text.trim_ascii_start().starts_with(b"{") { saved(path, &text) } else { logged(path, &text) }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|source| Failure::Read { path: path.to_owned(), source })
}

fn saved(path: &Path, text: &[u8]) -> Result<Profile, Failure> {
    Profile::from_json(&String::from_utf8_lossy(text))
        .map_err(|source| Failure::Profile { path: path.to_owned(), source })
}

fn logged(path: &Path, text: &[u8]) -> Result<Profile, Failure> {
    importtime::read(text, &path.display().to_string())
        .map_err(|source| Failure::Log { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::asks_for_saved;

    #[test]
    fn a_saved_profile_is_asked_for_before_the_program_alone() {
        assert!(asks_for_saved(&[c"--from", c"x.json"]));
        assert!(asks_for_saved(&[c"--html", c"p.html", c"--from-importtime=log"]));
        assert!(!asks_for_saved(&[c"app.py", c"--from", c"x"]));
        assert!(!asks_for_saved(&[c"--html", c"p.html", c"app.py", c"--from", c"x"]));
        assert!(!asks_for_saved(&[c"--", c"--from", c"x"]));
        assert!(!asks_for_saved(&[]));
    }
}
