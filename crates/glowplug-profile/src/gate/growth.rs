//! What came or became dearer between two profiles of one entry point, and whose import brought it.

use super::chain::{self, Link};
use super::report::place;
use crate::model::{Module, Place, Process};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

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

/// Compares two profiles, and names what adds most.
pub fn causes(base: &Process, head: &Process) -> Vec<Cause> {
    let before: HashMap<&str, u64> = own_times(base);
    let is_new = |module: &Module| !before.contains_key(module.name.as_str());
    let mut causes: Vec<Cause> = Vec::new();
    for (index, name) in chain::loaded(head) {
        let module = &head.modules[index as usize];
        let chain = chain::of_load(head, index);
        if is_new(module) {
            let brought_by_new = chain
                .iter()
                .any(|link| link.module != name && !before.contains_key(link.module.as_str()));
            if !brought_by_new {
                causes.push(Cause {
                    module: name.to_owned(),
                    new: true,
                    cpu_ns: module.exclusive.cpu_ns,
                    modules: module.exclusive.modules,
                    place: place(&chain),
                    chain,
                });
            }
        }
    }
    let after = own_times(head);
    for (name, now) in &after {
        let Some(then) = before.get(name) else { continue };
        let more = now.saturating_sub(*then);
        if more >= LEAST_NS {
            causes.push(dearer(head, name, more));
        }
    }
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

/// CPU time of each module's own load, and of the program itself.
fn own_times(process: &Process) -> HashMap<&str, u64> {
    let mut times: HashMap<&str, u64> = HashMap::new();
    let program = process.modules.first().map(|module| (0, module.name.as_str()));
    for (index, name) in program.into_iter().chain(chain::loaded(process)) {
        *times.entry(name).or_default() += process.modules[index as usize].own.cpu_ns;
    }
    times
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{costs, sample};

    fn process() -> Process {
        let mut process = sample::profile().processes.remove(0);
        costs::derive(&mut process);
        process
    }

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
    fn like_profiles_have_no_causes() {
        assert_eq!(causes(&process(), &process()), []);
    }
}
