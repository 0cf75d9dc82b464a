//! What a command line or an environment asks of python that only a fresh interpreter does.

use super::{CommandLine, LONG, Target};
use crate::settings::Environment;
use std::fmt;

/// Why a command line must run plainly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// A letter that changes how the interpreter starts or ends.
    Flag(char),
    /// An `-X` option that does.
    XOption(String),
    /// An environment variable that does.
    Variable(&'static str),
    /// Python only answers a question or complains.
    Answer,
    /// An interactive session.
    Interactive,
    /// The code is typed in.
    Typed,
    /// The target is glued to its option (`-mmodule`).
    Glued,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Obstacle::Flag(letter) => write!(f, "`-{letter}` needs a fresh interpreter"),
            Obstacle::XOption(option) => write!(f, "`-X {option}` needs a fresh interpreter"),
            Obstacle::Variable(name) => write!(f, "{name} is set, which needs a fresh interpreter"),
            Obstacle::Answer => f.write_str("python only answers or complains, it runs no program"),
            Obstacle::Interactive => f.write_str("no program is named"),
            Obstacle::Glued => {
                f.write_str("the target is glued to its option; put a space between")
            }
            Obstacle::Typed => f.write_str("the program is typed in at a terminal"),
        }
    }
}

/// Inspect afterwards, verbose, skip the first line, parser debugging, no site (which imports nothing worth freezing).
const FLAGS: &[u8] = b"ivxdS";

/// `-X` options that a frozen interpreter keeps; they are part of the key.
const HARMLESS_X: [&[u8]; 6] = [
    b"frozen_modules",
    b"utf8",
    b"faulthandler",
    b"no_debug_ranges",
    b"int_max_str_digits",
    b"warn_default_encoding",
];

/// Variables that need a fresh interpreter, and whether `0` turns them off.
const VARIABLES: [(&str, bool); 11] = [
    ("PYTHONINSPECT", true),
    ("PYTHONVERBOSE", true),
    ("PYTHONDEBUG", true),
    ("PYTHONDEVMODE", true),
    ("PYTHONTRACEMALLOC", true),
    ("PYTHONPERFSUPPORT", true),
    ("PYTHON_PERF_JIT_SUPPORT", true),
    ("PYTHONPROFILEIMPORTTIME", false),
    ("PYTHONMALLOC", false),
    ("PYTHONMALLOCSTATS", false),
    ("PYTHONDUMPREFS", false),
];

impl CommandLine<'_> {
    /// The reason why this command line must run plainly, if there is one.
    ///
    /// `stdin_is_terminal` is only asked where the program comes from standard input.
    pub fn thaw_obstacle(
        &self,
        environment: &Environment,
        stdin_is_terminal: impl FnOnce() -> bool,
    ) -> Option<Obstacle> {
        match self.target {
            Target::Answer => return Some(Obstacle::Answer),
            Target::Interactive => return Some(Obstacle::Interactive),
            Target::Stdin if stdin_is_terminal() => return Some(Obstacle::Typed),
            _ if self.target_offset != 0 => return Some(Obstacle::Glued),
            _ => {}
        }
        self.flag_obstacle().or_else(|| self.variable_obstacle(environment))
    }

    /// Whether python ignores its `PYTHON*` variables (`-E`, `-I`).
    pub fn ignores_environment(&self) -> bool {
        self.has_flag(b"EI")
    }

    /// Whether python leaves the script's folder and the working directory off `sys.path` (`-P`, `-I`).
    pub fn has_safe_path(&self) -> bool {
        self.has_flag(b"PI")
    }

    fn has_flag(&self, letters: &[u8]) -> bool {
        self.flags.iter().any(|flag| flag.letter != LONG && letters.contains(&flag.letter))
    }

    fn flag_obstacle(&self) -> Option<Obstacle> {
        self.flags.iter().find_map(|flag| match flag.letter {
            b'X' => {
                let name = flag.argument.split(|&b| b == b'=').next().unwrap_or_default();
                (!HARMLESS_X.contains(&name))
                    .then(|| Obstacle::XOption(String::from_utf8_lossy(flag.argument).into_owned()))
            }
            letter => FLAGS.contains(&letter).then_some(Obstacle::Flag(char::from(letter))),
        })
    }

    fn variable_obstacle(&self, environment: &Environment) -> Option<Obstacle> {
        if self.ignores_environment() {
            return None;
        }
        environment.python_variables().find_map(|(name, value)| {
            let (known, zero_is_off) =
                VARIABLES.iter().find(|(known, _)| known.as_bytes() == name)?;
            let off = value.is_empty() || (*zero_is_off && value == b"0");
            (!off).then_some(Obstacle::Variable(known))
        })
    }
}
