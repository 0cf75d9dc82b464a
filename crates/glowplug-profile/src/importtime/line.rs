//! One line of a log.

const MARK: &str = "import time:";
/// The longest load that is believed, in microseconds: 71 minutes. More is not a time but rubbish, and sums stay far from overflow.
const LONGEST_US: i64 = 1 << 32;

/// What a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// The heading that each process prints once.
    Header,
    /// An entry.
    Entry {
        /// What it says.
        entry: Entry<'a>,
        /// Whether text of the program stands before it.
        glued: bool,
    },
    /// It begins as an entry does, and is none.
    Broken,
    /// Something that the program wrote.
    Foreign,
}

impl<'a> Line<'a> {
    /// The entry, where it is one.
    pub fn entry(&self) -> Option<Entry<'a>> {
        match self {
            Line::Entry { entry, .. } => Some(*entry),
            Line::Header | Line::Broken | Line::Foreign => None,
        }
    }
}

/// An entry of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Own and cumulative time in microseconds, as they are printed; `None` for a module that was loaded already.
    pub times: Option<(i64, i64)>,
    /// How many spaces stand before the name, without that which follows the bar.
    pub indent: usize,
    /// The module.
    pub name: &'a str,
}

impl Entry<'_> {
    /// How many modules were being loaded around this load; not for a module that was loaded already.
    pub fn depth(&self) -> usize {
        self.indent / 2
    }

    /// Its own time; 0 where the log has less than nothing.
    pub fn own_ns(&self) -> u64 {
        self.times.map_or(0, |(own, _)| own.max(0) as u64 * 1000)
    }

    /// Whether the log gives it less than no time.
    pub fn is_negative(&self) -> bool {
        self.times.is_some_and(|(own, cumulative)| own < 0 || cumulative < 0)
    }
}

/// Reads a line without its end.
///
/// The program writes to the same stream, so an entry may stand behind a part of a line of the program. Of several marks the last
/// that begins an entry counts, as CPython ends its entries with the line.
pub fn parse(line: &str) -> Line<'_> {
    let line = line.strip_suffix('\r').unwrap_or(line);
    let mut marked = false;
    for (at, _) in line.rmatch_indices(MARK) {
        marked = true;
        let rest = &line[at + MARK.len()..];
        if rest == " self [us] | cumulative | imported package" {
            return Line::Header;
        }
        if let Some(entry) = entry(rest) {
            return Line::Entry { entry, glued: at > 0 };
        }
    }
    if marked && line.starts_with(MARK) { Line::Broken } else { Line::Foreign }
}

/// What stands behind the mark: two columns, and the name behind its indentation.
fn entry(rest: &str) -> Option<Entry<'_>> {
    let mut columns = rest.splitn(3, '|');
    let [own, cumulative, last] = [columns.next()?, columns.next()?, columns.next()?];
    let name = last.strip_prefix(' ')?.trim_start_matches(' ');
    if name.is_empty() {
        return None;
    }
    let times = match (own.trim(), cumulative.trim()) {
        ("cached", "cached") => None,
        (own, cumulative) => Some((microseconds(own)?, microseconds(cumulative)?)),
    };
    Some(Entry { times, indent: last.len() - 1 - name.len(), name })
}

fn microseconds(text: &str) -> Option<i64> {
    let time: i64 = text.parse().ok()?;
    (-LONGEST_US..=LONGEST_US).contains(&time).then_some(time)
}
