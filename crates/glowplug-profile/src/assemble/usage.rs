//! Which modules were used after their imports.

use crate::model::{Module, Usage};
use crate::trace::{ProcessTrace, Record, kind};
use std::collections::HashMap;

/// Flag of a module of which the process says at its end alone whether its functions ran.
const AT_END: u8 = 1;

/// What is noted of a name.
#[derive(Clone, Copy, Default)]
struct Seen {
    watched: bool,
    at_end: bool,
    used: bool,
    taken: bool,
}

/// Marks the modules of a process; `forked` are the traces of those that it forked, in which its modules are used as well.
///
/// A package is used where a module within it is.
pub fn mark(modules: &mut [Module], trace: &ProcessTrace, forked: &[&ProcessTrace]) {
    let mut seen: HashMap<&str, Seen> = HashMap::new();
    let mut note = |trace, kind, what: fn(&mut Seen, &Record)| note(&mut seen, trace, kind, what);
    note(trace, kind::WATCHED, |seen, record| {
        seen.watched = true;
        seen.at_end |= record.flags & AT_END != 0;
    });
    for trace in forked.iter().copied().chain([trace]) {
        note(trace, kind::USED, |seen, _| seen.used = true);
        note(trace, kind::TAKEN, |seen, _| seen.taken = true);
    }
    let ended = trace.of_kind(kind::END).next().is_some();
    let mut used_within: Vec<String> = Vec::new();
    for module in modules.iter_mut().rev() {
        let seen = seen.get(module.name.as_str()).copied().unwrap_or_default();
        let told = seen.watched && !seen.taken && (ended || !seen.at_end);
        module.usage = match seen.used {
            true => Usage::Used,
            false if told => Usage::Unused,
            false => Usage::Unknown,
        };
        if seen.used {
            used_within.extend(packages(&module.name).map(str::to_owned));
        }
    }
    for module in modules.iter_mut().filter(|module| module.usage != Usage::Unknown) {
        if used_within.contains(&module.name) {
            module.usage = Usage::Used;
        }
    }
}

fn note<'a>(
    seen: &mut HashMap<&'a str, Seen>,
    trace: &'a ProcessTrace,
    kind: u8,
    what: fn(&mut Seen, &Record),
) {
    for record in trace.of_kind(kind) {
        what(seen.entry(trace.string(record.argument)).or_default(), record);
    }
}

/// The packages that a module is in, by its name.
fn packages(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('.').map(|(at, _)| &name[..at])
}
