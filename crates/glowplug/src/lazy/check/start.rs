//! Runs of the program that is checked: each is a `glowplug lazy run` of its own, watched from outside.

use super::Program;
use super::outcome::{Ended, Outcome, tests_of_junit};
use super::search::{Keep, Run, Runner, Step, Stopped};
use crate::lazy::record::Record;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::MemfdFlags;
use rustix::io::FdFlags;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Names in one argument: the kernel takes at most 128 KiB in one.
const NAMES_AT_ONCE: usize = 1000;

/// How much longer than the eager run any other may take, and how long at least, before it counts as hanging.
const PATIENCE: u32 = 10;
const LEAST_PATIENCE: Duration = Duration::from_secs(20);

/// The program, and how its runs are told.
pub struct Starter<'a> {
    /// The `glowplug` that is started.
    pub glowplug: PathBuf,
    /// The program.
    pub program: &'a Program,
    /// Whether the shipped policy is left out.
    pub no_policy: bool,
    /// When the search has to end.
    pub deadline: Instant,
    /// Hears how the search is going.
    pub tell: &'a mut dyn FnMut(Step<'_>),
    /// The time that the first run took.
    eager: Option<Duration>,
}

impl<'a> Starter<'a> {
    /// A starter of a program by this very Glowplug, for a search that may take so long.
    ///
    /// # Errors
    /// Where the system does not say which file this program is.
    pub fn new(
        program: &'a Program,
        no_policy: bool,
        time: Duration,
        tell: &'a mut dyn FnMut(Step<'_>),
    ) -> io::Result<Starter<'a>> {
        let (glowplug, deadline) = (std::env::current_exe()?, Instant::now() + time);
        Ok(Starter { glowplug, program, no_policy, deadline, tell, eager: None })
    }

    fn command(&self, keep: Keep<'_>, log: &File, junit: &std::path::Path) -> Command {
        let mut command = Command::new(&self.glowplug);
        command.args(["lazy", "run", &format!("--events={}", log.as_raw_fd())]);
        if self.no_policy {
            command.arg("--no-policy");
        }
        match keep {
            Keep::Everything => {
                command.arg("--keep-eager=*");
            }
            Keep::Only(names) => {
                for names in names.chunks(NAMES_AT_ONCE) {
                    let names: Vec<String> = names.iter().map(|name| format!("={name}")).collect();
                    command.arg(format!("--keep-eager={}", names.join(",")));
                }
            }
        }
        if let Some(python) = &self.program.python {
            command.arg("--python").arg(python);
        }
        let mut report = OsString::from("--junitxml=");
        report.push(junit);
        command.args(self.program.with_pytest_options(&[report]));
        command
    }

    /// Waits for the end of a process and kills its group where that does not come: then there is no status.
    fn wait(
        &self,
        child: &mut std::process::Child,
    ) -> Result<Option<ExitStatus>, Stopped<io::Error>> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let patience = self.eager.map_or(left, |eager| (eager * PATIENCE).max(LEAST_PATIENCE));
        let status = wait_for(child, patience.min(left))?;
        if status.is_none() && patience >= left {
            return Err(Stopped::OutOfTime);
        }
        Ok(status)
    }
}

fn wait_for(child: &mut std::process::Child, time: Duration) -> io::Result<Option<ExitStatus>> {
    let pid = Pid::from_child(child);
    let handle: OwnedFd = pidfd_open(pid, PidfdFlags::empty())?;
    let mut polled = [PollFd::new(&handle, PollFlags::IN)];
    let timeout = Timespec::try_from(time).map_err(io::Error::other)?;
    if poll(&mut polled, Some(&timeout))? > 0 {
        return child.wait().map(Some);
    }
    kill_process_group(pid, Signal::KILL)?;
    child.wait()?;
    Ok(None)
}

impl From<io::Error> for Stopped<io::Error> {
    fn from(error: io::Error) -> Self {
        Stopped::Failed(error)
    }
}

impl Runner for Starter<'_> {
    type Error = io::Error;

    fn run(&mut self, keep: Keep<'_>) -> Result<Run, Stopped<io::Error>> {
        let folder = tempfile::tempdir()?;
        let junit = folder.path().join("report.xml");
        let log = rustix::fs::memfd_create("glowplug-log", MemfdFlags::CLOEXEC);
        let log = File::from(log.map_err(io::Error::from)?);
        let (stdout, stderr) = (tempfile::tempfile()?, tempfile::tempfile()?);
        rustix::io::fcntl_setfd(&log, FdFlags::empty()).map_err(io::Error::from)?;
        let began = Instant::now();
        let mut command = self.command(keep, &log, &junit);
        command.stdin(Stdio::null()).stdout(stdout.try_clone()?).stderr(stderr.try_clone()?);
        let mut child = command.process_group(0).spawn()?;
        let status = self.wait(&mut child)?;
        self.eager.get_or_insert_with(|| began.elapsed());
        let tests = self.program.is_pytest().then(|| {
            let report = std::fs::read_to_string(&junit).unwrap_or_default();
            tests_of_junit(&report).unwrap_or_default()
        });
        let outcome = Outcome {
            ended: ended(status),
            stdout: contents(stdout)?,
            stderr: String::from_utf8_lossy(&contents(stderr)?).into_owned(),
            tests,
        };
        Ok(Run { outcome, record: Record::parse(&contents(log)?) })
    }

    fn progress(&mut self, step: Step<'_>) {
        (self.tell)(step);
    }
}

fn ended(status: Option<ExitStatus>) -> Ended {
    match status {
        None => Ended::TimedOut,
        Some(status) => match status.signal() {
            Some(signal) => Ended::Signal(signal),
            None => Ended::Status(status.code().unwrap_or(-1)),
        },
    }
}

fn contents(mut file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}
