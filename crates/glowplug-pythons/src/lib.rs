//! The CPython minors that Glowplug knows, and what it can do on each: `minors.txt`, which the tests in Python read as well.
#![no_std]
#![forbid(unsafe_code)]

use core::fmt;

/// The list: a line per minor, `3.N` and then the names of capabilities; `#` begins a comment.
const LIST: &str = include_str!("minors.txt");

/// A CPython minor that an extension is built for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Minor {
    number: u8,
    freezes: bool,
}

impl Minor {
    /// All of them, oldest first.
    pub fn all() -> impl DoubleEndedIterator<Item = Minor> + Clone {
        LIST.lines().filter_map(Minor::parse)
    }

    /// Those on which programs are frozen, oldest first.
    pub fn freezing() -> impl DoubleEndedIterator<Item = Minor> + Clone {
        Minor::all().filter(|minor| minor.freezes)
    }

    /// The `N` of `3.N`.
    pub fn number(self) -> u8 {
        self.number
    }

    /// Whether programs are frozen on it: the extension has its feature `freeze`.
    pub fn freezes(self) -> bool {
        self.freezes
    }

    fn parse(line: &str) -> Option<Minor> {
        let mut words = line.split('#').next()?.split_whitespace();
        let number = words.next()?.strip_prefix("3.")?.parse().ok()?;
        Some(Minor { number, freezes: words.any(|word| word == "freeze") })
    }
}

/// The version, as `3.11`.
impl fmt::Display for Minor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "3.{}", self.number)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::string::ToString;
    use std::vec::Vec;

    #[test]
    fn a_line_names_a_minor_and_its_capabilities() {
        assert_eq!(Minor::parse("3.11  freeze"), Some(Minor { number: 11, freezes: true }));
        assert_eq!(Minor::parse("3.16"), Some(Minor { number: 16, freezes: false }));
        assert_eq!(Minor::parse("3.16  # freeze"), Some(Minor { number: 16, freezes: false }));
        assert_eq!(Minor::parse("# 3.8 freeze"), None);
        assert_eq!(Minor::parse(""), None);
    }

    #[test]
    fn the_list_is_read_to_its_end_in_order_and_without_gaps() {
        let lines = LIST.lines().filter(|line| !line.starts_with('#'));
        assert_eq!(lines.count(), Minor::all().count());
        let numbers: Vec<u8> = Minor::all().map(Minor::number).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{numbers:?}");
        assert_eq!(Minor::all().next().map(|minor| minor.to_string()).as_deref(), Some("3.9"));
    }
}
