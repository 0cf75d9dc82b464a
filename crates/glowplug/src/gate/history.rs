//! Where figures per commit are kept: a file, or notes of the commits.

use super::config::{Config, History};
use super::{GateError, folder_of, git};
use glowplug_profile::gate::history::{Record, latest};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// The namespace of the notes.
const NOTES: &str = "--ref=glowplug";

/// Adds a commit's figures.
///
/// # Errors
/// Where they cannot be written.
pub fn add(config: &Config, record: &Record) -> Result<(), GateError> {
    let folder = folder_of(config);
    match &config.history {
        History::File(path) => append(path, &record.line()).map_err(|error| {
            GateError::Usage(format!("cannot write the history to {}: {error}", path.display()))
        }),
        History::Notes => {
            let arguments = ["notes", NOTES, "add", "--force", "--file=-", &record.commit];
            git::feed(&folder, &arguments, &record.line()).map(|_| ()).map_err(|error| {
                GateError::Usage(format!("cannot write the history to git's notes: {error}"))
            })
        }
    }
}

fn append(path: &Path, line: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    File::options().create(true).append(true).open(path)?.write_all(format!("{line}\n").as_bytes())
}

/// All records, oldest first; of each commit the last.
///
/// # Errors
/// Where they cannot be read.
pub fn read(config: &Config) -> Result<Vec<Record>, GateError> {
    let folder = folder_of(config);
    let lines = match &config.history {
        History::File(path) => from_file(path)?,
        History::Notes => from_notes(&folder),
    };
    let records: Result<Vec<Record>, String> =
        lines.iter().map(|line| Record::parse(line)).collect();
    let records = records.map_err(|error| {
        GateError::Usage(format!("the history holds a line that is no record: {error}"))
    })?;
    Ok(latest(records))
}

fn from_file(path: &Path) -> Result<Vec<String>, GateError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(GateError::Usage(format!("cannot read {}: {error}", path.display()))),
    }
}

/// The notes of the commits that lead to this one, in their order.
fn from_notes(folder: &Path) -> Vec<String> {
    let listed = git::run(folder, &["notes", NOTES, "list"]).unwrap_or_default();
    let notes: std::collections::HashMap<&str, &str> = listed
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(note, commit)| (commit, note))
        .collect();
    let commits = git::run(folder, &["rev-list", "--reverse", "HEAD"]).unwrap_or_default();
    let known = commits.lines().filter_map(|commit| notes.get(commit));
    known.filter_map(|note| git::run(folder, &["cat-file", "blob", note]).ok()).collect()
}
