//! Dropping what a program reads from the page cache: per file, which needs no privilege beyond being able to open it.

use super::Plan;
use glowplug_profile::model::Process;
use rustix::fs::{Advice, Mode, OFlags, fadvise, open};
use std::path::PathBuf;

/// The files that the program is known to read: those of its modules in the run before, the interpreter and the script.
pub fn files_to_drop(processes: &[Process], plan: &Plan, known: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut files = known;
    if files.is_empty() {
        files.extend(plan.command.iter().map(PathBuf::from).filter(|path| path.is_file()));
    }
    for file in processes
        .iter()
        .flat_map(|process| &process.modules)
        .filter_map(|module| module.file.as_ref())
    {
        let path = PathBuf::from(file);
        if let (Some(folder), Some(stem)) = (path.parent(), path.file_stem()) {
            let prefix = format!("{}.", stem.to_string_lossy());
            let cached =
                std::fs::read_dir(folder.join("__pycache__")).into_iter().flatten().flatten();
            files.extend(
                cached
                    .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
                    .map(|entry| entry.path()),
            );
        }
        files.push(path);
    }
    files.sort();
    files.dedup();
    files
}

/// Drops files from the page cache. The kernel keeps pages that are dirty or mapped by somebody; what cannot be opened stays.
pub fn drop_cached(files: &[PathBuf]) {
    for path in files {
        if let Ok(file) =
            open(path, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty())
        {
            let _ = rustix::fs::fdatasync(&file);
            let _ = fadvise(&file, 0, None, Advice::DontNeed);
        }
    }
}
