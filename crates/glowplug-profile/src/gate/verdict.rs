//! Judges what was measured by a budget.

use super::budget::{Budget, CpuLimit, ExclusiveLimit, Figure, Pattern};
use super::chain::{self, Link};
use super::comparison::Interval;
use super::report::{Problem, ProblemKind};
use crate::costs::removal::Removal;
use crate::model::{Module, Process};
use std::collections::BTreeMap;

/// Figures beyond their limits. The heaviest module that the program itself brings in stands in the help of the figures that modules
/// make up.
pub fn limits(
    budget: &Budget,
    figures: &BTreeMap<Figure, u64>,
    process: Option<&Process>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (figure, limit) in &budget.limits {
        let Some(value) = figures.get(figure).copied().filter(|value| value > limit) else {
            continue;
        };
        let message =
            format!("{} {}, {} allowed", figure.show(value), figure.name(), figure.show(*limit));
        let heaviest = process.and_then(heaviest);
        let (help, chain) = match heaviest {
            Some((module, count, chain)) => (
                format!(
                    "`{module}` alone brings in {count} modules: drop it, or import it where it is used; or raise `{}`",
                    figure.key()
                ),
                chain,
            ),
            None => (
                format!("find out by `glowplug profile` what it is; or raise `{}`", figure.key()),
                Vec::new(),
            ),
        };
        let problem = Problem::violation(ProblemKind::Limit, message, help).through(chain);
        problems.push(Problem {
            figure: Some(*figure),
            value: Some(value),
            limit: Some(*limit),
            ..problem
        });
    }
    problems
}

/// The import that would save most modules, of those that the program leads to by imports whose places are known: what the
/// interpreter loads for itself cannot be helped.
fn heaviest(process: &Process) -> Option<(String, u32, Vec<Link>)> {
    let worth = |module: &Module| module.exclusive.modules > 1;
    let mut indices: Vec<u32> = (1..process.modules.len() as u32)
        .filter(|index| worth(&process.modules[*index as usize]))
        .collect();
    indices
        .sort_by_key(|index| std::cmp::Reverse(process.modules[*index as usize].exclusive.modules));
    indices.into_iter().find_map(|index| {
        let module = &process.modules[index as usize];
        let chain = chain::of_load(process, index);
        let is_known =
            chain.first().is_some_and(|link| link.line > 0 && link.importer == "__main__");
        is_known.then(|| (module.name.clone(), module.exclusive.modules, chain))
    })
}

/// Modules that are loaded and must not be, or must not be eagerly. One problem for each pattern, with the module that came first.
pub fn modules(budget: &Budget, process: &Process) -> Vec<Problem> {
    let loaded = chain::loaded(process);
    let matching = |pattern: &Pattern| {
        let fits = loaded.iter().filter(|(_, name)| pattern.matches(name));
        fits.map(|(index, name)| (*index, (*name).to_owned())).collect::<Vec<_>>()
    };
    let mut problems = Vec::new();
    for pattern in &budget.forbid {
        let found = matching(pattern);
        let Some((index, name)) = found.first() else { continue };
        let saving = &process.modules[*index as usize].exclusive;
        let message = format!(
            "`{name}` is loaded, which `{}` forbids; it alone costs {} and {} modules",
            pattern.as_str(),
            crate::figures::time(saving.cpu_ns),
            saving.modules
        );
        let help = "drop the import, or move it into the function that uses it".to_owned();
        let chain = chain::of_load(process, *index);
        problems.push(Problem::violation(ProblemKind::Forbidden, message, help).through(chain));
    }
    for pattern in &budget.lazy {
        let eager = matching(pattern)
            .into_iter()
            .find_map(|(index, name)| Some((name, chain::eager(process, index)?)));
        let Some((name, chain)) = eager else { continue };
        let message =
            format!("`{name}` is loaded eagerly, and `{}` has to be lazy", pattern.as_str());
        let help = "import it in the function that uses it, or lazily: `lazy import` from Python 3.15 on, `glowplug lazy run` before".to_owned();
        problems.push(Problem::violation(ProblemKind::NotLazy, message, help).through(chain));
    }
    problems
}

/// A module that costs more modules than it may. Nothing where the module is not loaded.
pub fn exclusive_modules(process: &Process, name: &str, limit: &ExclusiveLimit) -> Option<Problem> {
    let index = loaded_as(process, name)?;
    let most = limit.modules?;
    let value = Removal::of(process).lost(index).len() as u64;
    (value > most).then(|| {
        let message =
            format!("`{name}` brings in {value} modules that nothing else needs, {most} allowed");
        let help = format!("see `glowplug profile` for what it needs; or raise `exclusive.{name}`");
        let problem = Problem::violation(ProblemKind::Exclusive, message, help);
        Problem { value: Some(value), limit: Some(most), ..problem }
            .through(chain::of_load(process, index))
    })
}

/// A module whose exclusive CPU time, in bare starts, is surely beyond its limit.
pub fn exclusive_time(
    process: &Process,
    name: &str,
    limit: &ExclusiveLimit,
    measured: Interval,
) -> Option<Problem> {
    let index = loaded_as(process, name)?;
    let most = limit.cpu.filter(|most| measured.low > most.0)?;
    let message = format!(
        "`{name}` costs {:.2} times a bare start of Python (at least {:.2}), {most} allowed",
        measured.middle, measured.low
    );
    let help = format!("see `glowplug profile` for where it goes; or raise `exclusive.{name}`");
    let problem = Problem::violation(ProblemKind::Exclusive, message, help);
    Some(problem.through(chain::of_load(process, index)))
}

/// The load of a module, where it is loaded.
pub fn loaded_as(process: &Process, name: &str) -> Option<u32> {
    chain::loaded(process).into_iter().find(|(_, known)| *known == name).map(|(index, _)| index)
}

/// A start whose CPU time, in bare starts, is surely beyond its limit.
pub fn cpu_time(limit: &CpuLimit, measured: Interval) -> Option<Problem> {
    (measured.low > limit.limit.0).then(|| {
        let quota = match (limit.cpus, limit.memory) {
            (None, None) => String::new(),
            (cpus, memory) => {
                let cpus = cpus.map(|cpus| format!("{cpus} processors"));
                let memory = memory.map(crate::figures::bytes);
                let both: Vec<String> = cpus.into_iter().chain(memory).collect();
                format!(" with {}", both.join(" and "))
            }
        };
        let message = format!(
            "the start takes {:.2} times the CPU time of a bare start{quota} (at least {:.2}), {} allowed",
            measured.middle, measured.low, limit.limit
        );
        let help = "see `glowplug profile` for where it goes; or raise `cpu`".to_owned();
        Problem::violation(ProblemKind::CpuTime, message, help)
    })
}

/// Figures that have grown beyond a baseline by more than identical runs differ and than is allowed, percent.
pub fn grown(
    baseline: &BTreeMap<Figure, u64>,
    figures: &BTreeMap<Figure, u64>,
    allowed_percent: f64,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (figure, before) in baseline {
        let Some(value) = figures.get(figure).copied() else { continue };
        let (part, absolute) = figure.spread();
        let room = (*before as f64 * (part + allowed_percent / 100.0)) as u64;
        let most = before + room.max(absolute);
        if value <= most {
            continue;
        }
        let message = format!(
            "{} {}, {} in the baseline",
            figure.show(value),
            figure.name(),
            figure.show(*before)
        );
        let help = "if that is meant to be, record it: `glowplug gate record`".to_owned();
        let problem = Problem::violation(ProblemKind::Grown, message, help);
        problems.push(Problem {
            figure: Some(*figure),
            value: Some(value),
            limit: Some(most),
            ..problem
        });
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::super::budget::BareStarts;
    use super::*;
    use crate::sample::derived as process;

    fn patterns(names: &[&str]) -> Vec<Pattern> {
        names.iter().map(|name| Pattern::parse(name).unwrap()).collect()
    }

    #[test]
    fn what_is_forbidden_comes_with_its_chain() {
        let budget = Budget { forbid: patterns(&["schema", "tensorflow"]), ..Budget::default() };
        let problems = modules(&budget, &process());
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].kind, ProblemKind::Forbidden);
        assert_eq!(problems[0].chain.last().unwrap().module, "schema");
        assert!(problems[0].place.is_some());
    }

    #[test]
    fn what_has_to_be_lazy_may_be_loaded_within_functions() {
        let budget = Budget { lazy: patterns(&["schema"]), ..Budget::default() };
        let mut process = process();
        assert_eq!(modules(&budget, &process)[0].kind, ProblemKind::NotLazy);
        process.edges.iter_mut().for_each(|edge| edge.in_function = true);
        assert!(modules(&budget, &process).is_empty());
    }

    #[test]
    fn a_limit_is_the_most_that_passes() {
        let budget = |limit| Budget {
            limits: BTreeMap::from([(Figure::Modules, limit)]),
            ..Budget::default()
        };
        let figures = BTreeMap::from([(Figure::Modules, 8)]);
        assert!(limits(&budget(8), &figures, None).is_empty());
        let problems = limits(&budget(7), &figures, Some(&process()));
        assert_eq!((problems[0].value, problems[0].limit), (Some(8), Some(7)));
        assert!(problems[0].help.contains("`web`"), "{}", problems[0].help);
    }

    #[test]
    fn exclusive_limits_count_what_nothing_else_needs() {
        let limit =
            |modules, cpu: Option<f64>| ExclusiveLimit { modules, cpu: cpu.map(BareStarts) };
        let process = process();
        assert!(exclusive_modules(&process, "web.openapi", &limit(Some(3), None)).is_none());
        let problem = exclusive_modules(&process, "web.openapi", &limit(Some(2), None)).unwrap();
        assert_eq!(problem.value, Some(3));
        assert!(exclusive_modules(&process, "absent", &limit(Some(0), None)).is_none());
        let measured = Interval { low: 2.0, middle: 2.2, high: 2.5 };
        assert!(exclusive_time(&process, "schema", &limit(None, Some(2.0)), measured).is_none());
        assert!(exclusive_time(&process, "schema", &limit(None, Some(1.9)), measured).is_some());
    }

    #[test]
    fn only_the_lower_bound_decides_on_time() {
        let limit = CpuLimit { limit: BareStarts(3.0), cpus: Some(0.1), memory: Some(128 << 20) };
        assert!(cpu_time(&limit, Interval { low: 2.9, middle: 3.4, high: 4.0 }).is_none());
        let problem = cpu_time(&limit, Interval { low: 3.1, middle: 3.4, high: 4.0 }).unwrap();
        assert!(problem.message.contains("0.1 processors and 128.0 MiB"), "{}", problem.message);
    }

    #[test]
    fn a_baseline_allows_what_identical_runs_differ_by() {
        let baseline = BTreeMap::from([(Figure::Modules, 50), (Figure::Syscalls, 4000)]);
        let now = |modules, calls| {
            BTreeMap::from([(Figure::Modules, modules), (Figure::Syscalls, calls)])
        };
        assert!(grown(&baseline, &now(50, 4008), 0.0).is_empty());
        assert_eq!(grown(&baseline, &now(51, 4008), 0.0).len(), 1);
        assert_eq!(grown(&baseline, &now(51, 4100), 0.0).len(), 2);
        assert!(grown(&baseline, &now(51, 4100), 5.0).is_empty());
    }
}
