//! Who imported whom first: entries stand behind those of the modules that they imported, one step further left.

use super::Entry;

/// The loads of a log as trees. Everything is an index into its entries; cached entries have no part in it.
#[derive(Debug, Default)]
pub struct Forest {
    /// What each entry imported first, in order.
    pub children: Vec<Vec<usize>>,
    /// The entry that imported each first.
    pub parents: Vec<Option<usize>>,
    /// What nothing in the log imported.
    pub roots: Vec<usize>,
    /// Those of the roots that are indented: their importer is missing.
    pub orphans: Vec<usize>,
    /// How many entries have a cumulative time that is not the sum of what is below.
    pub inconsistent: usize,
}

/// Builds the trees.
pub fn build(entries: &[Entry<'_>]) -> Forest {
    let mut forest = Forest {
        children: vec![Vec::new(); entries.len()],
        parents: vec![None; entries.len()],
        ..Forest::default()
    };
    // Loads whose importer has not come yet, their depths never falling.
    let mut waiting: Vec<usize> = Vec::new();
    for (index, entry) in entries.iter().enumerate().filter(|(_, entry)| entry.times.is_some()) {
        let depth = entry.depth();
        let below = waiting.partition_point(|&other| entries[other].depth() <= depth);
        for other in waiting.split_off(below) {
            if entries[other].depth() == depth + 1 {
                forest.children[index].push(other);
                forest.parents[other] = Some(index);
            } else {
                forest.orphans.push(other);
            }
        }
        forest.inconsistent += usize::from(!adds_up(entries, index, &forest.children[index]));
        waiting.push(index);
    }
    for other in waiting {
        if entries[other].depth() > 0 {
            forest.orphans.push(other);
        } else {
            forest.roots.push(other);
        }
    }
    forest.roots.extend(&forest.orphans);
    forest.roots.sort_unstable();
    forest
}

/// Whether a cumulative time is the own time and those below, but for the rounding of each.
fn adds_up(entries: &[Entry<'_>], index: usize, children: &[usize]) -> bool {
    let Some((own, cumulative)) = entries[index].times else { return true };
    let below: i64 =
        children.iter().filter_map(|&child| entries[child].times).map(|(_, c)| c).sum();
    let rounding = 2 + children.len() as i64;
    (own + below - cumulative).abs() <= rounding
}
