//! Measures an entry point on one side: all figures that are the same in identical runs.

use super::config::{Entry, Target};
use super::inside::Used;
use super::side::{Missing, Side, Start};
use super::{Context, bytecode, instructions};
use crate::profiling::{self, Plan, Surroundings};
use glowplug_linux::counting;
use glowplug_linux::limits::{Limits, Wanted};
use glowplug_linux::supervise::{self, Ended};
use glowplug_profile::gate::budget::Figure;
use glowplug_profile::gate::chain;
use glowplug_profile::gate::report::Problem;
use glowplug_profile::model::{Exit, Process, Profile};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

/// Of so many runs the least counts, for figures that other processes can only raise.
const RUNS: usize = 3;
/// So many of the last lines of a program's output are shown.
const LINES: usize = 12;

/// What was measured of an entry point.
#[derive(Debug, Default)]
pub struct Measured {
    /// The figures.
    pub figures: BTreeMap<Figure, u64>,
    /// The Python that did most importing.
    pub process: Option<Process>,
    /// What could not be measured.
    pub problems: Vec<Problem>,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What the entry point names is not there: the configuration is wrong.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// It is there and cannot be measured.
    #[error("{message}")]
    Unmeasured {
        /// What went wrong.
        message: String,
        /// What to do.
        help: String,
    },
}

impl Failure {
    pub(super) fn unmeasured(message: impl Into<String>, help: impl Into<String>) -> Failure {
        Failure::Unmeasured { message: message.into(), help: help.into() }
    }
}

/// An entry point that is ready to be run on a side, again and again.
pub struct Runner<'a> {
    context: &'a Context<'a>,
    side: &'a Side,
    entry: &'a Entry,
    /// How it is started.
    pub start: Start,
    /// Where its output goes.
    output: PathBuf,
}

impl<'a> Runner<'a> {
    /// Prepares an entry point, and runs it once so that caches are warm, bytecode is written and its status is known to be right.
    ///
    /// # Errors
    /// Where it is not there or does not run.
    pub fn new(
        context: &'a Context<'a>,
        side: &'a Side,
        entry: &'a Entry,
    ) -> Result<Self, Failure> {
        let start = side.start(entry, context.environment)?;
        let output = context.scratch.join("output");
        let runner = Runner { context, side, entry, start, output };
        runner.used()?;
        Ok(runner)
    }

    /// Where it runs.
    pub fn surroundings(&self) -> Surroundings {
        self.side.surroundings(self.entry, self.context.environment, &self.output)
    }

    /// A command line with the small process around it, with options of that.
    fn inside(&self, options: Vec<OsString>, command: Vec<OsString>) -> Vec<OsString> {
        let mut line: Vec<OsString> =
            vec![self.context.program.clone().into(), "gate".into(), "inside".into()];
        line.extend(options);
        line.extend(self.start.ready.iter().flat_map(|ready| ready.options()));
        line.push("--".into());
        line.extend(command);
        line
    }

    /// A command line that starts the program in another way: of a service with what ends it when it is ready.
    pub fn around(&self, command: Vec<OsString>) -> Vec<OsString> {
        if self.start.ready.is_some() { self.inside(Vec::new(), command) } else { command }
    }

    /// The command line.
    pub fn line(&self) -> Vec<OsString> {
        self.around(self.start.command.clone())
    }

    /// A command, to be started in its place.
    fn command(&self, line: &[OsString]) -> Result<Command, Failure> {
        let mut command = Command::new(&line[0]);
        command.args(&line[1..]);
        // Each run's output replaces that of the one before.
        let _ = fs::remove_file(&self.output);
        self.surroundings().apply(&mut command).map_err(|error| {
            let help = "set TMPDIR to a folder that can be written to";
            Failure::unmeasured(format!("cannot write {}: {error}", self.output.display()), help)
        })?;
        Ok(command)
    }

    /// Runs it under limits; its CPU time is in what is returned.
    ///
    /// # Errors
    /// Where it cannot be started, or ends otherwise than it should.
    pub fn timed(&self, limits: Wanted) -> Result<Ended, Failure> {
        let mut limits = Limits::new(limits);
        let mut line: Vec<OsString> = limits.wrapper().into_iter().map(OsString::from).collect();
        line.extend(self.line());
        let mut command = self.command(&line)?;
        let ended =
            supervise::run(&mut command, &mut limits).map_err(|error| self.cannot_start(&error))?;
        self.check(ended.status)?;
        Ok(ended)
    }

    /// What one run uses.
    fn used(&self) -> Result<Used, Failure> {
        let file = self.context.scratch.join("usage");
        let line =
            self.inside(vec!["--usage".into(), file.clone().into()], self.start.command.clone());
        let status = self.command(&line)?.status().map_err(|error| self.cannot_start(&error))?;
        self.check(status)?;
        let used = fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        used.ok_or_else(|| {
            Failure::unmeasured("the kernel's counts were not written", "run it again")
        })
    }

    /// A profile of some runs.
    ///
    /// # Errors
    /// Where none can be made.
    pub fn profile(&self, runs: u32) -> Result<Profile, Failure> {
        let _ = fs::remove_file(&self.output);
        let plan = Plan {
            command: self.line(),
            shown: self.start.shown.clone(),
            interpreter: None,
            runs,
            limits: Wanted::default(),
            cold: false,
            follow: self.start.ready.is_some(),
            surroundings: self.surroundings(),
            usage: false,
        };
        let profile = profiling::profile(&plan, self.context.environment, |_| ())
            .map_err(|error| Failure::unmeasured(error.to_string(), "see `glowplug profile`"))?;
        match profile.run.exit {
            Exit::Status(status) if status == self.entry.exit => Ok(profile),
            exit => Err(self.wrong_end(&format!("{exit:?}"))),
        }
    }

    fn system_calls(&self) -> Result<u64, Failure> {
        let mut command = self.command(&self.line())?;
        let counted = counting::system_calls(&mut command, self.start.ready.is_some());
        let counted = counted.map_err(|error| {
            let help =
                "allow ptrace: in containers by --cap-add=SYS_PTRACE; or drop the limit `syscalls`";
            Failure::unmeasured(format!("system calls cannot be counted: {error}"), help)
        })?;
        self.check(counted.status)?;
        Ok(counted.calls)
    }

    fn cannot_start(&self, error: &std::io::Error) -> Failure {
        let program = self.start.command[0].to_string_lossy();
        Failure::Missing(Missing {
            message: format!("`{program}` cannot be started: {error}"),
            help: "install it, or correct the entry point".to_owned(),
        })
    }

    fn check(&self, status: ExitStatus) -> Result<(), Failure> {
        if status.code() == Some(self.entry.exit) {
            return Ok(());
        }
        if let Some(missing) = self.missing_module() {
            return Err(Failure::Missing(missing));
        }
        Err(self.wrong_end(&status.to_string()))
    }

    fn wrong_end(&self, how: &str) -> Failure {
        let expected = self.entry.exit;
        let said = last_lines(&self.output);
        let said = if said.is_empty() { String::new() } else { format!("; it said:\n{said}") };
        Failure::unmeasured(
            format!("the program ended with {how} where status {expected} is expected{said}"),
            "mend the program; or say by `exit` which status is right",
        )
    }

    /// The module that the entry point itself names, where Python says that it is not there.
    fn missing_module(&self) -> Option<Missing> {
        let named: Vec<&str> = match &self.entry.target {
            Target::Module(words) => vec![&words[0]],
            Target::Import(modules) => modules.iter().map(String::as_str).collect(),
            _ => return None,
        };
        let said = last_lines(&self.output);
        let is_missing = |name: &&str| {
            said.contains(&format!("No module named '{name}'"))
                || said.contains(&format!("No module named {name}"))
        };
        let name = named.into_iter().find(is_missing)?;
        Some(Missing {
            message: format!("there is no module `{name}` for {}", self.side.python.display()),
            help: "install it, or name an interpreter that has it by `python`".to_owned(),
        })
    }

    /// All figures. Memory is laid out alike in all runs.
    pub fn measure(&self) -> Result<Measured, Failure> {
        counting::with_fixed_layout(|| self.measure_figures())
    }

    fn measure_figures(&self) -> Result<Measured, Failure> {
        let mut measured = Measured::default();
        let used = (0..RUNS).map(|_| self.used()).collect::<Result<Vec<_>, _>>()?;
        let least = |figure: fn(&Used) -> u64| used.iter().map(figure).min().unwrap_or(0);
        let figures = &mut measured.figures;
        figures.insert(Figure::MinorFaults, least(|used| used.minor_faults));
        figures.insert(Figure::PeakMemory, least(|used| used.peak_memory));
        if self.start.is_python {
            self.add_imports(&mut measured)?;
        }
        let calls: Result<Vec<u64>, Failure> = (0..2).map(|_| self.system_calls()).collect();
        self.add(&mut measured, Figure::Syscalls, calls.map(|calls| calls.into_iter().min()));
        if self.is_limited(Figure::Instructions) {
            let count =
                instructions::count(&self.start.command, &self.surroundings(), self.context);
            self.add(&mut measured, Figure::Instructions, count.map(Some));
        }
        for figure in self.entry.budget.limits.keys() {
            if !measured.figures.contains_key(figure) && measured.problems.is_empty() {
                measured.problems.push(not_of_commands(figure.name()));
            }
        }
        if !self.start.is_python && self.entry.budget.names_modules() {
            measured.problems.push(not_of_commands("which modules are loaded"));
        }
        Ok(measured)
    }

    fn is_limited(&self, figure: Figure) -> bool {
        self.entry.budget.limits.contains_key(&figure)
    }

    /// Takes a figure; that it could not be measured matters where it has a limit.
    fn add(&self, measured: &mut Measured, figure: Figure, value: Result<Option<u64>, Failure>) {
        match value {
            Ok(value) => measured.figures.extend(value.map(|value| (figure, value))),
            Err(failure) if self.is_limited(figure) => measured.problems.push(failure.problem()),
            Err(_) => {}
        }
    }

    fn add_imports(&self, measured: &mut Measured) -> Result<(), Failure> {
        let profile = self.profile(1)?;
        let Some(process) = profile.main() else {
            let help = "modules are seen in CPython from 3.9 on; for other programs use `command`";
            return Err(Failure::unmeasured("no CPython was seen", help));
        };
        let loaded = chain::loaded(process).len() as u64;
        let opened: u64 = process.modules.iter().map(|module| module.own.files_opened).sum();
        measured.figures.insert(Figure::Modules, loaded);
        measured.figures.insert(Figure::Files, opened);
        measured.figures.insert(Figure::Unmarshalled, bytecode::unmarshalled(process));
        measured.process = Some(process.clone());
        Ok(())
    }
}

impl Failure {
    /// As a problem of a report.
    pub fn problem(self) -> Problem {
        match self {
            Failure::Missing(Missing { message, help }) | Failure::Unmeasured { message, help } => {
                Problem::not_measured(message, help)
            }
        }
    }
}

fn not_of_commands(what: &str) -> Problem {
    let message = format!("{what} cannot be measured of a command that is not Python");
    let help = "name a Python program by `run`, `module`, `import` or `console-script`".to_owned();
    Problem::not_measured(message, help)
}

/// The last lines of a file, as they are.
pub fn last_lines(path: &Path) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
