//! CPython's own option parser (`Python/getopt.c`), read for reading's sake: what it would take for options, we do.

use std::ffi::CStr;

/// Letters of all supported CPython minors; those of [`WITH_ARGUMENT`] take an argument. `-P` is unknown to 3.10, which then
/// complains itself.
const LETTERS: &[u8] = b"bBcdEhiIJmOPqRsStuvVWxX?";
const WITH_ARGUMENT: &[u8] = b"cmWX";

/// An option as python reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A letter, with its argument where it takes one.
    Short {
        /// The letter.
        letter: u8,
        /// Its argument, empty where it takes none.
        argument: &'a [u8],
        /// Where the argument begins in its string, bytes; 0 where it is a string of its own.
        offset: usize,
    },
    /// `--check-hash-based-pycs MODE`.
    CheckHashBasedPycs(&'a [u8]),
    /// No more options.
    End,
    /// Help, version, or something that python complains about.
    Answer,
}

/// The state of the parser: which argument it is at, and where in a cluster of letters.
pub struct Getopt<'s, 'a> {
    arguments: &'s [&'a CStr],
    index: usize,
    /// The argument whose letters are being read, and the place of the next one.
    cluster: Option<(&'a [u8], usize)>,
}

impl<'s, 'a> Getopt<'s, 'a> {
    /// A parser at the first of `arguments`.
    pub fn new(arguments: &'s [&'a CStr]) -> Self {
        Getopt { arguments, index: 0, cluster: None }
    }

    /// How many arguments have been taken, including the one whose letters are being read.
    pub fn consumed(&self) -> usize {
        self.index
    }

    /// Whether all letters of the last argument have been read.
    pub fn at_argument_start(&self) -> bool {
        self.cluster.is_none_or(|(letters, at)| at >= letters.len())
    }

    /// The next option.
    pub fn next_option(&mut self) -> Item<'a> {
        if self.at_argument_start() {
            let Some(argument) = self.arguments.get(self.index).map(|a| a.to_bytes()) else {
                return Item::End;
            };
            match argument {
                [] | [b'-'] => return Item::End,
                [first, ..] if *first != b'-' => return Item::End,
                b"--" => {
                    self.index += 1;
                    return Item::End;
                }
                b"--help" | b"--version" => {
                    self.index += 1;
                    return Item::Answer;
                }
                _ => {}
            }
            self.index += 1;
            self.cluster = Some((argument, 1));
        }
        self.next_letter()
    }

    fn next_letter(&mut self) -> Item<'a> {
        let Some((letters, at)) = self.cluster else { return Item::End };
        let letter = letters[at];
        let rest = &letters[at + 1..];
        self.cluster = Some((letters, at + 1));
        if letter == b'-' {
            return self.long_option(rest);
        }
        if letter == b'J' || !LETTERS.contains(&letter) {
            return Item::Answer;
        }
        if !WITH_ARGUMENT.contains(&letter) {
            return Item::Short { letter, argument: &[], offset: 0 };
        }
        self.cluster = None;
        if !rest.is_empty() {
            return Item::Short { letter, argument: rest, offset: at + 1 };
        }
        match self.next_argument() {
            Some(argument) => Item::Short { letter, argument, offset: 0 },
            None => Item::Answer,
        }
    }

    /// A long option; a cluster may end in one (`-b-check-hash-based-pycs never`), as odd as that is.
    fn long_option(&mut self, name: &[u8]) -> Item<'a> {
        self.cluster = None;
        if name != b"check-hash-based-pycs" {
            // `--help-env` and its like, what is unknown, and a `-` at the end of a cluster.
            return Item::Answer;
        }
        match self.next_argument() {
            Some(mode @ (b"always" | b"never" | b"default")) => Item::CheckHashBasedPycs(mode),
            _ => Item::Answer,
        }
    }

    fn next_argument(&mut self) -> Option<&'a [u8]> {
        let argument = self.arguments.get(self.index)?.to_bytes();
        self.index += 1;
        Some(argument)
    }
}
