//! The options of `glowplug profile`. Python's own follow them and are not judged here.

use super::outputs::Outputs;
use crate::settings::{container_size, is_module_name};
use glowplug_profile::terminal::{Sort, View};
use std::ffi::{CStr, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Only describes the command for its help: the command line is read by [`parse`], as what follows the options is python's.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "glowplug profile [OPTIONS] [python options] SCRIPT | -m MODULE | -c CODE [ARGUMENTS]\n       \
                      glowplug profile [OPTIONS] --import MODULES\n       \
                      glowplug profile [OPTIONS] -- COMMAND [ARGUMENTS]\n       \
                      glowplug profile --from FILE | --from-importtime FILE [OPTIONS]\n       \
                      glowplug profile diff A B [--html FILE] [--limit N]"
)]
pub struct Profile {
    /// Profile the import of these modules alone
    #[arg(long, value_name = "MODULES")]
    import: Option<OsString>,
    /// The interpreter [default: that of the active virtual environment, else python3 on PATH]
    #[arg(long, value_name = "PATH")]
    python: Option<OsString>,
    /// Run so many times and show medians [default: 3 for --import on less than a processor, else 1]
    #[arg(long, value_name = "N")]
    runs: Option<u32>,
    /// Limit the processors, as 0.1
    #[arg(long, value_name = "NUMBER")]
    cpus: Option<f64>,
    /// Limit the memory, as 128m or 128MiB
    #[arg(long, value_name = "SIZE")]
    memory: Option<OsString>,
    /// Drop what the program reads from the page cache before each run
    #[arg(long)]
    cold: bool,
    /// Profile Pythons that the program starts as well
    #[arg(long)]
    children: bool,
    /// Do not watch which modules are used after their imports, which costs some CPU time
    #[arg(long)]
    no_usage: bool,
    /// Sort the table by exclusive, self, cumulative, wall, memory, read or order
    #[arg(long, value_name = "COLUMN")]
    sort: Option<OsString>,
    /// Levels of the tree
    #[arg(long, value_name = "N")]
    depth: Option<usize>,
    /// Only modules whose names hold this
    #[arg(long, value_name = "TEXT")]
    filter: Option<OsString>,
    /// Rows of the table and of the list of what to do
    #[arg(long, value_name = "N")]
    rows: Option<usize>,
    #[command(flatten)]
    outputs: Outputs,
    /// Write the report to a file instead of standard error
    #[arg(long, value_name = "FILE")]
    report: Option<OsString>,
    /// Show a profile that `--json` wrote instead of running anything
    #[arg(long, value_name = "FILE")]
    from: Option<OsString>,
    /// Show a log of `python -X importtime` instead of running anything
    #[arg(long, value_name = "FILE")]
    from_importtime: Option<OsString>,
    /// What python would be given
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

/// What is to be profiled.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked<'a> {
    /// What python would be given.
    Python(Vec<&'a CStr>),
    /// Modules alone.
    Imports(Vec<String>),
    /// Any command.
    Command(Vec<&'a CStr>),
}

/// A parsed command line.
#[derive(Debug)]
pub struct Options<'a> {
    /// What is to be profiled.
    pub asked: Asked<'a>,
    /// `--python` and its argument, for modules alone.
    pub python: Vec<&'a CStr>,
    /// Number of runs, at least 1, where it is given.
    runs: Option<u32>,
    /// Processors.
    pub cpus: Option<f64>,
    /// Memory, bytes.
    pub memory: Option<u64>,
    /// `--cold`.
    pub cold: bool,
    /// `--children`.
    pub children: bool,
    /// `--no-usage`.
    pub no_usage: bool,
    /// What of the report is shown.
    pub view: View,
    /// Files to write.
    pub outputs: Outputs,
    /// `--report`: where the report goes instead of standard error.
    pub report: Option<PathBuf>,
}

impl Options<'_> {
    /// How often to run. On a part of a processor the times of single runs vary more than modules differ; imports can be repeated,
    /// while nobody's program is run again unasked.
    pub fn runs(&self) -> u32 {
        const STARVED: u32 = 3;
        let is_starved = self.cpus.is_some_and(|cpus| cpus < 1.0);
        let can_repeat = matches!(self.asked, Asked::Imports(_));
        self.runs.unwrap_or(if is_starved && can_repeat { STARVED } else { 1 })
    }
}

/// Why the options cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UsageError {
    /// Nothing after an option that needs something.
    #[error("`{0}` needs an argument")]
    Missing(String),
    /// A wrong value.
    #[error("`{value}` is no value for `{option}`: {expected}")]
    Value {
        /// The option.
        option: String,
        /// What was given.
        value: String,
        /// What would be right.
        expected: &'static str,
    },
    /// Not an option of this command.
    #[error("`{0}` is not an option of `glowplug profile`")]
    Unknown(String),
    /// Nothing to do.
    #[error(
        "nothing to profile: name a script, `-m MODULE`, `-c CODE`, `--import MODULES` or `-- COMMAND`"
    )]
    Nothing,
}

/// Long options that are python's.
const PYTHONS: [&str; 6] = [
    "--check-hash-based-pycs",
    "--help-all",
    "--help-env",
    "--help-xoptions",
    "--version",
    "--help",
];

/// Reads the options up to the first argument that is none of them.
///
/// # Errors
/// Where one is unknown or has a wrong value.
pub fn parse<'a>(arguments: &[&'a CStr]) -> Result<Options<'a>, UsageError> {
    let mut options = Options {
        asked: Asked::Python(Vec::new()),
        python: Vec::new(),
        runs: None,
        cpus: None,
        memory: None,
        cold: false,
        children: false,
        no_usage: false,
        view: View::default(),
        outputs: Outputs::default(),
        report: None,
    };
    let mut imports = Vec::new();
    let mut rest = arguments;
    while let Some((first, behind)) = rest.split_first() {
        let text = first.to_string_lossy();
        if text == "--" {
            options.asked = Asked::Command(behind.to_vec());
            return if behind.is_empty() { Err(UsageError::Nothing) } else { Ok(options) };
        }
        let (name, inline) = match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (text.to_string(), None),
        };
        if !name.starts_with("--") || PYTHONS.contains(&name.as_str()) {
            break;
        }
        rest = behind;
        if let Some(flag) = flag(&mut options, &name) {
            *flag = true;
            continue;
        }
        let value = match inline {
            Some(value) => OsString::from(value),
            None => {
                let (value, behind) =
                    rest.split_first().ok_or_else(|| UsageError::Missing(name.clone()))?;
                rest = behind;
                OsStr::from_bytes(value.to_bytes()).to_owned()
            }
        };
        if name == "--python" {
            // Taken as it stands; the interpreter is looked for as `glowplug run` looks for it.
            let taken = arguments.len() - rest.len();
            let from = taken - if text.contains('=') { 1 } else { 2 };
            options.python.extend_from_slice(&arguments[from..taken]);
            continue;
        }
        if name == "--import" {
            let names = value.to_string_lossy();
            imports.extend(
                names.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned),
            );
            if let Some(bad) = imports.iter().find(|name| !is_module_name(name)) {
                return Err(wrong(
                    "--import",
                    bad,
                    "modules are written as `package.module,other`",
                ));
            }
            continue;
        }
        set(&mut options, &name, &value)?;
    }
    options.asked = if !imports.is_empty() {
        Asked::Imports(imports)
    } else if rest.is_empty() {
        return Err(UsageError::Nothing);
    } else {
        Asked::Python(options.python.iter().chain(rest).copied().collect())
    };
    Ok(options)
}

fn flag<'o>(options: &'o mut Options<'_>, name: &str) -> Option<&'o mut bool> {
    match name {
        "--cold" => Some(&mut options.cold),
        "--children" => Some(&mut options.children),
        "--no-usage" => Some(&mut options.no_usage),
        _ => None,
    }
}

fn wrong(option: &str, value: &str, expected: &'static str) -> UsageError {
    UsageError::Value { option: option.to_owned(), value: value.to_owned(), expected }
}

fn set(options: &mut Options<'_>, name: &str, value: &OsStr) -> Result<(), UsageError> {
    let text = value.to_string_lossy();
    let bad = |expected| wrong(name, &text, expected);
    match name {
        "--runs" => {
            let runs = text.parse().ok().filter(|runs| (1..=10_000).contains(runs));
            options.runs = Some(runs.ok_or_else(|| bad("a number from 1 to 10000"))?);
        }
        "--cpus" => {
            let cpus = text.parse().ok().filter(|cpus| (0.01..=1024.0).contains(cpus));
            options.cpus = Some(cpus.ok_or_else(|| bad("a number of processors from 0.01 on"))?);
        }
        "--memory" => {
            let size = container_size(&text).filter(|&bytes| bytes > 0);
            options.memory = Some(size.ok_or_else(|| bad("a size, as 128m, 1g or 128MiB"))?);
        }
        "--sort" => {
            let found = Sort::NAMES.iter().find(|(known, _)| *known == text);
            let sort = found.ok_or_else(|| {
                bad("one of exclusive, self, cumulative, wall, memory, read, order")
            })?;
            options.view.sort = sort.1;
        }
        "--depth" => options.view.depth = text.parse().map_err(|_| bad("a number of levels"))?,
        "--rows" => options.view.rows = text.parse().map_err(|_| bad("a number of rows"))?,
        "--filter" => options.view.filter = Some(text.into_owned()),
        "--report" => options.report = Some(PathBuf::from(value)),
        "--html" => options.outputs.html = Some(PathBuf::from(value)),
        "--json" => options.outputs.json = Some(PathBuf::from(value)),
        "--speedscope" => options.outputs.speedscope = Some(PathBuf::from(value)),
        "--chrome-trace" => options.outputs.chrome_trace = Some(PathBuf::from(value)),
        "--collapsed" => options.outputs.collapsed = Some(PathBuf::from(value)),
        _ => return Err(UsageError::Unknown(name.to_owned())),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starved_imports_are_repeated_and_programs_only_when_asked() {
        let runs = |arguments: &[&CStr]| parse(arguments).unwrap().runs();
        assert_eq!(runs(&[c"--cpus", c"0.1", c"--import", c"json"]), 3);
        assert_eq!(runs(&[c"--cpus", c"0.1", c"--runs", c"1", c"--import", c"json"]), 1);
        assert_eq!(runs(&[c"--cpus", c"2", c"--import", c"json"]), 1);
        assert_eq!(runs(&[c"--cpus", c"0.1", c"a.py"]), 1);
    }

    #[test]
    fn options_end_where_pythons_begin() {
        let options =
            parse(&[c"--runs=3", c"--json", c"-", c"-X", c"dev", c"a.py", c"--runs", c"9"])
                .unwrap();
        assert_eq!(options.runs(), 3);
        assert_eq!(options.outputs.json, Some(PathBuf::from("-")));
        assert_eq!(options.asked, Asked::Python(vec![c"-X", c"dev", c"a.py", c"--runs", c"9"]));
        let options = parse(&[c"--", c"sh", c"-c", c"python3 x.py"]).unwrap();
        assert_eq!(options.asked, Asked::Command(vec![c"sh", c"-c", c"python3 x.py"]));
    }

    #[test]
    fn modules_come_with_their_interpreter() {
        let options =
            parse(&[c"--python", c"/usr/bin/python3", c"--import", c"json, os.path"]).unwrap();
        assert_eq!(options.asked, Asked::Imports(vec!["json".into(), "os.path".into()]));
        assert_eq!(options.python, [c"--python", c"/usr/bin/python3"]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |arguments: &[&CStr]| {
            let owned: Vec<std::ffi::CString> = arguments.iter().map(|&a| a.to_owned()).collect();
            let borrowed: Vec<&CStr> = owned.iter().map(|a| a.as_c_str()).collect();
            parse(&borrowed).unwrap_err().to_string()
        };
        assert!(error(&[c"--runs", c"0", c"x"]).contains("`0` is no value for `--runs`"));
        assert!(error(&[c"--memory", c"lots", c"x"]).contains("128m"));
        assert!(error(&[c"--cpus", c"nan", c"x"]).contains("--cpus"));
        assert!(error(&[c"--colour", c"x"]).contains("--colour"));
        assert!(error(&[c"--import", c"os;x"]).contains("os;x"));
        assert_eq!(error(&[]), UsageError::Nothing.to_string());
        assert_eq!(error(&[c"--json"]), "`--json` needs an argument");
    }
}
