//! The search: eager runs, a lazy run, and as many more as it takes to find the importers that must stay eager.

use super::cause::{Cause, Evidence, cause};
use super::outcome::{Baseline, Difference, Outcome};
use crate::lazy::bisect::minimal_modules;
use crate::lazy::record::Record;
use std::collections::BTreeSet;

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

/// Runs the program.
pub trait Runner {
    /// Why it cannot be run.
    type Error;

    /// One run to its end.
    ///
    /// # Errors
    /// Where the program cannot be started or watched; not where it fails.
    fn run(&mut self, keep: Keep<'_>) -> Result<Run, Self::Error>;

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
    /// A run with this many importers eager is done; whether it was like the eager one.
    Tried {
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
    /// These importers must stay eager, for these causes.
    Keep {
        /// How the lazy run differed.
        differences: Vec<Difference>,
        /// One for each importer, in order of their names.
        causes: Vec<Cause>,
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
/// What the runner returns.
pub fn search<R: Runner>(runner: &mut R) -> Result<(Baseline, Verdict), R::Error> {
    let mut counted = Counted { runner, runs: 0 };
    let eager = counted.run(Keep::Everything)?;
    let again = counted.run(Keep::Everything)?;
    let baseline = Baseline::of(eager.outcome.clone(), &again.outcome);
    counted.runner.progress(Step::Eager(&baseline));
    let lazy = counted.run(Keep::Only(&[]))?;
    let differences = baseline.differences(&lazy.outcome);
    counted.runner.progress(Step::Lazy(&differences));
    if differences.is_empty() {
        let (eager, lazy) = (Box::new(eager), Box::new(lazy));
        return Ok((baseline, Verdict::Same { eager, lazy }));
    }
    let candidates = candidates(&eager.record, &lazy.record);
    let all = counted.run(Keep::Only(&candidates))?;
    if !counted.is_well(&baseline, &all, candidates.len()) {
        return Ok((baseline, Verdict::Unexplained { differences }));
    }
    let minimal = minimal_modules(&candidates, |kept| {
        if kept.is_empty() || kept.len() == candidates.len() {
            return Ok(!kept.is_empty());
        }
        let run = counted.run(Keep::Only(kept))?;
        Ok(counted.is_well(&baseline, &run, kept.len()))
    })?;
    let well = counted.run(Keep::Only(&minimal))?;
    let causes = causes(&mut counted, &baseline, &minimal, &well)?;
    let runs = counted.runs;
    Ok((baseline, Verdict::Keep { differences, causes, runs }))
}

struct Counted<'a, R: Runner> {
    runner: &'a mut R,
    runs: usize,
}

impl<R: Runner> Counted<'_, R> {
    fn run(&mut self, keep: Keep<'_>) -> Result<Run, R::Error> {
        self.runs += 1;
        self.runner.run(keep)
    }

    fn is_well(&mut self, baseline: &Baseline, run: &Run, kept: usize) -> bool {
        let well = baseline.differences(&run.outcome).is_empty();
        self.runner.progress(Step::Tried { kept, well });
        well
    }
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

/// For each importer, one run in which it alone is lazy, and what that tells.
fn causes<R: Runner>(
    counted: &mut Counted<'_, R>,
    baseline: &Baseline,
    minimal: &[String],
    well: &Run,
) -> Result<Vec<Cause>, R::Error> {
    let mut causes = Vec::new();
    for importer in minimal {
        let others: Vec<String> = minimal.iter().filter(|one| *one != importer).cloned().collect();
        let run = counted.run(Keep::Only(&others))?;
        let differences = baseline.differences(&run.outcome);
        let told = run.outcome.last_error();
        let symptom = told.or_else(|| differences.first().map(ToString::to_string));
        causes.push(cause(&Evidence {
            importer,
            lazily: &run.record,
            well: &well.record,
            symptom: symptom.as_deref(),
        }));
    }
    Ok(causes)
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
        runs: usize,
    }

    impl Runner for Program {
        type Error = Infallible;

        fn run(&mut self, keep: Keep<'_>) -> Result<Run, Infallible> {
            self.runs += 1;
            let well = match keep {
                Keep::Everything => true,
                Keep::Only(kept) => {
                    !self.hopeless && self.needed.iter().all(|one| kept.contains(one))
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
        Program { modules, needed, hopeless: false, unsteady: false, runs: 0 }
    }

    fn verdict(program: &mut Program) -> Verdict {
        let Ok((_, verdict)) = search(program);
        verdict
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
        assert!(runs < 50, "{runs}");
    }

    #[test]
    fn output_that_changes_from_run_to_run_is_not_compared() {
        let mut steady = Program { unsteady: true, ..program(&[]) };
        assert!(matches!(verdict(&mut steady), Verdict::Same { .. }));
        let mut failing = Program { unsteady: true, ..program(&["p1.m1"]) };
        assert!(matches!(verdict(&mut failing), Verdict::Keep { .. }));
    }

    #[test]
    fn what_no_importer_explains_is_said() {
        let mut program = Program { hopeless: true, ..program(&["p1.m1"]) };
        assert!(matches!(verdict(&mut program), Verdict::Unexplained { .. }));
        assert_eq!(program.runs, 4);
    }
}
