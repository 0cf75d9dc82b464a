//! Which environment variables the frozen interpreter may see.
//!
//! What is in a process's memory goes into its image, so the interpreter gets only what interpreters and dynamic linkers read
//! themselves, and what the imports turn out to read.

use super::Recipe;
use super::acts::Cause;
use super::cpu;
use super::report::Report;
use crate::inputs::{Op, Record};
use crate::key;
use crate::secrets;
use crate::settings::Environment;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// Variables that every interpreter gets beside those of the key: what finding programs and folders needs.
const ALWAYS: [&[u8]; 4] = [b"PATH", b"VIRTUAL_ENV", b"TMPDIR", b"PWD"];

/// What stands before the beginning of names in place of a name; no variable has it in its name.
const PREFIX: u8 = b'=';

/// The variables that imports read, by their names or by how their names begin (behind an equals sign); and what they looked for in the
/// program's arguments, as [`key::word_name`] names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needed(BTreeSet<Vec<u8>>);

/// What an image file goes by in place of a key, beside what the imports read. `HOME` alone is missing: a service often has another one
/// than who made its image, and what follows from it is made anew.
const IN_PLACE_OF_KEY: [&[u8]; 6] = [b"=PYTHON", b"=LC_", b"=LD_", b"LANG", b"LANGUAGE", b"TZ"];

impl Needed {
    /// What counts for an image that no key selects.
    pub fn without_key() -> Needed {
        Needed(IN_PLACE_OF_KEY.iter().map(|name| name.to_vec()).collect())
    }

    fn has_key(&self) -> bool {
        !self.0.contains(IN_PLACE_OF_KEY[0])
    }

    /// Adds a variable.
    pub fn add(&mut self, name: &[u8]) {
        self.0.insert(name.to_vec());
    }

    /// Adds what others are needed for.
    pub fn add_all(&mut self, others: &Needed) {
        self.0.extend(others.0.iter().cloned());
    }

    /// Their names, in order.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(Vec::as_slice)
    }

    /// The part of the environment that the interpreter gets; with credentials where it is trusted.
    pub fn select(
        &self,
        recipe: &Recipe,
        environment: &Environment,
        trusted: bool,
    ) -> Vec<(OsString, OsString)> {
        environment
            .variables()
            .filter(|(name, _)| {
                key::is_key_variable(name) || ALWAYS.contains(name) || self.has(name)
            })
            .filter(|(name, _)| !name.starts_with(b"LD_PRELOAD"))
            .filter(|(name, value)| {
                trusted
                    || !secrets::is_variable(name, value)
                    || (self.0.contains(*name) && is_allowed(recipe, name))
            })
            .map(|(name, value)| {
                (OsString::from_vec(name.to_vec()), OsString::from_vec(value.to_vec()))
            })
            .collect()
    }

    fn has(&self, name: &[u8]) -> bool {
        let begins = |entry: &Vec<u8>| {
            entry.strip_prefix(&[PREFIX]).is_some_and(|prefix| name.starts_with(prefix))
        };
        self.0.contains(name) || self.0.iter().any(begins)
    }

    /// Adds what a pass has revealed; `true` where the interpreter was kept from a value that it asked for, so that the pass does not
    /// count.
    pub fn learn(
        &mut self,
        recipe: &Recipe,
        report: &Report,
        record: &Record,
        environment: &Environment,
    ) -> bool {
        let mut withheld = false;
        let asked = report
            .names
            .iter()
            .map(Vec::as_slice)
            .chain(record.variables.iter().map(|name| name.as_bytes()));
        let is_own =
            |name: &[u8]| name.starts_with(b"GLOWPLUG_") || cpu::is_limit(recipe.cpu, name);
        for name in asked.filter(|name| !is_own(name)) {
            let secret = is_secret(name, environment);
            let is_covered =
                if self.has_key() { key::is_key_variable(name) } else { self.has(name) };
            if is_covered && !secret {
                continue;
            }
            let new = self.0.insert(name.to_vec());
            let given = ALWAYS.contains(&name) && !secret;
            withheld |= new && !given && environment.get(name).is_some();
        }
        for prefix in &report.prefixes {
            let there = environment
                .variables()
                .any(|(name, _)| name.starts_with(prefix) && !self.has(name));
            self.0.insert([&[PREFIX], prefix.as_slice()].concat());
            withheld |= there;
        }
        withheld
    }

    /// Adds what the imports looked for in the program's arguments.
    pub fn add_words(&mut self, words: impl Iterator<Item = &'static [u8]>) {
        self.0.extend(words.map(key::word_name));
    }

    /// The first variable that the imports read and that looks like a credential.
    pub fn secret(&self, recipe: &Recipe, environment: &Environment) -> Option<Secret> {
        let name =
            self.names().find(|name| is_secret(name, environment) && !is_allowed(recipe, name))?;
        Some(Secret::Variable(String::from_utf8_lossy(name).into_owned()))
    }
}

/// What looks like a credential and would be in the image: why there must be none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// The value of the variable of this name.
    Variable(String),
    /// What stands in this file.
    File(PathBuf),
}

impl Secret {
    /// What reading it is.
    pub fn cause(&self) -> Cause {
        match self {
            Secret::Variable(name) => Cause::Variable(name.clone()),
            Secret::File(path) => Cause::Reads(path.clone()),
        }
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, entry) = match self {
            Secret::Variable(name) => ("environment variable", format!("`{name}`")),
            Secret::File(path) => ("file", path.display().to_string()),
        };
        write!(
            f,
            "the imports read the {what} {entry}, which looks like a credential and would be in the image; if it may, set \
             `allow-secrets` to [\"{}\"]",
            entry.trim_matches('`')
        )
    }
}

/// The first file that the imports read and that is known for holding credentials.
pub fn secret_file(recipe: &Recipe, record: &Record) -> Option<Secret> {
    let (path, _) = record.paths.iter().find(|(path, seen)| {
        seen.has(Op::Read)
            && secrets::is_file(path)
            && !is_allowed(recipe, path.as_os_str().as_bytes())
    })?;
    Some(Secret::File(path.clone()))
}

fn is_secret(name: &[u8], environment: &Environment) -> bool {
    environment.get(name).is_some_and(|value| secrets::is_variable(name, value.as_bytes()))
}

fn is_allowed(recipe: &Recipe, entry: &[u8]) -> bool {
    recipe.stays_in_memory
        || recipe.allowed_secrets.iter().any(|allowed| allowed.as_bytes() == entry)
}
