//! `glowplug lazy run`: starts a program with lazy imports.

use crate::cache::Cache;
use crate::commandline;
use crate::interpreter::Probe;
use crate::launch;
use crate::lazy::policy;
use crate::lazy::requirements;
use crate::lazy::start::{LazyStart, Mode};
use crate::runtime::Runtime;
use crate::settings::Environment;
use crate::start::{self, Start};
use crate::{exit, explain};
use clap::ValueEnum;
use glowplug_pythons::Minor;
use std::ffi::{CStr, CString, OsString};
use std::os::fd::RawFd;
use std::path::Path;

/// Describes the command for its help; the command line itself is read as python would read it.
#[derive(Debug, clap::Args)]
#[command(
    disable_help_flag = true,
    override_usage = "glowplug lazy run [OPTIONS] [python options] SCRIPT | -m MODULE | -c CODE | - [ARGUMENTS]"
)]
pub struct Run {
    /// The interpreter [default: that of the active virtual environment, else python3 on PATH]
    #[arg(long, value_name = "PATH")]
    python: Option<OsString>,
    /// Which imports are lazy [default: all, or normal where modules are named]
    #[arg(long, value_enum)]
    mode: Option<Mode>,
    /// Importers whose imports stay eager: names, with their submodules, or patterns with `*`
    #[arg(long, value_name = "IMPORTERS", alias = "exclude")]
    keep_eager: Option<OsString>,
    /// Modules that are lazy whatever the mode
    #[arg(long, value_name = "MODULES")]
    modules: Option<OsString>,
    /// Leave out the shipped policy: only `--keep-eager` and the settings keep importers eager
    #[arg(long)]
    no_policy: bool,
    /// Tell on standard error, when the program has ended, what lazy imports brought
    #[arg(long)]
    report: bool,
    /// A descriptor that the log of the run goes to
    #[arg(long, value_name = "NUMBER")]
    events: Option<RawFd>,
    /// What python would be given
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

/// What the options before python's say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    start: LazyStart,
    /// The mode, where it was given.
    mode: Option<Mode>,
    no_policy: bool,
    report: bool,
}

/// An option that cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum BadOption {
    #[error("`{0}` needs an argument")]
    Missing(&'static str),
    #[error("`{0}` is not a mode; choose `all` or `normal`")]
    Mode(String),
    #[error("`{0}` is not a number of a descriptor")]
    Descriptor(String),
}

/// Runs the command line behind `glowplug lazy run`. Returns only on failure: the exit status, after the error was reported.
pub fn run(arguments: &[&CStr], environment: &Environment) -> u8 {
    let (options, rest) = match options(arguments) {
        Ok(read) => read,
        Err(error) => return usage(&error),
    };
    let command = match commandline::parse(&rest) {
        Ok(command) => command,
        Err(error) => return usage(&error),
    };
    let folder = start::working_directory();
    let settings = match start::settings_of(&command, environment, folder.as_deref()) {
        Ok(settings) => settings,
        Err(error) => {
            explain::error(error);
            return exit::USAGE;
        }
    };
    let start = match Start::new(command, environment, settings, folder, 0) {
        Ok(start) => start,
        Err(error) => {
            explain::error(error);
            return exit::NOT_FOUND;
        }
    };
    become_program(&start, options)
}

fn usage(error: &impl std::fmt::Display) -> u8 {
    explain::error(format_args!("{error}\nhelp: see `glowplug help lazy run`"));
    exit::USAGE
}

fn become_program(start: &Start<'_>, options: Options) -> u8 {
    let Options { start: mut lazy, mode, no_policy, report } = options;
    lazy.eager.extend(start.settings.lazy.exclude.iter().cloned());
    lazy.modules.extend(start.settings.lazy.modules.iter().cloned());
    // Modules that are named are to be lazy, and no others.
    let usual = if lazy.modules.is_empty() { Mode::All } else { Mode::Normal };
    lazy.mode = mode.unwrap_or(usual);
    if !no_policy {
        lazy.eager.extend(policy::importers().map(str::to_owned));
    }
    if report {
        match super::report::watch(&start.interpreter.path) {
            Ok(descriptor) => lazy.events = Some(descriptor),
            Err(error) => explain::warning(format_args!("there will be no report: {error}")),
        }
    }
    let changes = match changes(start, lazy) {
        Ok(changes) => changes,
        Err(reason) => {
            explain::warning(format_args!("imports stay eager: {reason}"));
            Vec::new()
        }
    };
    launch::plain(&start.interpreter, None, &start.command.python_argv, start.environment, &changes)
}

/// The variables of a lazy start, or why it has to be an eager one.
fn changes(start: &Start<'_>, mut lazy: LazyStart) -> Result<Vec<CString>, String> {
    if start.interpreter.is_wrapper {
        let path = start.interpreter.path.display();
        return Err(format!("{path} is a wrapper script; name the interpreter with --python"));
    }
    let cache = start.settings.cache_dir.as_deref().and_then(|folder| Cache::create(folder).ok());
    let probe = start.interpreter.probe(cache.as_ref()).map_err(|error| error.to_string())?;
    if let Some(reason) = unsupported(&probe) {
        return Err(reason);
    }
    lazy.modules = expanded(lazy.modules, &start.interpreter.path, &probe)?;
    let minor = u8::try_from(probe.version.1).map_err(|error| error.to_string())?;
    let runtime = Runtime::find(start.environment)
        .filter(|runtime| runtime.recorder().is_file() && runtime.extension(minor).is_file())
        .ok_or_else(|| format!("the extension for Python 3.{minor} is not installed"))?;
    lazy.variables(&runtime, minor, start.environment).map_err(|error| error.to_string())
}

/// The modules, and those of the distributions that files of requirements name.
fn expanded(entries: Vec<String>, python: &Path, probe: &Probe) -> Result<Vec<String>, String> {
    let (files, mut modules): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|entry| entry.ends_with(".txt"));
    if !files.is_empty() {
        let folders = requirements::site_folders(python, &probe.base_prefix, probe.version.1);
        for file in files {
            let found = requirements::modules(Path::new(&file), &folders);
            modules.extend(found.map_err(|error| format!("cannot read {file}: {error}"))?);
        }
    }
    Ok(modules)
}

/// Why an interpreter cannot run with lazy imports.
fn unsupported(probe: &Probe) -> Option<String> {
    let is = if probe.implementation != "cpython" {
        probe.implementation.clone()
    } else if probe.free_threaded {
        format!("a free-threaded CPython {probe}")
    } else if probe.debug {
        format!("a debug build of CPython {probe}")
    } else if probe.version.0 != 3
        || !Minor::all().any(|minor| u32::from(minor.number()) == probe.version.1)
    {
        format!("CPython {probe}")
    } else {
        return None;
    };
    let (first, last) = Minor::all().next().zip(Minor::all().next_back())?;
    Some(format!("this is {is}; lazy imports need CPython {first} to {last} with the global lock"))
}

/// Reads the options of this command; what is left is for `glowplug run`'s own reader.
fn options<'a>(arguments: &[&'a CStr]) -> Result<(Options, Vec<&'a CStr>), BadOption> {
    let mut options = Options::default();
    let mut rest = arguments.iter();
    let mut python = Vec::new();
    while let Some(&argument) = rest.next() {
        let text = argument.to_string_lossy();
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text.as_ref(), None),
        };
        let mut value = |name: &'static str| {
            let next = || rest.next().map(|value| value.to_string_lossy().into_owned());
            value.clone().or_else(next).ok_or(BadOption::Missing(name))
        };
        match name {
            "--no-policy" => options.no_policy = true,
            "--report" => options.report = true,
            "--mode" => {
                let mode = value("--mode")?;
                let known = Mode::from_str(&mode, false).map_err(|_| BadOption::Mode(mode))?;
                options.mode = Some(known);
            }
            "--keep-eager" | "--exclude" => {
                options.start.eager.extend(entries(&value("--keep-eager")?));
            }
            "--modules" => options.start.modules.extend(entries(&value("--modules")?)),
            "--events" => {
                let number = value("--events")?;
                let parsed = number.parse().map_err(|_| BadOption::Descriptor(number))?;
                options.start.events = Some(parsed);
            }
            "--python" => {
                python.push(argument);
                if !text.contains('=') {
                    python.extend(rest.next());
                }
            }
            _ => {
                python.push(argument);
                python.extend(rest.as_slice());
                return Ok((options, python));
            }
        }
    }
    Ok((options, python))
}

/// The entries of a list: `a,b`.
fn entries(list: &str) -> Vec<String> {
    list.split(',').filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_options_end_where_python_s_begin() {
        let arguments = [
            c"--keep-eager=a,b.*",
            c"--python",
            c"/p",
            c"--mode",
            c"normal",
            c"-X",
            c"dev",
            c"s.py",
            c"--mode",
            c"x",
        ];
        let (read, rest) = options(&arguments).unwrap();
        assert_eq!(read.start.eager, ["a", "b.*"]);
        assert_eq!(read.mode, Some(Mode::Normal));
        assert_eq!(rest, [c"--python", c"/p", c"-X", c"dev", c"s.py", c"--mode", c"x"]);
    }

    #[test]
    fn interpreters_without_the_mechanism_are_named() {
        let probe = |changes: serde_json::Value| {
            let mut fields = serde_json::json!({
                "implementation": "cpython", "version": [3, 11, 7], "free_threaded": false, "debug": false,
                "extension_suffix": "", "executable": "", "base_prefix": "", "library": null,
                "pointer_size": 8, "machine": "x86_64",
            });
            for (name, value) in changes.as_object().unwrap() {
                fields[name] = value.clone();
            }
            serde_json::from_value::<Probe>(fields).unwrap()
        };
        let reason = |changes| unsupported(&probe(changes)).unwrap_or_default();
        assert_eq!(reason(serde_json::json!({})), "");
        let named = [
            (serde_json::json!({"implementation": "pypy"}), "this is pypy;"),
            (serde_json::json!({"free_threaded": true}), "this is a free-threaded CPython"),
            (serde_json::json!({"debug": true}), "this is a debug build"),
            (serde_json::json!({"version": [3, 99, 0]}), "this is CPython 3.99"),
            (serde_json::json!({"version": [3, 8, 1]}), "this is CPython 3.8"),
        ];
        for (changes, beginning) in named {
            let said = reason(changes);
            assert!(said.starts_with(beginning), "{said}");
        }
    }

    #[test]
    fn an_option_without_its_argument_is_named() {
        assert_eq!(options(&[c"--events"]), Err(BadOption::Missing("--events")));
        assert_eq!(options(&[c"--mode=no"]), Err(BadOption::Mode("no".to_owned())));
    }
}
