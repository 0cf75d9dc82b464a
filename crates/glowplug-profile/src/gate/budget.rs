//! Budgets: what a start may load and cost.

use crate::figures;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A figure of a start that is (nearly) the same in each of identical runs, so that it can be limited.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Figure {
    /// Modules that were imported.
    Modules,
    /// Bytes of cached bytecode that code objects were made of.
    Unmarshalled,
    /// Files opened.
    Files,
    /// System calls of all threads and processes.
    Syscalls,
    /// Page faults that needed no I/O.
    MinorFaults,
    /// Greatest resident memory, bytes.
    PeakMemory,
    /// Instructions, as callgrind counts them.
    Instructions,
}

impl Figure {
    /// All of them, in the order of reports.
    pub const ALL: [Figure; 7] = [
        Figure::Modules,
        Figure::Unmarshalled,
        Figure::Files,
        Figure::Syscalls,
        Figure::MinorFaults,
        Figure::PeakMemory,
        Figure::Instructions,
    ];

    /// Its key in a configuration.
    pub fn key(self) -> &'static str {
        match self {
            Figure::Modules => "modules",
            Figure::Unmarshalled => "unmarshalled",
            Figure::Files => "files",
            Figure::Syscalls => "syscalls",
            Figure::MinorFaults => "minor-faults",
            Figure::PeakMemory => "peak-memory",
            Figure::Instructions => "instructions",
        }
    }

    /// The figure of a key.
    pub fn from_key(key: &str) -> Option<Figure> {
        Figure::ALL.into_iter().find(|figure| figure.key() == key)
    }

    /// What it counts, in words.
    pub fn name(self) -> &'static str {
        match self {
            Figure::Modules => "modules imported",
            Figure::Unmarshalled => "bytecode unmarshalled",
            Figure::Files => "files opened",
            Figure::Syscalls => "system calls",
            Figure::MinorFaults => "minor faults",
            Figure::PeakMemory => "peak memory",
            Figure::Instructions => "instructions",
        }
    }

    /// Whether its unit is the byte.
    pub fn is_size(self) -> bool {
        matches!(self, Figure::Unmarshalled | Figure::PeakMemory)
    }

    /// A value as people read it.
    pub fn show(self, value: u64) -> String {
        if self.is_size() { figures::bytes(value) } else { figures::grouped(value) }
    }

    /// Room that `glowplug gate init` leaves above what it measured, percent, and why so much.
    pub fn headroom(self) -> (u32, &'static str) {
        match self {
            Figure::Modules => {
                (5, "the count is exact; the room is for other versions of Python and packages")
            }
            Figure::Unmarshalled => (10, "exact, but each line of code adds to it"),
            Figure::Files => (10, "exact; folders of the machine's sys.path add a few"),
            Figure::Syscalls => (10, "identical runs differ by one or two calls, machines by more"),
            Figure::MinorFaults => {
                (15, "identical runs differ by 0.05%, kernels and C libraries by more")
            }
            Figure::PeakMemory => {
                (15, "identical runs differ by 0.4%, kernels and C libraries by more")
            }
            Figure::Instructions => {
                (10, "identical under one interpreter build; another build differs by percents")
            }
        }
    }

    /// What identical runs may differ by, as a part of the value and an absolute number: a figure counts as grown beyond both.
    pub fn spread(self) -> (f64, u64) {
        match self {
            Figure::Modules | Figure::Unmarshalled | Figure::Files => (0.0, 0),
            Figure::Syscalls => (0.002, 8),
            Figure::MinorFaults => (0.01, 32),
            Figure::PeakMemory => (0.02, 256 << 10),
            Figure::Instructions => (0.001, 0),
        }
    }
}

/// A time as a multiple of what a bare start of the same interpreter takes in the same conditions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BareStarts(pub f64);

impl std::fmt::Display for BareStarts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x", (self.0 * 100.0).round() / 100.0)
    }
}

/// A limit of what a module may cost that nothing else would bring in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExclusiveLimit {
    /// Modules.
    pub modules: Option<u64>,
    /// CPU time.
    pub cpu: Option<BareStarts>,
}

/// A limit of CPU time, under limited processors and memory.
#[derive(Clone, Debug, PartialEq)]
pub struct CpuLimit {
    /// The most it may take.
    pub limit: BareStarts,
    /// Processors; `None` for all.
    pub cpus: Option<f64>,
    /// Memory, bytes; `None` for all.
    pub memory: Option<u64>,
}

/// What a start may load and cost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Budget {
    /// Limits of figures.
    pub limits: BTreeMap<Figure, u64>,
    /// Modules that must not be loaded.
    pub forbid: Vec<Pattern>,
    /// Modules that no import outside of functions may lead to.
    pub lazy: Vec<Pattern>,
    /// What single modules may cost.
    pub exclusive: BTreeMap<String, ExclusiveLimit>,
    /// CPU time.
    pub cpu: Option<CpuLimit>,
}

impl Budget {
    /// Whether it says anything about modules by name, for which imports have to be seen.
    pub fn names_modules(&self) -> bool {
        !(self.forbid.is_empty() && self.lazy.is_empty() && self.exclusive.is_empty())
    }
}

/// Names of modules: `package` is the package and all within it; with `*`, which stands for any characters, the whole name counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern(String);

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Where no module's name can match it.
    pub fn parse(text: &str) -> Result<Pattern, String> {
        let is_name = |c: char| c == '_' || c == '.' || c == '*' || c.is_alphanumeric();
        let has_empty_part = text.split('.').any(str::is_empty);
        if has_empty_part || !text.chars().all(is_name) {
            return Err(format!(
                "`{text}` is no pattern of module names; write `package` or `package.*`"
            ));
        }
        Ok(Pattern(text.to_owned()))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it means a module.
    pub fn matches(&self, name: &str) -> bool {
        if self.0.contains('*') {
            return glob(self.0.as_bytes(), name.as_bytes());
        }
        name.strip_prefix(&self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

/// Whether a text fits a pattern in which `*` stands for any characters. Linear in both but for the last star, to which it returns.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut read) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while read < text.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at, read));
            at += 1;
        } else if pattern.get(at) == Some(&text[read]) {
            at += 1;
            read += 1;
        } else if let Some((before, from)) = star {
            star = Some((before, from + 1));
            at = before + 1;
            read = from + 1;
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_package_means_all_within_it() {
        let pattern = Pattern::parse("pandas").unwrap();
        assert!(pattern.matches("pandas") && pattern.matches("pandas.core.api"));
        assert!(!pattern.matches("pandas_stubs") && !pattern.matches("geo.pandas"));
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        let pattern = |text| Pattern::parse(text).unwrap();
        assert!(pattern("*.tests.*").matches("numpy.tests.a"));
        assert!(!pattern("numpy.*").matches("numpy"));
        assert!(pattern("_*").matches("_ctypes"));
        assert!(pattern("a*b*c").matches("axxbyybc"));
        assert!(!pattern("a*b*c").matches("axxbyyb"));
    }

    #[test]
    fn what_no_module_is_called_is_refused() {
        for bad in ["", "a b", "a..b", ".a", "a/b", "numpy[core]"] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn keys_and_figures_belong_together() {
        for figure in Figure::ALL {
            assert_eq!(Figure::from_key(figure.key()), Some(figure));
        }
        assert_eq!(Figure::PeakMemory.show(1536), "1.5 KiB");
        assert_eq!(BareStarts(2.345).to_string(), "2.35x");
    }

    proptest! {
        /// Any text fits itself with some of it replaced by stars.
        #[test]
        fn a_glob_finds_what_it_was_made_of(text in "[a-c.]{0,20}", cuts in proptest::collection::vec((0usize..20, 0usize..5), 0..4)) {
            let mut pattern = text.clone();
            for (at, length) in cuts {
                let from = at.min(pattern.len());
                let to = (from + length).min(pattern.len());
                pattern.replace_range(from..to, "*");
            }
            prop_assert!(glob(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
