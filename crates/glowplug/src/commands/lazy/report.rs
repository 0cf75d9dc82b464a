//! `glowplug lazy run --report`: a process beside the program reads its log and, when it has ended, tells what lazy imports brought.
//!
//! The program keeps its process id, its parent and its signals, as with every `glowplug run`; so it is the reader that is the child.

use crate::explain;
use crate::lazy::record::Record;
use crate::lazy::report::{self, Report};
use rustix::io::FdFlags;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Reads a log from standard input and reports on it.
#[derive(Debug, clap::Args)]
pub struct ReportOptions {
    /// The interpreter that ran the program
    #[arg(long, value_name = "PATH")]
    python: PathBuf,
}

/// Starts the reader, and returns the descriptor that the program's log goes to.
///
/// # Errors
/// Where the system has no pipe or process left.
pub fn watch(python: &Path) -> io::Result<RawFd> {
    let (reader, writer) = io::pipe()?;
    Command::new(std::env::current_exe()?)
        .args(["lazy", "report", "--python"])
        .arg(python)
        .stdin(Stdio::from(reader))
        .stdout(Stdio::null())
        // What interrupts the program at the terminal must not end its report.
        .process_group(0)
        .spawn()?;
    rustix::io::fcntl_setfd(&writer, FdFlags::empty())?;
    let descriptor = writer.as_raw_fd();
    std::mem::forget(writer);
    Ok(descriptor)
}

/// Reads until the program has ended, and reports on standard error.
pub fn run(options: &ReportOptions) -> u8 {
    let mut log = Vec::new();
    if let Err(error) = io::stdin().lock().read_to_end(&mut log) {
        explain::error(format_args!("the log of the run cannot be read: {error}"));
        return crate::exit::USAGE;
    }
    let record = Record::parse(&log);
    let report = Report::of(&record);
    let spared: Vec<String> = report.unused.iter().map(|one| one.module.clone()).collect();
    let costs = if record.loaded.is_empty() || spared.is_empty() {
        Vec::new()
    } else {
        report::measure(&options.python, &record, &spared).unwrap_or_else(|error| {
            explain::warning(format_args!("what was saved cannot be measured: {error}"));
            Vec::new()
        })
    };
    // In one write, as other processes may write there.
    let _ = io::stderr().write_all(report::text(&report, &costs).as_bytes());
    0
}
