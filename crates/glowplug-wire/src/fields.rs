//! Numbers and strings one behind the other, as requests have them.

use crate::Malformed;

/// Fields that are written.
#[derive(Default)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    pub fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    pub fn string(&mut self, string: &[u8]) {
        self.number(string.len() as u64);
        self.0.extend_from_slice(string);
    }

    pub fn strings<'s>(&mut self, strings: impl ExactSizeIterator<Item = &'s [u8]>) {
        self.number(strings.len() as u64);
        for string in strings {
            self.string(string);
        }
    }
}

/// Fields that are read.
pub struct Reader<'a>(pub &'a [u8]);

const SHORT: Malformed = Malformed("it ends early");

impl<'a> Reader<'a> {
    pub fn number(&mut self) -> Result<u64, Malformed> {
        let (number, rest) = self.0.split_at_checked(8).ok_or(SHORT)?;
        self.0 = rest;
        Ok(number.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    /// A number that stands for so many of something, each of which takes up `least` bytes at the least.
    fn count(&mut self, least: usize) -> Result<usize, Malformed> {
        let count = usize::try_from(self.number()?).map_err(|_| SHORT)?;
        if count > self.0.len() / least {
            return Err(SHORT);
        }
        Ok(count)
    }

    pub fn string(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.count(1)?;
        let (string, rest) = self.0.split_at(len);
        self.0 = rest;
        Ok(string)
    }

    pub fn strings(&mut self) -> Result<Vec<&'a [u8]>, Malformed> {
        let count = self.count(8)?;
        (0..count).map(|_| self.string()).collect()
    }

    pub fn numbers(&mut self) -> Result<Vec<u64>, Malformed> {
        let count = self.count(8)?;
        (0..count).map(|_| self.number()).collect()
    }
}
