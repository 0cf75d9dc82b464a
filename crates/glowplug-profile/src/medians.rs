//! Several runs of one program, as one: medians of what its modules cost.

use crate::model::{Cost, Module, Phases, Process, Span, Spread, Usage};
use std::collections::HashMap;

/// The median of some numbers; of an even count the lower of the two in the middle. 0 for none.
pub fn median(numbers: &mut [u64]) -> u64 {
    if numbers.is_empty() {
        return 0;
    }
    let middle = (numbers.len() - 1) / 2;
    *numbers.select_nth_unstable(middle).1
}

/// One process of medians out of the same process in several runs. The run with the median of CPU time gives the structure: its
/// modules, edges and threads; what it did not load is left out.
///
/// `None` where there are no runs.
pub fn of_processes(runs: &[Process]) -> Option<Process> {
    let cpu =
        |process: &Process| process.modules.iter().map(|module| module.own.cpu_ns).sum::<u64>();
    let middle = median(&mut runs.iter().map(cpu).collect::<Vec<_>>());
    let mut process = runs.iter().find(|process| cpu(process) == middle)?.clone();
    if runs.len() < 2 {
        return Some(process);
    }
    let by_name: Vec<HashMap<(&str, usize), &Module>> =
        runs.iter().map(|run| numbered(&run.modules)).collect();
    let names: Vec<(String, usize)> = {
        let mut seen: HashMap<&str, usize> = HashMap::new();
        process
            .modules
            .iter()
            .map(|module| (module.name.clone(), count(&mut seen, &module.name)))
            .collect()
    };
    for (module, (name, number)) in process.modules.iter_mut().zip(&names) {
        let same: Vec<&Module> =
            by_name.iter().filter_map(|run| run.get(&(name.as_str(), *number)).copied()).collect();
        settle(module, &same);
    }
    for (index, thread) in process.threads.iter_mut().enumerate() {
        let same: Vec<Cost> =
            runs.iter().filter_map(|run| run.threads.get(index)).map(|t| t.outside).collect();
        thread.outside = costs(&same);
    }
    process.wall_ns = median(&mut runs.iter().map(|run| run.wall_ns).collect::<Vec<_>>());
    for (index, entry) in process.path_entries.iter_mut().enumerate() {
        let same = || {
            runs.iter()
                .filter_map(|run| run.path_entries.get(index))
                .filter(|other| other.path == entry.path)
        };
        let (miss_ns, wall_ns): (Vec<u64>, Vec<u64>) =
            same().map(|other| (other.miss_ns, other.wall_ns)).unzip();
        entry.miss_ns = median(&mut { miss_ns });
        entry.wall_ns = median(&mut { wall_ns });
    }
    Some(process)
}

/// Modules by their name, and a number for those that were loaded before under the same name.
fn numbered(modules: &[Module]) -> HashMap<(&str, usize), &Module> {
    let mut seen = HashMap::new();
    modules
        .iter()
        .map(|module| ((module.name.as_str(), count(&mut seen, &module.name)), module))
        .collect()
}

fn count<'a>(seen: &mut HashMap<&'a str, usize>, name: &'a str) -> usize {
    let count = seen.entry(name).or_default();
    *count += 1;
    *count - 1
}

fn settle(module: &mut Module, same: &[&Module]) {
    let own: Vec<Cost> = same.iter().map(|module| module.own).collect();
    let range = |of: fn(&Cost) -> u64| {
        let all = || own.iter().map(of);
        (all().min().unwrap_or(0), all().max().unwrap_or(0))
    };
    let (cpu_low_ns, cpu_high_ns) = range(|cost| cost.cpu_ns);
    let (wall_low_ns, wall_high_ns) = range(|cost| cost.wall_ns);
    module.spread = Some(Spread { cpu_low_ns, cpu_high_ns, wall_low_ns, wall_high_ns });
    module.own = costs(&own);
    module.usage = usage(same);
    let phase = |of: fn(&Phases) -> Span| {
        let all: Vec<Span> = same.iter().map(|module| of(&module.phases)).collect();
        span(&all)
    };
    module.phases = fit(
        Phases {
            find: phase(|p| p.find),
            read: phase(|p| p.read),
            unmarshal: phase(|p| p.unmarshal),
            compile: phase(|p| p.compile),
            dlopen: phase(|p| p.dlopen),
            body: phase(|p| p.body),
            other: Span::default(),
        },
        module.own,
    );
}

/// Used in one run is used; what was not watched in all of them is not known to be unused.
fn usage(same: &[&Module]) -> Usage {
    let any = |usage| same.iter().any(|module| module.usage == usage);
    match (any(Usage::Used), any(Usage::Unknown)) {
        (true, _) => Usage::Used,
        (false, true) => Usage::Unknown,
        (false, false) => Usage::Unused,
    }
}

/// Makes phases add up to the self time: medians of parts need not. What is left is `other`; what is too much is taken off the
/// greatest first.
fn fit(mut phases: Phases, own: Cost) -> Phases {
    let total = |phases: &mut Phases, of: fn(&mut Span) -> &mut u64| {
        parts(phases).map(of).iter().map(|ns| **ns).sum::<u64>()
    };
    for (of, own) in [(wall as fn(&mut Span) -> &mut u64, own.wall_ns), (cpu, own.cpu_ns)] {
        let mut excess = total(&mut phases, of).saturating_sub(own);
        while excess > 0 {
            let Some(greatest) = parts(&mut phases).map(of).into_iter().max_by_key(|ns| **ns)
            else {
                break;
            };
            let taken = excess.min(*greatest);
            *greatest -= taken;
            excess -= taken;
        }
        *of(&mut phases.other) = own - total(&mut phases, of);
    }
    phases
}

fn parts(phases: &mut Phases) -> [&mut Span; 6] {
    let Phases { find, read, unmarshal, compile, dlopen, body, .. } = phases;
    [find, read, unmarshal, compile, dlopen, body]
}

fn wall(span: &mut Span) -> &mut u64 {
    &mut span.wall_ns
}

fn cpu(span: &mut Span) -> &mut u64 {
    &mut span.cpu_ns
}

fn span(all: &[Span]) -> Span {
    Span {
        wall_ns: median(&mut all.iter().map(|span| span.wall_ns).collect::<Vec<_>>()),
        cpu_ns: median(&mut all.iter().map(|span| span.cpu_ns).collect::<Vec<_>>()),
    }
}

fn costs(all: &[Cost]) -> Cost {
    let of = |number: fn(&Cost) -> u64| median(&mut all.iter().map(number).collect::<Vec<_>>());
    Cost {
        wall_ns: of(|c| c.wall_ns),
        cpu_ns: of(|c| c.cpu_ns),
        rss_bytes: of(|c| c.rss_bytes),
        allocations: of(|c| c.allocations),
        allocated_bytes: of(|c| c.allocated_bytes),
        files_opened: of(|c| c.files_opened),
        bytes_read: of(|c| c.bytes_read),
        minor_faults: of(|c| c.minor_faults),
        major_faults: of(|c| c.major_faults),
        gc_ns: of(|c| c.gc_ns),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn phases_add_up_to_the_medians(times in proptest::collection::vec((0_u64..1000, 0_u64..1000, 0_u64..1000), 1..7)) {
            let runs: Vec<Process> = times
                .iter()
                .map(|&(find, read, other)| {
                    let mut process = sample::process();
                    let span = |ns| Span { wall_ns: ns, cpu_ns: ns };
                    let module = &mut process.modules[1];
                    module.phases = Phases { find: span(find), read: span(read), other: span(other), ..Phases::default() };
                    module.own = Cost { wall_ns: find + read + other, cpu_ns: find + read + other, ..module.own };
                    process
                })
                .collect();
            let mut process = of_processes(&runs).unwrap();
            let module = &mut process.modules[1];
            let sum: u64 = parts(&mut module.phases).iter().map(|span| span.cpu_ns).sum();
            prop_assert_eq!(sum + module.phases.other.cpu_ns, module.own.cpu_ns);
        }
    }

    #[test]
    fn the_median_of_an_even_count_is_the_lower_middle() {
        assert_eq!(median(&mut [4, 1, 3, 2]), 2);
        assert_eq!(median(&mut []), 0);
    }
}
