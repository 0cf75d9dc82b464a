//! Asks git.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs git in a folder and returns what it prints, without the last end of line.
///
/// # Errors
/// What git says where it fails.
pub fn run<S: AsRef<OsStr>>(folder: &Path, arguments: &[S]) -> Result<String, String> {
    finish(command(folder, arguments).stdin(Stdio::null()))
}

/// Runs git with something to read.
///
/// # Errors
/// What git says where it fails.
pub fn feed<S: AsRef<OsStr>>(
    folder: &Path,
    arguments: &[S],
    input: &str,
) -> Result<String, String> {
    let mut command = command(folder, arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(not_started)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).map_err(|error| error.to_string())?;
    }
    said(child.wait_with_output())
}

fn command<S: AsRef<OsStr>>(folder: &Path, arguments: &[S]) -> Command {
    let mut command = Command::new("git");
    // Hooks run with variables that lead every git to their repository.
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
        command.env_remove(name);
    }
    command.arg("-C").arg(folder).args(arguments).env("LC_ALL", "C");
    command
}

fn finish(command: &mut Command) -> Result<String, String> {
    said(command.output())
}

fn said(output: std::io::Result<std::process::Output>) -> Result<String, String> {
    let output = output.map_err(not_started)?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned())
}

fn not_started(error: std::io::Error) -> String {
    format!("git cannot be started: {error}")
}

/// The commit that a revision names; `None` where there is no such one, or no repository.
pub fn commit(folder: &Path, revision: &str) -> Option<String> {
    let wanted = format!("{revision}^{{commit}}");
    run(folder, &["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted])
        .ok()
        .filter(|commit| !commit.is_empty())
}
