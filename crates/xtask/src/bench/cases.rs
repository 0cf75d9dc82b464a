//! benches/cases.toml: what is measured.
//!
//! ```toml
//! [[case]]
//! name = "pandas"                      # benches/results/pandas.json
//! title = "import pandas"              # the row in README.md
//! setup = [["{venv}/bin/pip", "install", "pandas"]]   # once, in the caller's environment without PYTHON*
//! prepare = [["{glowplug}", "freeze", "--", "-c", "import pandas"]]   # once, in the environment that is measured
//! env = { GLOWPLUG_CACHE_DIR = "{work}/cache" }       # all that is measured gets, beside PATH and the like
//! [[case.side]]
//! name = "glowplug"
//! argv = ["{glowplug}", "run", "-c", "import pandas"]
//! before = [["rm", "-rf", "{work}/x"]] # before each sample of this side, not measured
//! [[case.side]]
//! name = "python -c pass"
//! argv = ["{python}", "-c", "pass"]
//! bar = 0.65                           # the first side may take at most this share of this one
//! ```
//!
//! `{root}`, `{work}` (a folder of the case, kept between runs) and `{glowplug}` (the binary that `cargo xtask build` laid
//! out) are always replaced; the file's `[variables]` are replaced as well, and may use these and one another.

use std::{collections::BTreeMap, fmt, fs, path::PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::workspace;

/// A program and its arguments.
pub type Argv = Vec<String>;

/// One comparison.
#[derive(Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Case {
    /// Names the file of results.
    pub name: String,
    /// Names the case to people.
    pub title: String,
    /// What is measured.
    #[serde(default)]
    pub measure: Measure,
    /// What the bars of a timed case hold for.
    #[serde(default)]
    pub bar_on: Quantity,
    /// Samples of each side.
    #[serde(default = "default_samples")]
    pub samples: usize,
    /// Rounds that are run and thrown away.
    #[serde(default = "default_warm_up")]
    pub warm_up: usize,
    /// Processes at once, where memory is measured.
    #[serde(default = "default_copies")]
    pub copies: usize,
    /// Commands to run once, before anything is measured, in the caller's environment without `PYTHON*`.
    #[serde(default)]
    pub setup: Vec<Argv>,
    /// Commands to run once, after those, in the environment that is measured.
    #[serde(default)]
    pub prepare: Vec<Argv>,
    /// Commands to run once when all is measured, also where that failed: they end what `prepare` has started.
    #[serde(default)]
    pub finish: Vec<Argv>,
    /// Added to the bare environment that every command gets.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// What is compared; ratios are to the last.
    #[serde(rename = "side")]
    pub sides: Vec<Side>,
}

/// One of the things compared.
#[derive(Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Side {
    /// Names it in the results.
    pub name: String,
    /// What is measured.
    pub argv: Argv,
    /// The same before anything in it was replaced, so that results name no folder of one machine.
    #[serde(skip)]
    pub as_written: Argv,
    /// The first side may take at most this share of this one.
    #[serde(default)]
    pub bar: Option<f64>,
    /// Whether it has to print the same as the others that have to.
    #[serde(default = "default_same_output")]
    pub same_output: bool,
    /// Commands to run before each sample, not measured.
    #[serde(default)]
    pub before: Vec<Argv>,
    /// Commands to run after each sample, not measured.
    #[serde(default)]
    pub after: Vec<Argv>,
}

/// What is measured of a case.
#[derive(Deserialize, Clone, Copy, Default, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// Wall and CPU time from start to end.
    #[default]
    Time,
    /// Proportional set size of each of several processes that run at once: each prints a line when it is ready, and
    /// ends when its standard input does.
    Memory,
}

/// One figure of a sample.
#[derive(Serialize, Deserialize, Clone, Copy, Default, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum Quantity {
    /// Milliseconds by the clock.
    #[default]
    Wall,
    /// Milliseconds of CPU, user and system, of the process and all descendants that were waited for.
    Cpu,
    /// KiB of proportional set size.
    Pss,
}

impl Quantity {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Wall, Self::Cpu, Self::Pss];

    /// A value of this quantity with its unit.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Pss => format!("{:.1} MiB", value / 1024.0),
            Self::Wall | Self::Cpu if value < 100.0 => format!("{value:.1} ms"),
            Self::Wall | Self::Cpu => format!("{value:.0} ms"),
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Wall => "wall",
            Self::Cpu => "cpu",
            Self::Pss => "pss",
        })
    }
}

impl Case {
    /// What the bar holds for and the report shows first.
    pub fn headline(&self) -> Quantity {
        match self.measure {
            Measure::Time => self.bar_on,
            Measure::Memory => Quantity::Pss,
        }
    }
}

fn default_samples() -> usize {
    30
}

fn default_warm_up() -> usize {
    3
}

fn default_same_output() -> bool {
    true
}

fn default_copies() -> usize {
    16
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    variables: BTreeMap<String, String>,
    #[serde(rename = "case", default)]
    cases: Vec<Case>,
}

/// Reads all cases.
///
/// # Errors
/// The file cannot be read or says something that has no meaning.
pub fn read() -> Result<Vec<Case>> {
    let path = workspace::root().join("benches/cases.toml");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text).with_context(|| path.display().to_string())
}

fn parse(text: &str) -> Result<Vec<Case>> {
    let file: File = toml::from_str(text)?;
    file.cases.into_iter().map(|case| prepare(case, &file.variables)).collect()
}

/// The folder in which a case keeps what its commands make.
pub fn work_dir(name: &str) -> PathBuf {
    workspace::target_dir().join("bench").join(name)
}

fn prepare(mut case: Case, variables: &BTreeMap<String, String>) -> Result<Case> {
    let plain = case.name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    ensure!(plain, "the name of case {:?} is not made of letters, digits and dashes", case.name);
    ensure!(case.sides.len() >= 2, "case {} compares less than two sides", case.name);
    let root = workspace::root();
    let own = [
        ("glowplug", root.join("build/bin/glowplug")),
        ("work", work_dir(&case.name)),
        ("root", root),
    ];
    let replace = |text: &mut String| {
        // As often as there are variables: each may use the others.
        for (name, value) in variables.iter().flat_map(|_| variables) {
            *text = text.replace(&format!("{{{name}}}"), value);
        }
        for (name, value) in &own {
            *text = text.replace(&format!("{{{name}}}"), &value.to_string_lossy());
        }
    };
    case.env.values_mut().for_each(replace);
    let once = case.setup.iter_mut().chain(&mut case.prepare).chain(&mut case.finish);
    once.flatten().for_each(replace);
    for side in &mut case.sides {
        ensure!(!side.argv.is_empty(), "side {} of case {} has no command", side.name, case.name);
        side.as_written = side.argv.clone();
        let words = side.before.iter_mut().chain(&mut side.after).flatten();
        words.chain(&mut side.argv).for_each(replace);
    }
    Ok(case)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDES: &str = "[[case.side]]\nname = 'a'\nargv = ['{python}', '{work}/x']\n\
                         [[case.side]]\nname = 'b'\nargv = ['{glowplug}']\n";

    #[test]
    fn variables_may_use_the_folders() {
        let text = format!(
            "[variables]\npython = '{{venv}}/py'\nvenv = '{{root}}'\n[[case]]\nname = 'n'\ntitle = 't'\n{SIDES}"
        );
        let cases = parse(&text).unwrap();
        let root = workspace::root();
        assert_eq!(cases[0].sides[0].argv[0], root.join("py").to_string_lossy());
        assert!(cases[0].sides[0].argv[1].ends_with("bench/n/x"));
        assert_eq!((cases[0].samples, cases[0].measure), (30, Measure::Time));
    }

    #[test]
    fn a_misspelt_key_is_an_error_and_so_is_a_name_with_a_slash() {
        let text = format!("[[case]]\nname = 'n'\ntitle = 't'\nbars = 1\n{SIDES}");
        assert!(parse(&text).unwrap_err().to_string().contains("bars"));
        let text = format!("[[case]]\nname = '../n'\ntitle = 't'\n{SIDES}");
        assert!(parse(&text).unwrap_err().to_string().contains("../n"));
    }

    #[test]
    fn the_cases_of_the_repository_can_be_read() {
        assert!(!read().unwrap().is_empty());
    }
}
