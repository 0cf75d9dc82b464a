//! What came or became dearer between two profiles of one entry point, and whose import brought it.

use super::chain::{self, Link};
use super::report::place;
use crate::model::{Place, Process};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};

/// Nothing below is named as a cause: 0.3 ms.
const LEAST_NS: u64 = 300_000;
/// So many causes are worth reading.
const MOST: usize = 8;

/// Something that a start has more of than its base.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cause {
    /// The module: one that is new, or whose own load has become dearer; `__main__` is the program itself.
    pub module: String,
    /// Whether the base does not load it.
    pub new: bool,
    /// CPU time that it adds, nanoseconds: of a new module all that would not be loaded without it.
    pub cpu_ns: u64,
    /// Modules that it adds.
    pub modules: u32,
    /// How it came to be loaded, the program first.
    pub chain: Vec<Link>,
    /// The line at fault: the import of a new module; for one that became dearer the line that was changed, where that is known.
    pub place: Option<Place>,
}

/// The modules that only the second profile loads, the dearest first; those that a new module brings in go with it.
pub fn new_modules(base: &Process, head: &Process) -> Vec<Cause> {
    let before: HashSet<&str> = chain::loaded(base).into_iter().map(|(_, name)| name).collect();
    let is_new = |name: &str| !before.contains(name);
    let mut causes: Vec<Cause> = Vec::new();
    for (index, name) in chain::loaded(head).into_iter().filter(|(_, name)| is_new(name)) {
        let chain = chain::of_load(head, index);
        if chain.iter().any(|link| link.module != name && is_new(&link.module)) {
            continue;
        }
        let saving = head.modules[index as usize].exclusive;
        causes.push(Cause {
            module: name.to_owned(),
            new: true,
            cpu_ns: saving.cpu_ns,
            modules: saving.modules,
            place: place(&chain),
            chain,
        });
    }
    dearest(causes)
}

/// Compares two profiles, best of several runs each, and names what adds most: new modules, and those whose own load has become dearer
/// beyond what the runs differ by.
pub fn causes(base: &Process, head: &Process) -> Vec<Cause> {
    let before = times(base);
    let mut causes = new_modules(base, head);
    for (name, now) in times(head) {
        let Some(then) = before.get(name) else { continue };
        let more = now.middle.saturating_sub(then.middle);
        if more >= LEAST_NS && now.low > then.high {
            causes.push(dearer(head, name, more));
        }
    }
    dearest(causes)
}

fn dearest(mut causes: Vec<Cause>) -> Vec<Cause> {
    causes.sort_by(|a, b| (b.cpu_ns, &a.module).cmp(&(a.cpu_ns, &b.module)));
    causes.truncate(MOST);
    causes
}

/// A module that both load. Its place is its file until somebody knows the line.
fn dearer(head: &Process, name: &str, more: u64) -> Cause {
    let index = head.modules.iter().position(|module| module.name == name).unwrap_or(0);
    let file = head.modules[index].file.clone();
    Cause {
        module: name.to_owned(),
        new: false,
        cpu_ns: more,
        modules: 0,
        chain: chain::of_load(head, index as u32),
        place: file.map(|file| Place { file, line: 0 }),
    }
}

/// CPU time in several runs: the median, the least and the greatest, nanoseconds. Of one run all are the same.
#[derive(Clone, Copy, Default)]
struct Times {
    low: u64,
    middle: u64,
    high: u64,
}

/// Those of each module's own load, and of the program itself.
fn times(process: &Process) -> HashMap<&str, Times> {
    let mut times: HashMap<&str, Times> = HashMap::new();
    let program = process.modules.first().map(|module| (0, module.name.as_str()));
    for (index, name) in program.into_iter().chain(chain::loaded(process)) {
        let module = &process.modules[index as usize];
        let own = module.own.cpu_ns;
        let (low, high) =
            module.spread.map_or((own, own), |spread| (spread.cpu_low_ns, spread.cpu_high_ns));
        let sum = times.entry(name).or_default();
        *sum = Times { low: sum.low + low, middle: sum.middle + own, high: sum.high + high };
    }
    times
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::derived as process;

    #[test]
    fn a_new_import_is_named_and_not_what_it_brings() {
        let head = process();
        let mut base = process();
        for name in ["web.openapi", "schema", "_schema_core"] {
            let module = base.modules.iter_mut().find(|module| module.name == name).unwrap();
            module.outcome = crate::model::Outcome::NotFound;
        }
        let found = causes(&base, &head);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            (found[0].module.as_str(), found[0].new, found[0].modules),
            ("web.openapi", true, 3)
        );
        assert!(found[0].place.is_some());
    }

    #[test]
    fn a_module_that_became_dearer_is_named() {
        let base = process();
        let mut head = process();
        head.modules[1].own.cpu_ns += 10_000_000;
        let found = causes(&base, &head);
        assert_eq!((found[0].module.as_str(), found[0].cpu_ns), ("web", 10_000_000));
        assert!(!found[0].new);
    }

    #[test]
    fn what_may_be_noise_is_not_named() {
        let mut base = process();
        let mut head = process();
        head.modules[1].own.cpu_ns += 10_000_000;
        let spread = |low, high| {
            Some(crate::model::Spread { cpu_low_ns: low, cpu_high_ns: high, ..Default::default() })
        };
        base.modules[1].spread = spread(1_000_000, 30_000_000);
        head.modules[1].spread = spread(2_000_000, 31_000_000);
        assert_eq!(causes(&base, &head), []);
    }

    #[test]
    fn like_profiles_have_no_causes() {
        assert_eq!(causes(&process(), &process()), []);
    }
}
