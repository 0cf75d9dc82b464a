//! The command line of `glowplug run`: Glowplug's own options, and what python would make of the rest.

mod getopt;
mod obstacle;
#[cfg(test)]
mod tests;

pub use obstacle::Obstacle;

use crate::settings::Via;
use getopt::{Getopt, Item};
use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Glowplug's own options, as far as they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunOptions<'a> {
    /// `--python`: the interpreter to use.
    pub python: Option<&'a OsStr>,
    /// `--via`: the way to start.
    pub via: Option<Via>,
    /// `--explain`: say which way was taken and why.
    pub explain: bool,
    /// `--sealed`: use an image without comparing its inputs.
    pub sealed: bool,
    /// `--set`: the preload set whose server starts the program.
    pub set: Option<&'a str>,
    /// `--shared`: the image is for any program of the preload set.
    pub shared: bool,
    /// `--preload`: module names, with a leading `-` those that are not to be preloaded.
    pub preload: Vec<&'a str>,
}

impl<'a> RunOptions<'a> {
    /// The preload set whose image is for any program.
    pub fn shared_set(&self) -> Option<&'a str> {
        self.set.filter(|_| self.shared)
    }
}

/// What python is asked to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// A script, or a folder or zip file with a `__main__.py`.
    Script(&'a Path),
    /// `-m`: a module by name.
    Module(&'a OsStr),
    /// `-c`: code.
    Command(&'a [u8]),
    /// `-`: code from standard input.
    Stdin,
    /// Nothing is named: an interactive session, or code from standard input.
    Interactive,
    /// Python only answers a question (`-V`, `-h`) or complains about its options.
    Answer,
}

/// A parsed command line of `glowplug run`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine<'a> {
    /// Glowplug's own options.
    pub options: RunOptions<'a>,
    /// Python's options as given, without the target and without what introduces it (`-m`, `-c`); a cluster that ends in `m` or
    /// `c` (`-Bm`) is held without that letter in `flags` only.
    pub python_options: Vec<&'a CStr>,
    /// Python's options, decoded: a letter, or [`LONG`] for a long one, and the argument.
    pub flags: Vec<Flag<'a>>,
    /// What to run.
    pub target: Target<'a>,
    /// Index of the target in python's argv, where python itself is number 0; the length of argv where there is no target.
    pub target_index: usize,
    /// Where the target begins within that argument, bytes: more than 0 for `-mmodule` and `-Bccode`.
    pub target_offset: usize,
    /// Python's arguments behind its own name: `python_argv[target_index - 1]` is the target.
    pub python_argv: Vec<&'a CStr>,
}

/// The letter of a long option in [`Flag`].
pub const LONG: u8 = b'-';

/// An option of python, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag<'a> {
    /// Its letter, or [`LONG`] for `--check-hash-based-pycs`.
    pub letter: u8,
    /// Its argument, empty where it takes none.
    pub argument: &'a [u8],
}

/// Why Glowplug's own options cannot be used. Python's are never judged here: python does that itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// An option that needs an argument stands last.
    #[error("`{0}` needs an argument")]
    MissingArgument(&'static str),
    /// `--explain=…`, `--sealed=…`.
    #[error("`{0}` takes no argument")]
    UnexpectedArgument(&'static str),
    /// An unknown way.
    #[error(
        "`{0}` is not a way to start a program; choose `auto`, `thaw`, `fork`, `pool` or `plain`"
    )]
    UnknownWay(String),
    /// An empty name, or none that is text.
    #[error("`{0}` is not the name of a preload set")]
    BadSet(String),
    /// Not a dotted name.
    #[error("`{0}` is not a module name; write `--preload package.module,-unwanted`")]
    BadModule(String),
}

/// Whether an argument holds a word anywhere.
pub fn holds(argument: &[u8], word: &[u8]) -> bool {
    argument.windows(word.len().max(1)).any(|window| window == word)
}

/// Parses the arguments behind `glowplug run`.
///
/// # Errors
/// Only for Glowplug's own options. What python would complain about becomes [`Target::Answer`].
pub fn parse<'a>(arguments: &[&'a CStr]) -> Result<CommandLine<'a>, UsageError> {
    let mut options = RunOptions::default();
    let mut python_argv = Vec::with_capacity(arguments.len());
    let mut flags = Vec::new();
    let mut rest = arguments;
    // Options: Glowplug's are taken out where a new argument begins, so that an argument of python's is never mistaken for one.
    let mut end = loop {
        match take_own(rest, &mut options)? {
            0 => {}
            taken => {
                rest = &rest[taken..];
                continue;
            }
        }
        let mut getopt = Getopt::new(rest);
        let end = read_argument(&mut getopt, &mut flags);
        python_argv.extend_from_slice(&rest[..getopt.consumed()]);
        rest = &rest[getopt.consumed()..];
        if let Some(end) = end {
            break end;
        }
    };
    let option_count = match end {
        End::Named { first, .. } => python_argv.len() - first,
        _ => python_argv.len(),
    };
    let python_options = python_argv[..option_count].to_vec();
    if let End::Options = end {
        end = positional(rest);
    }
    let argc = 1 + python_argv.len() + rest.len();
    let (target, target_index, target_offset) = match end {
        End::Named { target, offset, .. } => (target, python_argv.len(), offset),
        End::Positional(target) => (target, python_argv.len() + 1, 0),
        End::Answer | End::Options => (Target::Answer, argc, 0),
    };
    python_argv.extend_from_slice(rest);
    Ok(CommandLine {
        options,
        python_options,
        flags,
        target,
        target_index,
        target_offset,
        python_argv,
    })
}

/// How many arguments are Glowplug's own options, before the first that is not.
pub fn own_options(arguments: &[&CStr]) -> usize {
    let mut options = RunOptions::default();
    let mut taken = 0;
    while let Ok(more @ 1..) = take_own(&arguments[taken..], &mut options) {
        taken += more;
    }
    taken
}

/// How the options end.
enum End<'a> {
    /// `-c` or `-m`, which take up `first` arguments.
    Named { target: Target<'a>, offset: usize, first: usize },
    /// The next argument is none of an option.
    Options,
    /// What that argument means.
    Positional(Target<'a>),
    /// Python answers or complains.
    Answer,
}

/// Reads the options of one argument (a cluster has several); `None` where more options can follow.
fn read_argument<'a>(getopt: &mut Getopt<'_, 'a>, flags: &mut Vec<Flag<'a>>) -> Option<End<'a>> {
    loop {
        match getopt.next_option() {
            Item::End => return Some(End::Options),
            Item::Answer => return Some(End::Answer),
            Item::Short { letter: b'V' | b'h' | b'?', .. } => return Some(End::Answer),
            Item::Short { letter: letter @ (b'c' | b'm'), argument, offset } => {
                let target = if letter == b'c' {
                    Target::Command(argument)
                } else {
                    Target::Module(OsStr::from_bytes(argument))
                };
                let first = if offset == 0 { 2 } else { 1 };
                return Some(End::Named { target, offset, first });
            }
            Item::Short { letter, argument, .. } => flags.push(Flag { letter, argument }),
            Item::CheckHashBasedPycs(mode) => {
                flags.push(Flag { letter: LONG, argument: mode });
            }
        }
        if getopt.at_argument_start() {
            return None;
        }
    }
}

fn positional<'a>(rest: &[&'a CStr]) -> End<'a> {
    End::Positional(match rest.first() {
        None => Target::Interactive,
        Some(first) if first.to_bytes() == b"-" => Target::Stdin,
        Some(first) => Target::Script(Path::new(OsStr::from_bytes(first.to_bytes()))),
    })
}

/// Takes one of Glowplug's own options from the front; returns how many arguments it takes up, 0 where it is none of them.
fn take_own<'a>(rest: &[&'a CStr], options: &mut RunOptions<'a>) -> Result<usize, UsageError> {
    let Some(first) = rest.first().map(|first| first.to_bytes()) else { return Ok(0) };
    if !first.starts_with(b"--") {
        return Ok(0);
    }
    let (name, inline) = match first.iter().position(|&b| b == b'=') {
        Some(equals) => (&first[..equals], Some(&first[equals + 1..])),
        None => (first, None),
    };
    let value = |name: &'static str| match inline {
        Some(inline) => Ok((inline, 1)),
        None => {
            rest.get(1).map(|next| (next.to_bytes(), 2)).ok_or(UsageError::MissingArgument(name))
        }
    };
    match name {
        b"--explain" if inline.is_some() => Err(UsageError::UnexpectedArgument("--explain")),
        b"--sealed" if inline.is_some() => Err(UsageError::UnexpectedArgument("--sealed")),
        b"--shared" if inline.is_some() => Err(UsageError::UnexpectedArgument("--shared")),
        b"--shared" => {
            options.shared = true;
            Ok(1)
        }
        b"--sealed" => {
            options.sealed = true;
            Ok(1)
        }
        b"--explain" => {
            options.explain = true;
            Ok(1)
        }
        b"--python" => {
            let (path, taken) = value("--python")?;
            options.python = Some(OsStr::from_bytes(path));
            Ok(taken)
        }
        b"--via" => {
            let (way, taken) = value("--via")?;
            let known = std::str::from_utf8(way).ok().and_then(Via::from_name);
            options.via = Some(known.ok_or_else(|| {
                UsageError::UnknownWay(String::from_utf8_lossy(way).into_owned())
            })?);
            Ok(taken)
        }
        b"--set" => {
            let (name, taken) = value("--set")?;
            options.set = Some(set_name(name)?);
            Ok(taken)
        }
        b"--preload" => {
            let (modules, taken) = value("--preload")?;
            for module in modules.split(|&b| b == b',').filter(|module| !module.is_empty()) {
                options.preload.push(module_name(module)?);
            }
            Ok(taken)
        }
        _ => Ok(0),
    }
}

/// The name of a preload set.
fn set_name(bytes: &[u8]) -> Result<&str, UsageError> {
    let name = std::str::from_utf8(bytes).ok().filter(|name| !name.is_empty());
    name.ok_or_else(|| UsageError::BadSet(String::from_utf8_lossy(bytes).into_owned()))
}

/// A dotted module name, with or without a leading `-`.
fn module_name(bytes: &[u8]) -> Result<&str, UsageError> {
    std::str::from_utf8(bytes)
        .ok()
        .filter(|name| crate::settings::is_module_entry(name))
        .ok_or_else(|| UsageError::BadModule(String::from_utf8_lossy(bytes).into_owned()))
}
