//! One figure of one entry point over the commits.

use super::budget::Figure;
use super::history::Record;

/// The values of a figure, oldest first; at least one.
pub struct Trend {
    /// The entry point.
    pub entry: String,
    /// The figure.
    pub figure: Figure,
    /// Commit and value.
    pub values: Vec<(String, u64)>,
}

/// All trends, by entry point and figure.
pub fn of(records: &[Record]) -> Vec<Trend> {
    let mut names: Vec<&String> = records.iter().flat_map(|record| record.entries.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let mut trends = Vec::new();
    for entry in names {
        for figure in Figure::ALL {
            let value = |record: &Record| {
                let value = *record.entries.get(entry)?.get(&figure)?;
                Some((record.commit.clone(), value))
            };
            let values: Vec<(String, u64)> = records.iter().filter_map(value).collect();
            if !values.is_empty() {
                trends.push(Trend { entry: entry.clone(), figure, values });
            }
        }
    }
    trends
}

/// The first characters of a commit's digest, by which people know it.
pub fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}

impl Trend {
    /// The oldest value.
    pub fn first(&self) -> u64 {
        self.values.first().map_or(0, |(_, value)| *value)
    }

    /// The newest.
    pub fn last(&self) -> u64 {
        self.values.last().map_or(0, |(_, value)| *value)
    }

    /// From the oldest to the newest; `None` where the oldest is nothing.
    pub fn change_percent(&self) -> Option<f64> {
        let (first, last) = (self.first() as f64, self.last() as f64);
        (first > 0.0).then(|| 100.0 * (last - first) / first)
    }

    /// Where each value lies between the least (0) and the greatest (1).
    fn heights(&self) -> Vec<f64> {
        let values = || self.values.iter().map(|(_, value)| *value);
        let (low, high) = (values().min().unwrap_or(0), values().max().unwrap_or(0));
        let span = (high - low).max(1) as f64;
        values().map(|value| (value - low) as f64 / span).collect()
    }

    /// The newest values, as many as there are columns, as bars.
    pub fn sparkline(&self, columns: usize) -> String {
        const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let heights = self.heights();
        let from = heights.len().saturating_sub(columns);
        heights[from..].iter().map(|height| BARS[(height * 7.0).round() as usize]).collect()
    }

    /// The points of a line in a box; y grows downwards.
    pub fn points(&self, width: f64, height: f64) -> Vec<(f64, f64)> {
        let heights = self.heights();
        let step = width / (heights.len().max(2) - 1) as f64;
        let each = heights.iter().enumerate();
        each.map(|(index, part)| (index as f64 * step, height * (1.0 - part))).collect()
    }
}
