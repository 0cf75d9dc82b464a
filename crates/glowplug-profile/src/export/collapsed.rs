//! Collapsed stacks: `a;b;c 120` in a line, as Brendan Gregg's flamegraph.pl and everything that learned from it reads.

use crate::figures;
use crate::model::{Process, Profile};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The profile as collapsed stacks, weighed in microseconds: CPU time, or wall time where that is all there is. Modules without a
/// microsecond of their own have no line.
pub fn collapsed(profile: &Profile) -> String {
    let by_cpu = profile.processes.iter().flat_map(|one| &one.modules).any(|m| m.own.cpu_ns > 0);
    let mut stacks: BTreeMap<String, u64> = BTreeMap::new();
    for process in &profile.processes {
        for (index, module) in process.modules.iter().enumerate() {
            let own_ns = if by_cpu { module.own.cpu_ns } else { module.own.wall_ns };
            if own_ns >= 1000 {
                *stacks.entry(stack(process, index)).or_default() += own_ns / 1000;
            }
        }
    }
    stacks.iter().fold(String::new(), |mut text, (stack, weight)| {
        let _ = writeln!(text, "{stack} {weight}");
        text
    })
}

/// The loads around a module, the program first.
fn stack(process: &Process, index: usize) -> String {
    let mut names = Vec::new();
    let mut at = Some(index);
    while let Some(index) = at {
        names.push(frame(&process.modules[index].name));
        at = process.modules[index].parent.map(|parent| parent as usize);
    }
    names.reverse();
    names.join(";")
}

/// A name in which nothing separates: semicolons separate frames, and what follows the last space is the weight.
fn frame(name: &str) -> String {
    figures::visible(name).replace(';', ":").replace(' ', "_")
}
