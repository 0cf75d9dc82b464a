//! What a program's `sys.path` is, and who added what to it: the program is run once more, with a watched list in its place.

use super::Context;
use super::measure::{Failure, Runner};
use super::side::Side;
use glowplug_profile::gate::hygiene::{self, Entry, Finding};
use glowplug_profile::model::{Place, Process};
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;
use std::process::Command;

const WATCH: &str = include_str!("python/path_watch.py");

/// The faults of a program's `sys.path`, with what they cost in the profile of a start.
///
/// # Errors
/// Where the program does not run this way.
pub fn findings(
    runner: &Runner<'_>,
    side: &Side,
    process: &Process,
    context: &Context<'_>,
) -> Result<Vec<Finding>, Failure> {
    let Some((kind, words)) = kind(&runner.start.command) else { return Ok(Vec::new()) };
    let usual: HashSet<String> = watched(runner, side, context, &["-I", "-S"], "bare", &[])?
        .into_iter()
        .map(|(path, _)| path)
        .collect();
    let entries = watched(runner, side, context, &[], kind, words)?;
    // The first that nobody added is the program's own folder.
    let own = entries.iter().position(|(_, added)| added.is_none());
    let entries: Vec<Entry> = entries
        .into_iter()
        .enumerate()
        .map(|(index, (path, added))| Entry {
            exists: Path::new(&path).exists(),
            is_usual: Some(index) == own || usual.contains(&path) || is_site_folder(&path),
            path,
            added,
        })
        .collect();
    let root = side.folder.to_string_lossy();
    Ok(hygiene::findings(&entries, &process.path_entries, &root))
}

/// Where installers put packages.
fn is_site_folder(path: &str) -> bool {
    path.ends_with("/site-packages") || path.ends_with("/dist-packages")
}

/// How a command line of Python starts its program, and the words from there on.
fn kind(command: &[OsString]) -> Option<(&'static str, &[OsString])> {
    let second = command.get(1)?;
    match second.to_str() {
        Some("-m") => Some(("module", command.get(2..)?)),
        Some("-c") => Some(("import", command.get(2..)?)),
        Some(option) if option.starts_with('-') => None,
        _ => Some(("script", command.get(1..)?)),
    }
}

type Added = (String, Option<Place>);

fn watched(
    runner: &Runner<'_>,
    side: &Side,
    context: &Context<'_>,
    options: &[&str],
    kind: &str,
    words: &[OsString],
) -> Result<Vec<Added>, Failure> {
    let file = context.scratch.join("sys-path");
    let _ = fs::remove_file(&file);
    let mut line: Vec<OsString> = vec![side.python.clone().into()];
    line.extend(options.iter().map(OsString::from));
    line.extend(["-c".into(), WATCH.into(), file.clone().into(), kind.into()]);
    if kind == "import" {
        line.extend(imported(words.first().map_or(OsStr::new(""), OsString::as_os_str)));
    } else {
        line.extend(words.iter().cloned());
    }
    let line = runner.around(line);
    let mut command = Command::new(&line[0]);
    command.args(&line[1..]);
    let failed = |why: String| {
        let help = "set `sys-path = \"off\"` to leave sys.path alone";
        Failure::unmeasured(format!("sys.path cannot be watched: {why}"), help)
    };
    runner.surroundings().apply(&mut command).map_err(|error| failed(error.to_string()))?;
    command.status().map_err(|error| failed(error.to_string()))?;
    let text = fs::read(&file).map_err(|error| failed(error.to_string()))?;
    let absolute = |(path, added): Added| {
        // An empty entry is the working directory, and the finders of relative ones are absolute as well.
        (side.folder.join(path).to_string_lossy().trim_end_matches('/').to_owned(), added)
    };
    Ok(String::from_utf8_lossy(&text).lines().map(read).map(absolute).collect())
}

/// The modules of the code that imports them, a statement to a line.
fn imported(code: &OsStr) -> Vec<OsString> {
    let code = code.to_string_lossy();
    code.lines().filter_map(|line| line.strip_prefix("import ")).map(OsString::from).collect()
}

/// A line of what was written.
fn read(line: &str) -> Added {
    let mut fields = line.split('\0');
    let path = fields.next().unwrap_or_default().to_owned();
    let file = fields.next().unwrap_or_default().to_owned();
    let line = fields.next().and_then(|line| line.parse().ok()).unwrap_or(0);
    (path, (line > 0).then_some(Place { file, line }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_who_added_the_entry() {
        let place = Place { file: "/app.py".into(), line: 3 };
        assert_eq!(read("/vendor\0/app.py\x003"), ("/vendor".to_owned(), Some(place)));
        assert_eq!(read("/lib\0\x000"), ("/lib".to_owned(), None));
    }

    #[test]
    fn command_lines_are_told_apart() {
        let line = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        assert_eq!(kind(&line(&["py", "-m", "app", "x"])).unwrap().0, "module");
        assert_eq!(kind(&line(&["py", "app.py"])).unwrap().1, line(&["app.py"]));
        assert_eq!(kind(&line(&["py", "-X", "dev"])), None);
        assert_eq!(imported(OsStr::new("import a\nimport b.c")), line(&["a", "b.c"]));
    }
}
