//! `glowplug lazy check`: finds the importers that must stay eager for a program to do the same with lazy imports.

use crate::lazy::check::{
    self, Baseline, Cause, CommandError, Found, Outcome, Program, Starter, Step, Stopped, Verdict,
};
use crate::lazy::pyproject::{self, Kept, WriteError};
use crate::settings::Environment;
use crate::{exit, explain};
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

/// Runs a program eagerly and lazily, and finds the fewest importers that must stay eager.
#[derive(Debug, clap::Args)]
#[command(override_usage = "glowplug lazy check [OPTIONS] -- COMMAND [ARGUMENTS]")]
pub struct Check {
    /// Say what would be written, and write nothing
    #[arg(long)]
    no_write: bool,
    /// The file that is written [default: pyproject.toml in the working directory, or glowplug.toml where that is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Leave out the shipped policy
    #[arg(long)]
    no_policy: bool,
    /// How long the search may take; then the smallest set of importers is given that is known to be enough
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    time_limit: u64,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
    /// A Python program, as a shell would start it: `pytest`, `python -m app`, `script.py`
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error("the program cannot be run: {0}")]
    Run(#[from] io::Error),
    #[error(
        "the program did not end twice within {0} seconds\nhelp: check a command that ends, or give it more time by --time-limit"
    )]
    Endless(u64),
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Runs the command and returns the exit status.
pub fn run(options: &Check, environment: &Environment) -> u8 {
    match checked(options, environment) {
        Ok(status) => status,
        Err(failure) => {
            explain::error(&failure);
            exit::USAGE
        }
    }
}

fn checked(options: &Check, environment: &Environment) -> Result<u8, Failure> {
    let program = Program::of(&options.command, environment.get("PATH"))?;
    let mut tell = tell;
    let time = Duration::from_secs(options.time_limit);
    let mut starter = Starter::new(&program, options.no_policy, time, &mut tell)?;
    let (baseline, verdict) = check::search(&mut starter).map_err(|stopped| match stopped {
        Stopped::OutOfTime => Failure::Endless(options.time_limit),
        Stopped::Failed(error) => Failure::Run(error),
    })?;
    let config = options.config.clone().unwrap_or_else(default_config);
    let kept = kept(&verdict);
    let added = match options.no_write {
        true => Vec::new(),
        false => pyproject::keep_eager(&config, &kept)?,
    };
    let text = if options.json {
        format!("{:#}\n", json(&verdict, &baseline))
    } else {
        told(&verdict, &baseline, &kept) + &written(options, &config, &kept, &added)
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(match verdict {
        Verdict::Same { .. } => 0,
        Verdict::Fails | Verdict::NeverLazy { .. } => exit::UNMEASURED,
        Verdict::Keep { .. } | Verdict::Unfinished { .. } => exit::FOUND,
        Verdict::Unexplained { .. } => exit::UNEXPLAINED,
    })
}

fn default_config() -> PathBuf {
    let own = PathBuf::from("glowplug.toml");
    if own.is_file() { own } else { "pyproject.toml".into() }
}

/// How the search is going, on standard error.
fn tell(step: Step<'_>) {
    let line = match step {
        Step::Eager(baseline) => {
            let tests =
                baseline.outcome().tests.as_ref().map(|tests| format!(", {} tests", tests.len()));
            let unsteady = baseline.unsteady();
            let unsteady = match unsteady.is_empty() {
                true => String::new(),
                false => {
                    format!("; not compared, as two eager runs differ: {}", unsteady.join(", "))
                }
            };
            format!("eagerly: {}{}{unsteady}", baseline.outcome().ended, tests.unwrap_or_default())
        }
        Step::Lazy([]) => "lazily: no difference".to_owned(),
        Step::Lazy([first, rest @ ..]) => match rest.len() {
            0 => format!("lazily: {first}"),
            more => format!("lazily: {first}, and {more} differences more"),
        },
        Step::Tried { run, kept, well } => {
            let how = if well { "the same" } else { "different" };
            format!("run {run}, {kept} importers eager: {how}")
        }
        Step::Found(Found::Within(package)) => format!("something in `{package}` must stay eager"),
        Step::Found(Found::Module(module)) => format!("`{module}` must stay eager"),
    };
    let _ = writeln!(io::stderr(), "{line}");
}

fn kept(verdict: &Verdict) -> Vec<Kept> {
    match verdict {
        Verdict::Keep { causes, .. } => causes
            .iter()
            .map(|cause| Kept { importer: entry(cause), reason: cause.to_string() })
            .collect(),
        Verdict::Unfinished { enough, .. } => {
            let reason = "perhaps not needed: the search ended before that was known";
            let kept = |entry: &String| Kept { importer: entry.clone(), reason: reason.to_owned() };
            enough.iter().map(kept).collect()
        }
        Verdict::Same { .. }
        | Verdict::Fails
        | Verdict::NeverLazy { .. }
        | Verdict::Unexplained { .. } => Vec::new(),
    }
}

/// The entry for an importer: the module alone.
fn entry(cause: &Cause) -> String {
    format!("={}", cause.importer)
}

fn told(verdict: &Verdict, baseline: &Baseline, kept: &[Kept]) -> String {
    match verdict {
        Verdict::Same { eager, lazy } => {
            let (before, after) = (eager.record.loaded.len(), lazy.record.loaded.len());
            format!(
                "the program does the same with lazy imports, and loads {after} modules instead of {before}\n"
            )
        }
        Verdict::Fails => told_failure(baseline.outcome()),
        Verdict::NeverLazy { lazy } => format!(
            "nothing was lazy in the lazy run, so nothing was compared; it said last:\n{}",
            last_lines(lazy)
        ),
        Verdict::Keep { runs, .. } => {
            let reasons: String = kept.iter().map(|one| format!("  {}\n", one.reason)).collect();
            format!("{} importers must stay eager (found in {runs} runs):\n{reasons}", kept.len())
        }
        Verdict::Unfinished { differences, enough, runs } if enough.is_empty() => format!(
            "the program differs ({}), and the time was over after {runs} runs\nhelp: give it more time by --time-limit\n",
            differences.first().map(ToString::to_string).unwrap_or_default()
        ),
        Verdict::Unfinished { runs, .. } => {
            let entries: String = kept.iter().map(|one| format!("  {}\n", one.importer)).collect();
            format!(
                "these importers are enough, but perhaps not all needed (the time was over after {runs} runs):\n{entries}help: give \
                 it more time by --time-limit\n"
            )
        }
        Verdict::Unexplained { differences } => {
            let lines: String = differences.iter().take(20).map(|d| format!("  {d}\n")).collect();
            format!(
                "the program differs even with every importer eager that was seen:\n{lines}help: it may look at how imports are done, or \
                 depend on time or chance; try it with `glowplug lazy run --keep-eager '*'`\n"
            )
        }
    }
}

/// How many of the last lines of a run are shown from which nothing can be learnt.
const LAST_LINES: usize = 8;

/// What a program did that fails eagerly, and how little its likeness says.
fn told_failure(eager: &Outcome) -> String {
    let compared = match (&eager.tests, eager.failed_tests()) {
        (Some(tests), Some(failed)) => {
            format!("how each of {} tests ended, {failed} of which fail", tests.len())
        }
        (Some(_), None) => "that no test was run".to_owned(),
        (None, _) => "what it printed until then".to_owned(),
    };
    format!(
        "the program itself fails, without lazy imports as with them: {}\n{}nothing was compared beyond that and {compared}\nhelp: check a \
         command that ends with exit status 0\n",
        eager.ended,
        last_lines(eager)
    )
}

fn last_lines(run: &Outcome) -> String {
    run.last_lines(LAST_LINES).iter().map(|line| format!("  {line}\n")).collect()
}

fn written(options: &Check, config: &std::path::Path, kept: &[Kept], added: &[Kept]) -> String {
    if kept.is_empty() {
        String::new()
    } else if options.no_write {
        "nothing is written, as --no-write asks\n".to_owned()
    } else if added.is_empty() {
        format!("{} has them already\n", config.display())
    } else {
        format!("written to {}\n", config.display())
    }
}

fn json(verdict: &Verdict, baseline: &Baseline) -> serde_json::Value {
    let (name, differences, causes) = match verdict {
        Verdict::Same { .. } => ("same", &[][..], &[][..]),
        Verdict::Fails => ("fails", &[][..], &[][..]),
        Verdict::NeverLazy { .. } => ("never-lazy", &[][..], &[][..]),
        Verdict::Keep { differences, causes, .. } => {
            ("keep", differences.as_slice(), causes.as_slice())
        }
        Verdict::Unfinished { differences, .. } => ("unfinished", differences.as_slice(), &[][..]),
        Verdict::Unexplained { differences } => ("unexplained", differences.as_slice(), &[][..]),
    };
    let enough = match verdict {
        Verdict::Unfinished { enough, .. } => enough.as_slice(),
        _ => &[],
    };
    let causes: Vec<_> = causes
        .iter()
        .map(|cause| serde_json::json!({ "entry": entry(cause), "cause": cause, "reason": cause.to_string() }))
        .collect();
    let last_lines = match baseline.fails() {
        true => baseline.outcome().last_lines(LAST_LINES),
        false => Vec::new(),
    };
    serde_json::json!({
        "version": 1,
        "verdict": name,
        "eager": { "ended": baseline.outcome().ended.to_string(), "last_lines": last_lines },
        "differences": differences.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "not_compared": baseline.unsteady(),
        "keep": causes,
        "enough": enough,
    })
}
