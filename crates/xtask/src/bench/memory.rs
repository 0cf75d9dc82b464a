//! The memory of several processes that run at once.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, ensure};

/// Starts `copies` processes, waits until each has printed a line, and returns the mean of their proportional set
/// sizes in KiB. Closing their standard input ends them.
///
/// # Errors
/// A process cannot be started, ends before it is ready, or fails.
pub fn pss_each(command: impl Fn() -> Command, copies: usize) -> Result<f64> {
    ensure!(copies > 0, "no copies are asked for");
    let mut children =
        (0..copies).map(|_| Running::start(command())).collect::<Result<Vec<_>>>()?;
    children.iter_mut().try_for_each(Running::wait_until_ready)?;
    let sizes = children.iter().map(|running| pss_kib(running.child.id()));
    let total = sizes.sum::<Result<u64>>()?;
    children.into_iter().try_for_each(Running::finish)?;
    Ok(total as f64 / copies as f64)
}

struct Running {
    child: Child,
}

impl Running {
    fn start(mut command: Command) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        Ok(Self { child: command.spawn().context("cannot start it")? })
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let output = self.child.stdout.as_mut().expect("standard output is piped");
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        ensure!(!line.is_empty(), "it ended before it printed that it is ready");
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        drop(self.child.stdin.take());
        let status = self.child.wait()?;
        ensure!(status.success(), "it failed ({status})");
        Ok(())
    }
}

impl Drop for Running {
    /// Only has something to do where another process was not ready.
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        if matches!(self.child.try_wait(), Ok(None)) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

fn pss_kib(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let field = text.lines().find_map(|line| line.strip_prefix("Pss:")).map(str::trim);
    let number = field.and_then(|field| field.strip_suffix(" kB")?.trim().parse().ok());
    number.with_context(|| format!("{path} has no Pss in kB"))
}
