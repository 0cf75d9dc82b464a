//! The types that settings have, each with its spelling.

use serde::Deserialize;
use std::fmt;

/// The way to start a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    /// The fastest that is sound.
    #[default]
    Auto,
    /// From an image, or not at all.
    Thaw,
    /// By a fork of a template, or not at all.
    Fork,
    /// By a spare that was forked in advance, or by a fork; or not at all.
    Pool,
    /// By plain python.
    Plain,
}

/// All ways.
const WAYS: [Via; 5] = [Via::Auto, Via::Thaw, Via::Fork, Via::Pool, Via::Plain];

impl Via {
    /// The way that is spelled `name`.
    pub fn from_name(name: &str) -> Option<Via> {
        WAYS.into_iter().find(|way| way.name() == name)
    }

    /// How it is spelled.
    pub fn name(self) -> &'static str {
        match self {
            Via::Auto => "auto",
            Via::Thaw => "thaw",
            Via::Fork => "fork",
            Via::Pool => "pool",
            Via::Plain => "plain",
        }
    }
}

/// A number of bytes, spelled `4GiB`, `500MB` or `1048576`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct ByteSize(pub u64);

const UNITS: [(&str, u64); 9] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
];

/// Why a text is no number of bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no size; write it like `4GiB` or `500MB`")]
pub struct BadSize(String);

impl std::str::FromStr for ByteSize {
    type Err = BadSize;

    fn from_str(text: &str) -> Result<Self, BadSize> {
        let bad = || BadSize(text.to_owned());
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic()).trim_end();
        let unit = &text[digits.len()..].trim_start();
        let factor = match UNITS.iter().find(|(name, _)| name == unit) {
            Some((_, factor)) => *factor,
            None if unit.is_empty() => 1,
            None => return Err(bad()),
        };
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(bad());
        }
        let number: u64 = digits.parse().map_err(|_| bad())?;
        number.checked_mul(factor).map(ByteSize).ok_or_else(bad)
    }
}

impl TryFrom<String> for ByteSize {
    type Error = BadSize;

    fn try_from(text: String) -> Result<Self, BadSize> {
        text.parse()
    }
}

/// At most one decimal and a binary unit, as `1.5 GiB`.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("GiB", 1u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
        match units.iter().find(|(_, factor)| self.0 >= *factor) {
            Some((name, factor)) => {
                let tenths = u128::from(self.0) * 10 / u128::from(*factor);
                write!(f, "{}.{} {name}", tenths / 10, tenths % 10)
            }
            None => write!(f, "{} B", self.0),
        }
    }
}

/// A size as container tools write it (`128m`), or as Glowplug's settings do (`128MiB`).
pub fn container_size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match &text[digits.len()..] {
        "k" | "K" => 10,
        "m" | "M" => 20,
        "g" | "G" => 30,
        _ => return text.parse::<ByteSize>().ok().map(|size| size.0),
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// What is preloaded beside what was learned: module names to add, and names to leave out. The last word on a name counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preload {
    /// Names in the order in which they are imported; with a leading `-` they are left out.
    entries: Vec<String>,
}

impl Preload {
    /// Appends entries, which win over earlier ones for the same name.
    pub fn extend<'a>(&mut self, entries: impl IntoIterator<Item = &'a str>) {
        for entry in entries {
            let name = entry.trim_start_matches('-');
            self.entries.retain(|earlier| earlier.trim_start_matches('-') != name);
            self.entries.push(entry.to_owned());
        }
    }

    /// All entries, as spelled.
    pub fn entries(&self) -> &[String] {
        &self.entries
    }

    /// The modules to preload.
    pub fn added(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(String::as_str).filter(|entry| !entry.starts_with('-'))
    }

    /// The modules not to preload.
    pub fn removed(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().filter_map(|entry| entry.strip_prefix('-'))
    }
}

/// Whether `entry` is a dotted module name, perhaps with a leading `-`.
pub fn is_module_entry(entry: &str) -> bool {
    is_module_name(entry.strip_prefix('-').unwrap_or(entry))
}

/// Whether a text is a dotted module name.
pub fn is_module_name(name: &str) -> bool {
    name.split('.').all(|part| {
        part.chars().next().is_some_and(|first| first == '_' || first.is_alphabetic())
            && part.chars().all(|c| c == '_' || c.is_alphanumeric())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_printed() {
        for (text, bytes) in
            [("4GiB", 4 << 30), ("500MB", 500_000_000), ("0", 0), ("12 KiB", 12 << 10), ("7B", 7)]
        {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        for bad in ["", "GiB", "4 gib", "-1", "1.5GiB", "99999999999TiB", "٣GiB"] {
            assert!(bad.parse::<ByteSize>().is_err(), "{bad}");
        }
        assert_eq!(ByteSize(1536 << 20).to_string(), "1.5 GiB");
        assert_eq!(ByteSize(1023).to_string(), "1023 B");
    }

    #[test]
    fn the_last_word_on_a_module_counts() {
        let mut preload = Preload::default();
        preload.extend(["a", "b.c", "-d"]);
        preload.extend(["-a", "d"]);
        assert_eq!(preload.added().collect::<Vec<_>>(), ["b.c", "d"]);
        assert_eq!(preload.removed().collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn module_names_are_checked() {
        for good in ["a", "-a.b", "_x.y1", "ünï"] {
            assert!(is_module_entry(good), "{good}");
        }
        for bad in ["", "-", "a..b", ".a", "1a", "a b", "--a", "a-b"] {
            assert!(!is_module_entry(bad), "{bad}");
        }
    }

    #[test]
    fn sizes_are_those_of_container_tools() {
        assert_eq!(container_size("128m"), Some(128 << 20));
        assert_eq!(container_size("1GiB"), Some(1 << 30));
        assert_eq!(container_size("m"), None);
    }
}
