//! Python source: from bytes to text with the same offsets, its lines, and its syntax. The parser is called here and nowhere else.

use ruff_python_ast::Mod;
use ruff_python_parser::{Mode, ParseOptions, Parsed};
use std::borrow::Cow;
use std::mem::ManuallyDrop;

/// The syntax of a module. Taking down a deeply nested tree recurses without bounds, and a command reads its sources and ends, so
/// that trees are left standing.
pub struct Syntax(ManuallyDrop<Parsed<Mod>>);

impl Syntax {
    /// Parses a module; `None` where that is impossible.
    pub fn parse(text: &str) -> Option<Syntax> {
        let options = ParseOptions::from(Mode::Module);
        let parsed = ManuallyDrop::new(ruff_python_parser::parse_unchecked(text, options));
        (parsed.syntax().as_module().is_some() && !parsed.has_invalid_syntax())
            .then_some(Syntax(parsed))
    }

    /// Its statements.
    pub fn body(&self) -> &[ruff_python_ast::Stmt] {
        self.0.syntax().as_module().map_or(&[], |module| &module.body)
    }
}

/// Encodings in which each byte is a character and the lower half is ASCII.
const SINGLE_BYTE: &[&str] =
    &["ascii", "us-ascii", "latin", "iso-8859", "cp125", "windows-125", "koi8"];

/// The source as text in which each offset is that of the byte in the file, or `None` for an encoding that does not allow this.
///
/// Where another encoding than UTF-8 is declared, characters beyond ASCII become `_`: they stand in strings, comments and names,
/// none of which decides what is imported, save names that are not ASCII.
pub fn text(source: &[u8]) -> Option<Cow<'_, str>> {
    if let Ok(text) = std::str::from_utf8(source) {
        return Some(Cow::Borrowed(text));
    }
    let encoding = declared_encoding(source)?;
    if !SINGLE_BYTE.iter().any(|known| encoding.starts_with(known)) {
        return None;
    }
    let ascii = source.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { '_' });
    Some(Cow::Owned(ascii.collect()))
}

/// The encoding that one of the first two lines declares (PEP 263), in lower case with `-` for `_`.
fn declared_encoding(source: &[u8]) -> Option<String> {
    source.split(|byte| *byte == b'\n').take(2).find_map(|line| {
        let comment = line.trim_ascii_start().strip_prefix(b"#")?;
        let at = comment.windows(6).position(|word| word == b"coding")?;
        let name = comment[at + 6..].strip_prefix(b":").or(comment[at + 6..].strip_prefix(b"="))?;
        let name = name.trim_ascii_start();
        let end = name.iter().position(|b| !b.is_ascii_alphanumeric() && !b"-_.".contains(b));
        let name = String::from_utf8_lossy(&name[..end.unwrap_or(name.len())]);
        (!name.is_empty()).then(|| name.to_lowercase().replace('_', "-"))
    })
}

/// Where the lines of a text begin. A line ends with `\n`, `\r\n` or `\r`, as in Python.
#[derive(Debug)]
pub struct Lines {
    /// Offset of the first byte of each line.
    starts: Vec<usize>,
    len: usize,
}

impl Lines {
    /// Finds the lines of a text.
    pub fn new(text: &str) -> Lines {
        let bytes = text.as_bytes();
        let ends = bytes.iter().enumerate().filter(|(at, byte)| match byte {
            b'\n' => true,
            b'\r' => bytes.get(at + 1) != Some(&b'\n'),
            _ => false,
        });
        let starts = std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect();
        Lines { starts, len: bytes.len() }
    }

    /// The line, from 1, that the byte at `offset` is on.
    pub fn line(&self, offset: usize) -> u32 {
        let line = self.starts.partition_point(|start| *start <= offset);
        u32::try_from(line).unwrap_or(u32::MAX)
    }

    /// Offset of the first byte of line `line`, counted from 1; the end of the text where there are fewer.
    pub fn start_of_line(&self, line: usize) -> usize {
        line.checked_sub(1).and_then(|at| self.starts.get(at)).copied().unwrap_or(self.len)
    }

    /// Offset behind line `line`, counted from 1, with its end; the end of the text where there are fewer.
    pub fn end_of_line(&self, line: usize) -> usize {
        self.starts.get(line).copied().unwrap_or(self.len)
    }

    /// Offset behind the line that ends at `end` or holds the byte before it.
    pub fn end_of_line_at(&self, end: usize) -> usize {
        match end.checked_sub(1) {
            Some(last) => self.end_of_line(self.line(last) as usize),
            None => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_as_in_python() {
        let lines = Lines::new("a\r\nb\rc\nd");
        assert_eq!(lines.end_of_line(1), 3);
        assert_eq!(lines.end_of_line(2), 5);
        assert_eq!(lines.end_of_line(3), 7);
        assert_eq!(lines.end_of_line(4), 8);
        assert_eq!(lines.end_of_line(9), 8);
        assert_eq!(lines.line(4), 2);
        assert_eq!(lines.end_of_line_at(3), 3);
        assert_eq!(lines.end_of_line_at(4), 5);
        assert_eq!(lines.end_of_line_at(0), 0);
    }

    #[test]
    fn other_encodings_keep_the_offsets() {
        let source = b"# -*- coding: latin-1 -*-\nx = '\xe9'\n";
        assert_eq!(text(source).unwrap().len(), source.len());
        assert_eq!(
            text(b"#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\n'\xe9'").unwrap().len(),
            54
        );
    }

    #[test]
    fn undeclared_and_multibyte_encodings_are_refused() {
        assert!(text(b"x = '\xe9'\n").is_none());
        assert!(text(b"# coding: shift_jis\nx = '\x83\x5c'\n").is_none());
        assert!(text(b"\n\n# coding: latin-1\nx = '\xe9'\n").is_none());
    }
}
