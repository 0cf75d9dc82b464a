//! Entries of modules that were loaded already (`-X importtime=2`, CPython 3.14 on): who imported them.
//!
//! CPython 3.14 and 3.15 print such a name right-aligned in a field of twice the depth, where it means to indent it by twice the
//! depth. So the depth is lost unless the name is shorter than the field. What is left is what the neighbours say: an entry stands
//! behind those of its importer's earlier imports and before its importer's own, and between two loads that end no load ends, so
//! depths do not fall. Where that leaves one depth, the importer is known.

use super::{Entry, tree::Forest};

/// The importers of the cached entries.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Importers {
    /// Cached entries and the entries of their importers; `None` for the program.
    pub known: Vec<(usize, Option<usize>)>,
    /// How many have none that can be told.
    pub unknown: usize,
}

/// How a CPython prints the depth of a cached entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Right-aligned in a field of twice the depth.
    Field,
    /// Indented by twice the depth, as loads are.
    Indent,
}

/// Least and greatest depth that an entry can have.
type Range = (usize, usize);

/// Finds the importers.
pub fn importers(entries: &[Entry<'_>], forest: &Forest) -> Importers {
    let around = ranges(entries);
    let fits = |form: Form| {
        around.iter().all(|&(index, range)| narrowed(form, &entries[index], range).is_some())
    };
    // Both fit where nothing is deep; then the field is what released versions print.
    let form = if !fits(Form::Field) && fits(Form::Indent) { Form::Indent } else { Form::Field };
    let mut found = Importers::default();
    for run in runs(&around) {
        for (index, depth) in depths(form, entries, run) {
            match depth.and_then(|depth| importer(entries, forest, index, depth)) {
                Some(importer) => found.known.push((index, importer)),
                None => found.unknown += 1,
            }
        }
    }
    found
}

/// For each cached entry the depths that the loads before and behind it leave.
fn ranges(entries: &[Entry<'_>]) -> Vec<(usize, Range)> {
    let mut next = 0;
    let mut greatest = vec![0; entries.len()];
    for (index, entry) in entries.iter().enumerate().rev() {
        greatest[index] = next;
        if entry.times.is_some() {
            next = entry.depth() + 1;
        }
    }
    let mut least = 0;
    let mut ranges = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        if entry.times.is_some() {
            least = entry.depth();
        } else {
            ranges.push((index, (least, greatest[index])));
        }
    }
    ranges
}

/// Cached entries without a load between them.
fn runs(around: &[(usize, Range)]) -> impl Iterator<Item = &[(usize, Range)]> {
    around.chunk_by(|(one, _), (other, _)| one + 1 == *other)
}

/// What the print of an entry leaves of a range; `None` where they contradict each other.
fn narrowed(form: Form, entry: &Entry<'_>, (least, greatest): Range) -> Option<Range> {
    let letters = entry.name.chars().count();
    let (from, to) = match form {
        Form::Indent if entry.indent.is_multiple_of(2) => (entry.indent / 2, entry.indent / 2),
        Form::Field if entry.indent == 0 => (0, letters / 2),
        Form::Field if (entry.indent + letters).is_multiple_of(2) => {
            let depth = (entry.indent + letters) / 2;
            (depth, depth)
        }
        Form::Indent | Form::Field => return None,
    };
    let range = (least.max(from), greatest.min(to));
    (range.0 <= range.1).then_some(range)
}

/// The depths of the entries of a run, as far as they are certain: within a run they do not fall.
fn depths(
    form: Form,
    entries: &[Entry<'_>],
    run: &[(usize, Range)],
) -> Vec<(usize, Option<usize>)> {
    let mut ranges: Vec<_> =
        run.iter().map(|&(index, range)| narrowed(form, &entries[index], range)).collect();
    let mut least = 0;
    for range in ranges.iter_mut().flatten() {
        range.0 = range.0.max(least);
        least = range.0;
    }
    let mut greatest = usize::MAX;
    for range in ranges.iter_mut().rev().flatten() {
        range.1 = range.1.min(greatest);
        greatest = range.1;
    }
    let certain =
        |range: Option<Range>| range.filter(|(from, to)| from == to).map(|(from, _)| from);
    run.iter().zip(ranges).map(|(&(index, _), range)| (index, certain(range))).collect()
}

/// The load that was under way one step above `depth` when the entry was printed: the next that ends there. `Some(None)` is the
/// program.
fn importer(
    entries: &[Entry<'_>],
    forest: &Forest,
    index: usize,
    depth: usize,
) -> Option<Option<usize>> {
    let Some(above) = depth.checked_sub(1) else { return Some(None) };
    // The next load that ends is in the importer or is it; its ancestors are read off the trees.
    let mut at = (index + 1..entries.len()).find(|&next| entries[next].times.is_some())?;
    while entries[at].depth() > above {
        at = forest.parents[at]?;
    }
    (entries[at].depth() == above).then_some(Some(at))
}
