//! Figures that were recorded to be compared with later.

use glowplug_profile::gate::budget::Figure;
use glowplug_profile::gate::report::Report;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

/// The version of the file that this build writes, and the only one it reads.
const VERSION: u32 = 1;

/// What was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    version: u32,
    /// Each entry point.
    pub entries: BTreeMap<String, Recorded>,
}

/// What was recorded of an entry point.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// The figures.
    pub figures: BTreeMap<Figure, u64>,
    /// Entries of `sys.path` that had a fault already.
    #[serde(default)]
    pub sys_path: Vec<String>,
}

impl Baseline {
    /// The figures of a report.
    pub fn of(report: &Report) -> Baseline {
        let mut entries = BTreeMap::new();
        for entry in &report.entries {
            let recorded = Recorded {
                figures: entry.figures.iter().map(|one| (one.figure, one.value)).collect(),
                sys_path: entry.problems.iter().filter_map(|one| one.path_entry.clone()).collect(),
            };
            entries.insert(entry.name.clone(), recorded);
        }
        Baseline { version: VERSION, entries }
    }

    /// Reads a file; `None` where there is none.
    ///
    /// # Errors
    /// Where it is not a baseline of this version.
    pub fn read(path: &Path) -> Result<Option<Baseline>, String> {
        let help = "help: record it anew by `glowplug gate record`";
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("cannot read {}: {error}\n{help}", path.display())),
        };
        let bad = |why: String| format!("{} is no baseline: {why}\n{help}", path.display());
        let read: Baseline = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
        if read.version == VERSION {
            Ok(Some(read))
        } else {
            Err(bad(format!("it is of version {}, and {VERSION} is expected", read.version)))
        }
    }

    /// Writes a file, and its folder where there is none.
    ///
    /// # Errors
    /// Where that is impossible.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let text = serde_json::to_string_pretty(self).expect("strings and numbers alone");
        fs::write(path, text + "\n")
    }
}
