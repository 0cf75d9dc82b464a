//! The loads of a thread as spans that nest: what viewers with a time axis want.

use crate::model::Process;

/// A load, or the whole thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The module.
    pub module: u32,
    /// Its beginning, nanoseconds of wall time.
    pub start_ns: u64,
    /// Its end, not before the beginning.
    pub end_ns: u64,
    /// How many loads of the same thread are around it.
    pub depth: usize,
}

/// The loads of a thread in the order of their beginnings, each within the load around it.
///
/// Medians of several runs and measuring errors can let a load end behind that which it is a part of, or begin before the end
/// of the one before it; such a load is moved and cut to fit, as viewers refuse spans that overlap.
pub fn of_thread(process: &Process, thread: u32) -> Vec<Interval> {
    let mut children: Vec<Vec<u32>> = vec![Vec::new(); process.modules.len()];
    let mut roots = Vec::new();
    for (index, module) in process.modules.iter().enumerate().skip(1) {
        if module.thread != thread {
            continue;
        }
        match parent_in_thread(process, index) {
            Some(parent) => children[parent].push(index as u32),
            None => roots.push(index as u32),
        }
    }
    for list in children.iter_mut().chain([&mut roots]) {
        list.sort_by_key(|&index| process.modules[index as usize].start_ns);
    }
    let mut intervals = Vec::new();
    let mut free_from = 0;
    for root in roots {
        free_from = place(process, &children, root, (free_from, u64::MAX), &mut intervals);
    }
    intervals
}

/// The load around a load, if that is one of the same thread and not the program.
fn parent_in_thread(process: &Process, index: usize) -> Option<usize> {
    let module = &process.modules[index];
    let parent = module.parent? as usize;
    (parent > 0 && process.modules[parent].thread == module.thread).then_some(parent)
}

/// Places a load and all below it between two times; returns its end.
fn place(
    process: &Process,
    children: &[Vec<u32>],
    root: u32,
    (earliest, latest): (u64, u64),
    intervals: &mut Vec<Interval>,
) -> u64 {
    let fit = |index: u32, earliest: u64, latest: u64, depth: usize| {
        let module = &process.modules[index as usize];
        let start_ns = module.start_ns.clamp(earliest, latest);
        let end_ns = start_ns.saturating_add(module.cumulative.wall_ns).min(latest);
        Interval { module: index, start_ns, end_ns, depth }
    };
    let top = fit(root, earliest, latest, 0);
    intervals.push(top);
    // Loads under way: their children still to be placed, and from when on there is room. Imports nest too deep for recursion.
    let mut stack = vec![(top, children[root as usize].iter(), top.start_ns)];
    while let Some((around, waiting, free_from)) = stack.last_mut() {
        let Some(&next) = waiting.next() else {
            stack.pop();
            continue;
        };
        let interval = fit(next, *free_from, around.end_ns, around.depth + 1);
        *free_from = interval.end_ns;
        intervals.push(interval);
        stack.push((interval, children[next as usize].iter(), interval.start_ns));
    }
    top.end_ns
}
