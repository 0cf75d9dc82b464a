//! Judges one entry point: measures it, on both sides where there is a base, and says what is wrong.

use super::base::Both;
use super::baseline::Baseline;
use super::config::{BadConfig, Config, Entry, SysPathRule};
use super::measure::{Failure, Measured, Runner};
use super::side::{Missing, Side};
use super::{Context, GateError, Progress, blame, missing, path_watch, yardstick};
use glowplug_linux::limits::Wanted;
use glowplug_profile::gate::budget::Figure;
use glowplug_profile::gate::comparison::{Comparison, Sequence};
use glowplug_profile::gate::growth::{self, Cause};
use glowplug_profile::gate::report::{
    EntryReport, FigureReport, Problem, ProblemKind, Severity, Verdict,
};
use glowplug_profile::gate::verdict;
use glowplug_profile::model::Process;
use std::collections::BTreeMap;

/// Profiles of so many runs are compared for causes.
const PROFILES: u32 = 3;

/// Everything that an entry point is judged by.
pub struct Judge<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The entry point.
    pub entry: &'a Entry,
    /// What all runs share.
    pub context: &'a Context<'a>,
    /// The side that is judged.
    pub head: &'a Side,
    /// Both sides, where there is a base.
    pub both: Option<&'a Both>,
    /// Recorded figures.
    pub baseline: Option<&'a Baseline>,
    /// Who watches.
    pub progress: Progress<'a>,
}

/// What the base has of an entry point.
struct Base<'a> {
    runner: Runner<'a>,
    measured: Measured,
}

impl Judge<'_> {
    /// Measures and judges.
    ///
    /// # Errors
    /// Where the configuration turns out to be wrong: what it names is not there, or a limit is below what any program needs.
    pub fn report(&self) -> Result<EntryReport, GateError> {
        let mut report = EntryReport {
            name: self.entry.name.clone(),
            command: Vec::new(),
            verdict: Verdict::Passed,
            figures: Vec::new(),
            time: None,
            causes: Vec::new(),
            problems: Vec::new(),
        };
        let outcome = Runner::new(self.context, self.head, self.entry).and_then(|runner| {
            report.command = runner.start.shown.clone();
            runner.measure().map(|measured| (runner, measured))
        });
        match outcome {
            Ok((runner, measured)) => self.judge(&mut report, &runner, measured)?,
            Err(Failure::Missing(Missing { message, help })) => {
                return Err(missing(self.config, self.entry, message, help));
            }
            Err(failure) => report.problems.push(failure.problem()),
        }
        report.judge();
        Ok(report)
    }

    fn judge(
        &self,
        report: &mut EntryReport,
        runner: &Runner<'_>,
        mut measured: Measured,
    ) -> Result<(), GateError> {
        report.problems.append(&mut measured.problems);
        self.judge_limits(report, &measured)?;
        if let Some(process) = &measured.process {
            report.problems.extend(verdict::modules(&self.entry.budget, process));
            self.judge_exclusive(report, runner, process);
        }
        self.judge_cpu(report, runner);
        let base = self.base(report);
        let recorded = self.baseline.and_then(|baseline| baseline.entries.get(&self.entry.name));
        if let Some(recorded) = recorded {
            let grown = verdict::grown(&recorded.figures, &measured.figures, self.config.growth);
            report.problems.extend(grown);
        }
        let before = base.as_ref().map(|base| &base.measured.figures);
        let before = before.or(recorded.map(|recorded| &recorded.figures));
        report.figures = self.figure_reports(&measured.figures, before);
        if let Some(base) = &base {
            let both = base.measured.process.as_ref().zip(measured.process.as_ref());
            report.causes =
                both.map(|(base, head)| growth::new_modules(base, head)).unwrap_or_default();
            blame_new_modules(report);
        }
        self.judge_path(report, runner, &measured, base.as_ref());
        if let Some(base) = &base {
            self.compare(report, runner, base);
        }
        Ok(())
    }

    fn figure_reports(
        &self,
        figures: &BTreeMap<Figure, u64>,
        before: Option<&BTreeMap<Figure, u64>>,
    ) -> Vec<FigureReport> {
        let one = |(figure, value): (&Figure, &u64)| FigureReport {
            figure: *figure,
            value: *value,
            limit: self.entry.budget.limits.get(figure).copied(),
            base: before.and_then(|before| before.get(figure).copied()),
        };
        figures.iter().map(one).collect()
    }

    fn judge_limits(&self, report: &mut EntryReport, measured: &Measured) -> Result<(), GateError> {
        let found =
            verdict::limits(&self.entry.budget, &measured.figures, measured.process.as_ref());
        if !found.is_empty() {
            self.refuse_impossible(&found)?;
        }
        report.problems.extend(found);
        Ok(())
    }

    /// A limit that even a bare start of the interpreter breaks is a mistake in the configuration.
    fn refuse_impossible(&self, found: &[Problem]) -> Result<(), GateError> {
        let mut bare = yardstick::bare_start();
        bare.budget.limits = found.iter().filter_map(|one| one.figure.zip(one.limit)).collect();
        let measured = match Runner::new(self.context, self.head, &bare) {
            Ok(runner) if !self.is_command() => runner.measure().unwrap_or_default(),
            _ => return Ok(()),
        };
        for problem in found {
            let Some((figure, limit)) = problem.figure.zip(problem.limit) else { continue };
            let least = measured.figures.get(&figure).copied().unwrap_or(0);
            let Some(span) = self.entry.limit_spans.get(&figure).filter(|_| least > limit) else {
                continue;
            };
            let message = format!(
                "no program can keep to this limit: {} of {} are those of a bare start of {}",
                figure.name(),
                figure.show(least),
                self.head.python.display()
            );
            let help = format!("allow more than {}", figure.show(least));
            return Err(BadConfig::one(&self.config.source, span.clone(), message, help).into());
        }
        Ok(())
    }

    fn is_command(&self) -> bool {
        matches!(self.entry.target, super::config::Target::Command(_))
    }

    fn judge_exclusive(&self, report: &mut EntryReport, runner: &Runner<'_>, process: &Process) {
        for (module, limit) in &self.entry.budget.exclusive {
            report.problems.extend(verdict::exclusive_modules(process, module, limit));
            let Some(most) = limit.cpu else { continue };
            if verdict::loaded_as(process, module).is_none() {
                continue;
            }
            (self.progress)(&format!("measuring {}: what {module} costs", self.entry.name));
            let confidence = self.config.time.confidence;
            let measured =
                yardstick::exclusive(self.context, self.head, runner, module, most.0, confidence);
            match measured {
                Ok(Some(measured)) => report
                    .problems
                    .extend(verdict::exclusive_time(process, module, limit, measured)),
                Ok(None) => {}
                Err(failure) => report.problems.push(failure.problem()),
            }
        }
    }

    fn judge_cpu(&self, report: &mut EntryReport, runner: &Runner<'_>) {
        let Some(limit) = &self.entry.budget.cpu else { return };
        (self.progress)(&format!("measuring {}: CPU time", self.entry.name));
        let confidence = self.config.time.confidence;
        match yardstick::cpu_time(self.context, self.head, runner, limit, confidence) {
            Ok(measured) => report.problems.extend(verdict::cpu_time(limit, measured)),
            Err(failure) => report.problems.push(failure.problem()),
        }
    }

    /// The same entry point on the base's side. One that is new there is not compared, which is said.
    fn base(&self, report: &mut EntryReport) -> Option<Base<'_>> {
        let both = self.both?;
        (self.progress)(&format!("measuring {}: the base", self.entry.name));
        let outcome = Runner::new(self.context, &both.base, self.entry)
            .and_then(|runner| runner.measure().map(|measured| Base { runner, measured }));
        match outcome {
            Ok(base) => Some(base),
            Err(Failure::Missing(Missing { message, .. })) => {
                let message = format!("the base has no such entry point: {message}");
                let help = "it is compared from the next commit on".to_owned();
                report.problems.push(Problem {
                    severity: Severity::Note,
                    ..Problem::not_measured(message, help)
                });
                None
            }
            Err(Failure::Unmeasured { message, help }) => {
                let message = format!("the base cannot be measured: {message}");
                report.problems.push(Problem::not_measured(message, help));
                None
            }
        }
    }

    /// Times of both sides in turn.
    fn compare(&self, report: &mut EntryReport, head: &Runner<'_>, base: &Base<'_>) {
        (self.progress)(&format!("comparing {}", self.entry.name));
        report.judge();
        let is_decided = report.verdict == Verdict::Violated;
        let sequence = if is_decided { Sequence::brief } else { Sequence::new }(self.config.time);
        match interleave(sequence, &base.runner, head) {
            Ok(comparison) => {
                if comparison.slower {
                    report.causes = self.causes(&base.runner, head);
                    report.problems.push(slower(&comparison, &report.causes));
                }
                report.time = Some(comparison);
            }
            Err(failure) => report.problems.push(failure.problem()),
        }
    }

    /// What adds most, with the lines that the commits changed.
    fn causes(&self, base: &Runner<'_>, head: &Runner<'_>) -> Vec<Cause> {
        let profile = |runner: &Runner<'_>| runner.profile(PROFILES).ok();
        let Some((before, after)) = profile(base).zip(profile(head)) else { return Vec::new() };
        let Some((before, after)) = before.main().zip(after.main()) else { return Vec::new() };
        let mut causes = growth::causes(before, after);
        if let Some(both) = self.both {
            blame::place(&mut causes, both);
        }
        causes
    }

    fn judge_path(
        &self,
        report: &mut EntryReport,
        runner: &Runner<'_>,
        measured: &Measured,
        base: Option<&Base<'_>>,
    ) {
        let Some(process) = &measured.process else { return };
        if self.config.sys_path == SysPathRule::Off {
            return;
        }
        let found = match path_watch::findings(runner, self.head, process, self.context) {
            Ok(found) => found,
            Err(failure) => {
                report.problems.push(failure.problem());
                return;
            }
        };
        let known: Option<Vec<String>> = match (base, self.both) {
            (Some(base), Some(both)) => base
                .measured
                .process
                .as_ref()
                .and_then(|process| {
                    path_watch::findings(&base.runner, &both.base, process, self.context).ok()
                })
                .map(|found| found.iter().map(|one| both.base.relative(&one.path)).collect()),
            _ => self
                .baseline
                .and_then(|baseline| baseline.entries.get(&self.entry.name))
                .map(|recorded| recorded.sys_path.clone()),
        };
        for finding in found {
            let path = self.head.relative(&finding.path);
            let is_new = known.as_ref().is_some_and(|known| !known.contains(&path));
            let severity = match self.config.sys_path {
                SysPathRule::All => Severity::Violation,
                SysPathRule::New if is_new => Severity::Violation,
                _ => Severity::Note,
            };
            let help = "take it off sys.path, or move it to the end".to_owned();
            let problem = Problem::violation(ProblemKind::SysPath, finding.message, help);
            let (place, path_entry) = (finding.added, Some(path));
            report.problems.push(Problem { severity, place, path_entry, ..problem });
        }
    }
}

/// Which side is run first changes from pair to pair, so that nothing that comes in turn falls on one side alone.
fn interleave(
    mut sequence: Sequence,
    base: &Runner<'_>,
    head: &Runner<'_>,
) -> Result<Comparison, Failure> {
    let ms = |runner: &Runner<'_>| {
        runner.timed(Wanted::default()).map(|ended| ended.cpu.as_secs_f64() * 1e3)
    };
    let mut base_first = true;
    loop {
        let (first, second) = if base_first { (base, head) } else { (head, base) };
        let (one, two) = (ms(first)?, ms(second)?);
        let (base_ms, head_ms) = if base_first { (one, two) } else { (two, one) };
        if let Some(comparison) = sequence.push(base_ms, head_ms) {
            return Ok(comparison);
        }
        base_first = !base_first;
    }
}

/// Where modules came that the base does not load, it is these that broke a limit: the problem gets the place of the dearest.
fn blame_new_modules(report: &mut EntryReport) {
    let Some(cause) = report.causes.first() else { return };
    for problem in report.problems.iter_mut().filter(|problem| problem.kind == ProblemKind::Limit) {
        problem.place = cause.place.clone();
        problem.chain = cause.chain.clone();
        problem.help = format!(
            "`{}` is new, with {}: import it where it is used, or lazily; or raise the limit",
            cause.module,
            glowplug_profile::figures::counted(u64::from(cause.modules), "module")
        );
    }
}

fn slower(comparison: &Comparison, causes: &[Cause]) -> Problem {
    let message = format!(
        "the start takes {:.1} ms of CPU time more than the base, at least {:.1} ms and {:.1}% ({:.1} -> {:.1} ms, {} pairs)",
        comparison.difference_ms.middle,
        comparison.difference_ms.low,
        comparison.difference_percent.low,
        comparison.base_ms,
        comparison.head_ms,
        comparison.pairs
    );
    let Some(cause) = causes.first() else {
        let help = "see `glowplug profile diff` for where it goes".to_owned();
        return Problem::violation(ProblemKind::Slower, message, help);
    };
    let more = glowplug_profile::figures::time(cause.cpu_ns);
    let help = if cause.new {
        format!(
            "`{}` is new, with {} modules and {more}: import it where it is used, or lazily",
            cause.module, cause.modules
        )
    } else {
        format!(
            "`{}` itself has become dearer by {more}: move that work out of the import",
            cause.module
        )
    };
    let problem = Problem::violation(ProblemKind::Slower, message, help);
    Problem { place: cause.place.clone(), chain: cause.chain.clone(), ..problem }
}
