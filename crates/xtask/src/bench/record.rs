//! benches/results/<case>.json: raw samples, and what is needed to judge and repeat them.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::{
    cases::{Argv, Case, Quantity, Side},
    machine::Machine,
    statistics::{Ratio, median, ratio_of_medians},
};
use crate::workspace;

/// The figures of one process, or of several at once.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Debug)]
#[serde(untagged)]
pub enum Sample {
    /// From start to end, in milliseconds.
    Time {
        /// By the monotonic clock.
        wall_ms: f64,
        /// User and system time of the process and the descendants that were waited for.
        cpu_ms: f64,
    },
    /// Mean over processes that ran at once.
    Memory {
        /// Proportional set size in KiB.
        pss_kib: f64,
    },
}

impl Sample {
    fn get(self, quantity: Quantity) -> Option<f64> {
        match (self, quantity) {
            (Self::Time { wall_ms, .. }, Quantity::Wall) => Some(wall_ms),
            (Self::Time { cpu_ms, .. }, Quantity::Cpu) => Some(cpu_ms),
            (Self::Memory { pss_kib }, Quantity::Pss) => Some(pss_kib),
            _ => None,
        }
    }
}

/// A measured case.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Record {
    /// Its name.
    pub case: String,
    /// Its name for people.
    pub title: String,
    /// The sides in the order in which they ran.
    pub sides: Vec<String>,
    /// What the bars hold for.
    pub quantity: Quantity,
    /// The share of other sides that the first may take at most.
    pub bars: BTreeMap<String, f64>,
    /// The command line of each side, as benches/cases.toml has it.
    pub command: BTreeMap<String, Argv>,
    /// One sample of each side per round, in order.
    pub samples: BTreeMap<String, Vec<Sample>>,
    /// Where they were taken.
    pub machine: Machine,
}

impl Record {
    /// Puts a case and its samples together.
    pub fn new(case: &Case, samples: BTreeMap<String, Vec<Sample>>, machine: Machine) -> Self {
        let command = |side: &Side| (side.name.clone(), side.as_written.clone());
        let bar = |side: &Side| Some((side.name.clone(), side.bar?));
        Self {
            case: case.name.clone(),
            title: case.title.clone(),
            sides: case.sides.iter().map(|side| side.name.clone()).collect(),
            quantity: case.headline(),
            bars: case.sides.iter().filter_map(bar).collect(),
            command: case.sides.iter().map(command).collect(),
            samples,
            machine,
        }
    }

    /// The median of one figure of a side, where its samples have that figure.
    pub fn median(&self, side: &str, quantity: Quantity) -> Option<f64> {
        self.series(side, quantity).map(|series| median(&series))
    }

    /// What the first side takes of another one.
    pub fn ratio(&self, other: &str, quantity: Quantity) -> Option<Ratio> {
        let first = self.series(self.sides.first()?, quantity)?;
        Some(ratio_of_medians(&first, &self.series(other, quantity)?))
    }

    fn series(&self, side: &str, quantity: Quantity) -> Option<Vec<f64>> {
        let samples = self.samples.get(side)?;
        samples.iter().map(|sample| sample.get(quantity)).collect()
    }

    /// Medians, ratios and the bar, for the terminal.
    pub fn report(&self) -> String {
        let mut text = format!("{}: {}\n", self.case, self.title);
        for side in &self.sides {
            let figures = Quantity::ALL.into_iter().filter_map(|quantity| {
                Some(format!("{quantity} {:>9}", quantity.show(self.median(side, quantity)?)))
            });
            let figures: Vec<_> = figures.collect();
            let _ = writeln!(text, "  {side:32} {}", figures.join("  "));
        }
        for other in self.sides.iter().skip(1) {
            for quantity in Quantity::ALL {
                if let Some(ratio) = self.ratio(other, quantity) {
                    let _ = writeln!(text, "  {}", self.comparison(other, quantity, ratio));
                }
            }
        }
        text
    }

    fn comparison(&self, other: &str, quantity: Quantity, ratio: Ratio) -> String {
        let Ratio { value, low, high } = ratio;
        let held = match self.bars.get(other).filter(|_| quantity == self.quantity) {
            Some(bar) if value <= *bar => format!(", bar {bar}: held"),
            Some(bar) => format!(", bar {bar}: MISSED"),
            None => String::new(),
        };
        format!("{quantity} is {value:.4} ({low:.4}–{high:.4}) of {other}{held}")
    }

    /// Writes the record to its place.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self) -> Result<()> {
        let path = results_dir().join(format!("{}.json", self.case));
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::create_dir_all(results_dir())
            .and_then(|()| fs::write(&path, text))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Reads the records of those of `cases` that were measured.
    ///
    /// # Errors
    /// A file cannot be read or is no whole record.
    pub fn read_all(cases: &[Case]) -> Result<Vec<Self>> {
        let paths = cases.iter().map(|case| results_dir().join(format!("{}.json", case.name)));
        paths
            .filter_map(|path| match Self::read(&path) {
                Ok(None) => None,
                Ok(Some(record)) => Some(Ok(record)),
                Err(error) => Some(Err(error.context(path.display().to_string()))),
            })
            .collect()
    }

    fn read(path: &Path) -> Result<Option<Self>> {
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let record: Self = serde_json::from_str(&text)?;
        let counts = record.sides.iter().map(|side| record.samples.get(side).map_or(0, Vec::len));
        let rounds = record.samples.values().next().map_or(0, Vec::len);
        let whole = rounds > 0 && counts.into_iter().all(|count| count == rounds);
        ensure!(whole, "the sides do not have the same number of samples");
        Ok(Some(record))
    }
}

fn results_dir() -> PathBuf {
    workspace::root().join("benches/results")
}
