//! The search: eager runs, a lazy run, and as many more as it takes to find the importers that must stay eager.

use super::cause::{Cause, Evidence, cause};
use super::outcome::{Baseline, Difference, Outcome};
use crate::lazy::bisect::{Found, minimal_modules};
use crate::lazy::record::Record;
use std::collections::{BTreeSet, HashMap};

/// A run and what was noted in it.
#[derive(Clone, Debug)]
pub struct Run {
    /// What it came to.
    pub outcome: Outcome,
    /// What was noted.
    pub record: Record,
}

/// Which importers are eager in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep<'a> {
    /// All: nothing is lazy.
    Everything,
    /// These modules, beside those of the policy and the settings.
    Only(&'a [String]),
}

/// Why there are no more runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped<E> {
    /// The time that the search may take is over.
    OutOfTime,
    /// The program cannot be run.
    Failed(E),
}

/// Runs the program.
pub trait Runner {
    /// Why it cannot be run.
    type Error;

    /// One run to its end.
    ///
    /// # Errors
    /// Where the program cannot be started or watched, or the time for the search is over; not where the program fails.
    fn run(&mut self, keep: Keep<'_>) -> Result<Run, Stopped<Self::Error>>;

    /// Hears how the search is going.
    fn progress(&mut self, step: Step<'_>);
}

/// A step of the search.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// The eager runs are done.
    Eager(&'a Baseline),
    /// The lazy run is done and differs so.
    Lazy(&'a [Difference]),
    /// Something is needed.
    Found(Found<'a>),
    /// A run with this many importers eager is done; whether it was like the eager one.
    Tried {
        /// The number of the run.
        run: usize,
        /// How many importers were kept eager.
        kept: usize,
        /// Whether the run was like the eager one.
        well: bool,
    },
}

/// What the search has found.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// The lazy run is like the eager one.
    Same {
        /// The eager run.
        eager: Box<Run>,
        /// The lazy run.
        lazy: Box<Run>,
    },
    /// The program fails even eagerly, and the lazy run is like that: what comes after the failure was not seen.
    Fails,
    /// The lazy run was like the eager one because nothing was lazy in it: the interpreter cannot, and has said so.
    NeverLazy {
        /// What that run came to.
        lazy: Box<Outcome>,
    },
    /// These importers must stay eager, for these causes.
    Keep {
        /// How the lazy run differed.
        differences: Vec<Difference>,
        /// One for each importer, in order of their names.
        causes: Vec<Cause>,
        /// How often the program was run.
        runs: usize,
    },
    /// The time was over before the fewest importers were found.
    Unfinished {
        /// How the lazy run differed.
        differences: Vec<Difference>,
        /// Entries that are enough, packages as far as all their importers are among them, but perhaps not all needed; none where
        /// it was not even tried to keep all importers eager.
        enough: Vec<String>,
        /// How often the program was run.
        runs: usize,
    },
    /// The run differs even with every importer eager that was seen.
    Unexplained {
        /// How it differs.
        differences: Vec<Difference>,
    },
}

/// Runs the program eagerly twice and lazily once and, where that differs, searches.
///
/// # Errors
/// What the runner returns. Where the time is over while it searches, that is a verdict of its own.
pub fn search<R: Runner>(runner: &mut R) -> Result<(Baseline, Verdict), Stopped<R::Error>> {
    let mut tries = Tries { runner, runs: 0, enough: Vec::new(), failed: HashMap::new() };
    let eager = tries.run(Keep::Everything)?;
    let again = tries.run(Keep::Everything)?;
    let baseline = Baseline::of(eager.outcome.clone(), &again.outcome);
    tries.runner.progress(Step::Eager(&baseline));
    let lazy = tries.run(Keep::Only(&[]))?;
    let differences = baseline.differences(&lazy.outcome);
    tries.runner.progress(Step::Lazy(&differences));
    if differences.is_empty() {
        if baseline.fails() {
            return Ok((baseline, Verdict::Fails));
        }
        if lazy.record.loaded.is_empty() && lazy.record.pending.is_empty() {
            return Ok((baseline, Verdict::NeverLazy { lazy: Box::new(lazy.outcome) }));
        }
        let (eager, lazy) = (Box::new(eager), Box::new(lazy));
        return Ok((baseline, Verdict::Same { eager, lazy }));
    }
    let candidates = candidates(&eager.record, &lazy.record);
    let verdict = match tries.causes(&baseline, &candidates) {
        Ok(Some(causes)) => Verdict::Keep { differences, causes, runs: tries.runs },
        Ok(None) => Verdict::Unexplained { differences },
        Err(Stopped::OutOfTime) => {
            let enough = collapsed(&tries.enough, &candidates);
            Verdict::Unfinished { differences, enough, runs: tries.runs }
        }
        Err(failed) => return Err(failed),
    };
    Ok((baseline, verdict))
}

/// Sets of at most so many importers have their failed runs kept: the last of them tell why each importer is needed.
const MAX_KEPT: usize = 64;

struct Tries<'a, R: Runner> {
    runner: &'a mut R,
    runs: usize,
    /// The fewest importers so far that are enough.
    enough: Vec<String>,
    /// Runs that were not well, by the importers that were eager.
    failed: HashMap<Vec<String>, Run>,
}

impl<R: Runner> Tries<'_, R> {
    fn run(&mut self, keep: Keep<'_>) -> Result<Run, Stopped<R::Error>> {
        self.runs += 1;
        self.runner.run(keep)
    }

    /// Whether the program does the same with these importers eager.
    fn is_well(&mut self, baseline: &Baseline, kept: &[String]) -> Result<bool, Stopped<R::Error>> {
        let run = self.run(Keep::Only(kept))?;
        let well = baseline.differences(&run.outcome).is_empty();
        self.runner.progress(Step::Tried { run: self.runs, kept: kept.len(), well });
        if well && (self.enough.is_empty() || kept.len() < self.enough.len()) {
            self.enough = kept.to_vec();
        } else if !well && kept.len() <= MAX_KEPT {
            self.failed.insert(kept.to_vec(), run);
        }
        Ok(well)
    }

    /// The fewest candidates that have to be eager, and why; `None` where not even all of them are enough.
    fn causes(
        &mut self,
        baseline: &Baseline,
        candidates: &[String],
    ) -> Result<Option<Vec<Cause>>, Stopped<R::Error>> {
        if !self.is_well(baseline, candidates)? {
            return Ok(None);
        }
        let mut found = Vec::new();
        let minimal = {
            let tries = std::cell::RefCell::new(&mut *self);
            let holds = |kept: &[String]| match kept.len() {
                0 => Ok(false),
                all if all == candidates.len() => Ok(true),
                _ => tries.borrow_mut().is_well(baseline, kept),
            };
            let tell = |one: Found<'_>| tries.borrow_mut().runner.progress(Step::Found(one));
            minimal_modules(candidates, holds, tell)?
        };
        let well = self.run(Keep::Only(&minimal))?;
        for importer in &minimal {
            let others: Vec<String> =
                minimal.iter().filter(|one| *one != importer).cloned().collect();
            // The search has tried this last of all.
            let run = match self.failed.remove(&others) {
                Some(run) => run,
                None => self.run(Keep::Only(&others))?,
            };
            let differences = baseline.differences(&run.outcome);
            let told = run.outcome.last_error();
            let symptom = told.or_else(|| differences.first().map(ToString::to_string));
            found.push(cause(&Evidence {
                importer,
                lazily: &run.record,
                well: &well.record,
                symptom: symptom.as_deref(),
            }));
        }
        Ok(Some(found))
    }
}

/// Entries for sorted importers: a package instead of its modules where all candidates in it are among them, else `=module`.
fn collapsed(importers: &[String], candidates: &[String]) -> Vec<String> {
    let among = |package: &str, names: &[String]| {
        let is_within = |name: &&String| {
            name.strip_prefix(package).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        names.iter().filter(is_within).count()
    };
    let mut entries: Vec<String> = Vec::new();
    for importer in importers {
        let ends = importer.match_indices('.').map(|(at, _)| at).chain([importer.len()]);
        let whole = ends.map(|end| &importer[..end]).find(|package| {
            among(package, candidates) > 1
                && among(package, importers) == among(package, candidates)
        });
        let entry = whole.map_or_else(|| format!("={importer}"), str::to_owned);
        if !entries.contains(&entry) {
            entries.push(entry);
        }
    }
    entries
}

/// The modules that may have to stay eager: whatever the eager run has loaded, as those further down import something as well once
/// the ones above them are eager, and whatever had something pending in the lazy run.
fn candidates(eager: &Record, lazy: &Record) -> Vec<String> {
    let is_source = |file: &std::path::PathBuf| file.extension().is_none_or(|e| e != "so");
    let loaded = eager.loaded.iter().filter(|(_, file)| file.as_ref().is_some_and(is_source));
    let pending = lazy.pending.iter().map(|pending| pending.importer.clone());
    let all: BTreeSet<String> = loaded.map(|(name, _)| name.clone()).chain(pending).collect();
    all.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::super::outcome::Ended;
    use super::*;
    use crate::lazy::record::Pending;
    use std::convert::Infallible;

    /// A program of modules `p0.m0` … that fails unless `needed` are eager; prints what changes from run to run where `unsteady`.
    struct Program {
        modules: Vec<String>,
        needed: Vec<String>,
        hopeless: bool,
        unsteady: bool,
        fails_eagerly: bool,
        refused: bool,
        runs: usize,
        /// How many runs there is time for.
        limit: usize,
    }

    impl Runner for Program {
        type Error = Infallible;

        fn run(&mut self, keep: Keep<'_>) -> Result<Run, Stopped<Infallible>> {
            if self.runs == self.limit {
                return Err(Stopped::OutOfTime);
            }
            self.runs += 1;
            let well = match keep {
                Keep::Everything => !self.fails_eagerly,
                Keep::Only(kept) => {
                    !self.hopeless
                        && !self.fails_eagerly
                        && self.needed.iter().all(|one| kept.contains(one))
                }
            };
            let stdout = if self.unsteady { self.runs.to_string() } else { "out".to_owned() };
            let stderr = if well { "" } else { "KeyError: 'x'\n" }.to_owned();
            let ended = Ended::Status(i32::from(!well));
            let outcome = Outcome { ended, stdout: stdout.into(), stderr, tests: None };
            let file = |name: &String| (name.clone(), Some(format!("/nowhere/{name}.py").into()));
            let pending = |name: &String| Pending {
                importer: name.clone(),
                module: "other".into(),
                names: vec![],
                line: 1,
            };
            if self.refused {
                return Ok(Run { outcome, record: Record::default() });
            }
            let record = Record {
                loaded: self.modules.iter().map(file).collect(),
                pending: self.modules.iter().map(pending).collect(),
                ..Record::default()
            };
            Ok(Run { outcome, record })
        }

        fn progress(&mut self, _: Step<'_>) {}
    }

    fn program(needed: &[&str]) -> Program {
        let modules = (0..8).flat_map(|p| (0..9).map(move |m| format!("p{p}.m{m}"))).collect();
        let needed = needed.iter().map(|name| (*name).to_owned()).collect();
        Program {
            modules,
            needed,
            hopeless: false,
            unsteady: false,
            fails_eagerly: false,
            refused: false,
            runs: 0,
            limit: usize::MAX,
        }
    }

    fn verdict(program: &mut Program) -> Verdict {
        search(program).expect("there is time").1
    }

    #[test]
    fn a_program_that_does_the_same_takes_three_runs() {
        let mut program = program(&[]);
        assert!(matches!(verdict(&mut program), Verdict::Same { .. }));
        assert_eq!(program.runs, 3);
    }

    #[test]
    fn the_importers_are_found_with_what_was_said() {
        let mut program = program(&["p3.m4", "p6.m0"]);
        let Verdict::Keep { differences, causes, runs } = verdict(&mut program) else { panic!() };
        assert_eq!(differences[0].to_string(), "exit status 1 instead of exit status 0");
        let found: Vec<_> = causes.iter().map(|cause| cause.importer.as_str()).collect();
        assert_eq!(found, ["p3.m4", "p6.m0"]);
        assert_eq!(causes[0].symptom.as_deref(), Some("KeyError: 'x'"));
        assert_eq!(runs, program.runs);
        assert!(runs < 35, "{runs}");
    }

    #[test]
    fn where_the_time_is_over_what_is_enough_is_said() {
        let mut early = Program { limit: 4, ..program(&["p3.m4", "p6.m0"]) };
        let Verdict::Unfinished { enough, .. } = verdict(&mut early) else { panic!() };
        assert_eq!(enough, (0..8).map(|p| format!("p{p}")).collect::<Vec<_>>());
        let mut later = Program { limit: 12, ..program(&["p3.m4", "p6.m0"]) };
        let Verdict::Unfinished { enough, .. } = verdict(&mut later) else { panic!() };
        assert_eq!(enough, ["p3", "p6"]);
        let mut never = Program { limit: 1, ..program(&[]) };
        assert_eq!(search(&mut never).map(|_| ()), Err(Stopped::OutOfTime));
    }

    #[test]
    fn a_package_stands_for_all_that_is_in_it() {
        let names = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let all = names("a a.b a.b.c a.b.d e f");
        assert_eq!(collapsed(&names("a.b a.b.c a.b.d e"), &all), ["a.b", "=e"]);
        assert_eq!(collapsed(&names("a a.b a.b.c a.b.d"), &all), ["a"]);
        assert_eq!(collapsed(&names("a.b a.b.c"), &all), ["=a.b", "=a.b.c"]);
    }

    #[test]
    fn output_that_changes_from_run_to_run_is_not_compared() {
        let mut steady = Program { unsteady: true, ..program(&[]) };
        assert!(matches!(verdict(&mut steady), Verdict::Same { .. }));
        let mut failing = Program { unsteady: true, ..program(&["p1.m1"]) };
        assert!(matches!(verdict(&mut failing), Verdict::Keep { .. }));
    }

    #[test]
    fn a_program_that_fails_eagerly_is_no_program_that_does_the_same() {
        let mut failing = Program { fails_eagerly: true, ..program(&[]) };
        assert!(matches!(verdict(&mut failing), Verdict::Fails));
        assert_eq!(failing.runs, 3);
    }

    #[test]
    fn a_run_in_which_nothing_could_be_lazy_proves_nothing() {
        let mut refused = Program { refused: true, ..program(&[]) };
        assert!(matches!(verdict(&mut refused), Verdict::NeverLazy { .. }));
    }

    #[test]
    fn what_no_importer_explains_is_said() {
        let mut program = Program { hopeless: true, ..program(&["p1.m1"]) };
        assert!(matches!(verdict(&mut program), Verdict::Unexplained { .. }));
        assert_eq!(program.runs, 4);
    }
}
