//! Whether one side is slower than the other, judged on pairs that were measured in turn.
//!
//! The judgement rests on the signs and ranks of the differences within pairs (F. Wilcoxon, "Individual comparisons by ranking
//! methods", 1945; the bounds are those of J. L. Hodges and E. L. Lehmann, 1963). Where the two sides are the same program, each
//! difference is as likely to be negative as positive, whatever the machine does meanwhile; so the rate of false alarms holds
//! without any assumption on how times are distributed, which on shared machines have long tails.
//!
//! The pairs are looked at after [`LOOKS`] of them; the permitted rate of false alarms is shared out evenly among the looks, so that
//! looking often does not raise it. A look that has too few pairs for bounds as sure as its share demands is left out, and takes no
//! share. What is settled early ends early, which with two like sides is the rule: as soon as a slowdown that counts is unlikely,
//! there is none, which can miss one but never raises a false alarm.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

/// After how many pairs there is a decision, if one can be made. With the usual confidence the first is left out.
pub const LOOKS: [usize; 6] = [8, 16, 32, 64, 128, 256];
/// The same for [`Against`].
const LOOKS_AGAINST: [usize; 4] = [6, 12, 24, 48];

/// How unlikely a slowdown that counts has to be for the comparison to end without one.
const UNLIKELY: f64 = 0.02;

/// When a side counts as slower.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rule {
    /// By so many percent of the base at least.
    pub percent: f64,
    /// And by so many milliseconds at least.
    pub milliseconds: f64,
    /// How sure that has to be: 0.99 for one false alarm in a hundred comparisons.
    pub confidence: f64,
}

impl Default for Rule {
    fn default() -> Rule {
        Rule { percent: 5.0, milliseconds: 5.0, confidence: 0.99 }
    }
}

/// A value and the bounds that it lies between, each with the confidence that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// Lower bound.
    pub low: f64,
    /// The estimate.
    pub middle: f64,
    /// Upper bound.
    pub high: f64,
}

/// How a comparison came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// Whether the lower bound passes both the percentage and the milliseconds.
    pub slower: bool,
    /// By how much the head is slower than the base, milliseconds.
    pub difference_ms: Interval,
    /// The same in percent of the base.
    pub difference_percent: Interval,
    /// Median of the base, milliseconds.
    pub base_ms: f64,
    /// Median of the head, milliseconds.
    pub head_ms: f64,
    /// Pairs that were measured.
    pub pairs: usize,
}

/// When pairs are looked at, and how likely each bound may err at each of these looks.
#[derive(Clone, Copy, Debug)]
struct Looks {
    at: &'static [usize],
    error: f64,
}

impl Looks {
    /// Those of all that can have bounds so sure, and share the error out among them.
    fn new(all: &'static [usize], confidence: f64) -> Looks {
        let from = |first| Looks::sharing(&all[first..], confidence);
        (0..all.len()).map(from).find(Looks::can_tell).unwrap_or_else(|| from(all.len() - 1))
    }

    /// The first of all that can have bounds so sure if there is no other.
    fn once(all: &'static [usize], confidence: f64) -> Looks {
        let only = |index: usize| Looks::sharing(&all[index..=index], confidence);
        (0..all.len()).map(only).find(Looks::can_tell).unwrap_or_else(|| only(all.len() - 1))
    }

    fn sharing(at: &'static [usize], confidence: f64) -> Looks {
        Looks { at, error: (1.0 - confidence) / at.len() as f64 }
    }

    fn can_tell(&self) -> bool {
        ranks_outside(self.at[0], self.error).is_some()
    }

    fn last(&self) -> usize {
        self.at[self.at.len() - 1]
    }
}

/// Decides on pairs of milliseconds (base, head) as they come.
#[derive(Clone, Debug)]
pub struct Sequence {
    rule: Rule,
    looks: Looks,
    pairs: Vec<(f64, f64)>,
}

impl Sequence {
    /// A sequence without pairs.
    pub fn new(rule: Rule) -> Sequence {
        Sequence { rule, looks: Looks::new(&LOOKS, rule.confidence), pairs: Vec::new() }
    }

    /// One with a single look, as early as the confidence allows: for what is told beside a finding that there is already.
    pub fn brief(rule: Rule) -> Sequence {
        Sequence { rule, looks: Looks::once(&LOOKS, rule.confidence), pairs: Vec::new() }
    }

    /// Takes a pair; the comparison where it is decided now. It is decided at the last look at the latest.
    pub fn push(&mut self, base_ms: f64, head_ms: f64) -> Option<Comparison> {
        self.pairs.push((base_ms, head_ms));
        if !self.looks.at.contains(&self.pairs.len()) {
            return None;
        }
        let mut shift = Shift::of(&self.differences());
        let comparison = self.look(&mut shift)?;
        let least = self.least(comparison.base_ms);
        let settled = comparison.slower
            || shift.bounds(UNLIKELY).is_some_and(|bounds| bounds.high < least)
            || self.pairs.len() >= self.looks.last();
        settled.then_some(comparison)
    }

    /// What counts as slower, milliseconds.
    fn least(&self, base_ms: f64) -> f64 {
        self.rule.milliseconds.max(base_ms * self.rule.percent / 100.0)
    }

    fn differences(&self) -> Vec<f64> {
        self.pairs.iter().map(|(base, head)| head - base).collect()
    }

    fn look(&self, shift: &mut Shift) -> Option<Comparison> {
        let difference_ms = shift.bounds(self.looks.error)?;
        let of_side = |side: fn(&(f64, f64)) -> f64| {
            median(&mut self.pairs.iter().map(side).collect::<Vec<_>>())
        };
        let (base_ms, head_ms) = (of_side(|pair| pair.0), of_side(|pair| pair.1));
        let percent = |ms: f64| 100.0 * ms / base_ms.max(f64::MIN_POSITIVE);
        Some(Comparison {
            slower: difference_ms.low > self.least(base_ms),
            difference_ms,
            difference_percent: Interval {
                low: percent(difference_ms.low),
                middle: percent(difference_ms.middle),
                high: percent(difference_ms.high),
            },
            base_ms,
            head_ms,
            pairs: self.pairs.len(),
        })
    }
}

/// Decides on pairs (yardstick, program) as they come whether the program takes more than a multiple of the yardstick.
#[derive(Clone, Debug)]
pub struct Against {
    multiple: f64,
    looks: Looks,
    pairs: Vec<(f64, f64)>,
}

impl Against {
    /// A sequence without pairs.
    pub fn new(multiple: f64, confidence: f64) -> Against {
        Against { multiple, looks: Looks::new(&LOOKS_AGAINST, confidence), pairs: Vec::new() }
    }

    /// Takes a pair of positive times; the ratio where it is decided now on which side of the multiple it lies. It is decided at the
    /// last look at the latest; only where the lower bound is above the multiple does the program take more.
    pub fn push(&mut self, yardstick: f64, program: f64) -> Option<Interval> {
        self.pairs.push((yardstick, program));
        if !self.looks.at.contains(&self.pairs.len()) {
            return None;
        }
        let mut ratio = Ratio::of(&self.pairs);
        let found = ratio.bounds(self.looks.error)?;
        let settled = found.low > self.multiple
            || ratio.bounds(UNLIKELY).is_some_and(|bounds| bounds.high < self.multiple)
            || self.pairs.len() >= self.looks.last();
        settled.then_some(found)
    }
}

/// The ratio head / base of pairs of positive values.
struct Ratio(Shift);

impl Ratio {
    fn of(pairs: &[(f64, f64)]) -> Ratio {
        let positive = |value: f64| value.max(f64::MIN_POSITIVE);
        let logs: Vec<f64> =
            pairs.iter().map(|(base, head)| (positive(*head) / positive(*base)).ln()).collect();
        Ratio(Shift::of(&logs))
    }

    /// As [`Shift::bounds`].
    fn bounds(&mut self, error: f64) -> Option<Interval> {
        let Interval { low, middle, high } = self.0.bounds(error)?;
        Some(Interval { low: low.exp(), middle: middle.exp(), high: high.exp() })
    }
}

/// By how much paired values differ.
struct Shift {
    count: usize,
    /// The means of all two of the differences, and of each with itself.
    means: Vec<f64>,
}

impl Shift {
    fn of(differences: &[f64]) -> Shift {
        let count = differences.len();
        let mut means = Vec::with_capacity(count * (count + 1) / 2);
        for (index, one) in differences.iter().enumerate() {
            means.extend(differences[..=index].iter().map(|other| f64::midpoint(*one, *other)));
        }
        Shift { count, means }
    }

    /// The pseudomedian of the differences, which is the median of the means, and bounds each of which is wrong with probability
    /// `error` at most. `None` where there are too few.
    fn bounds(&mut self, error: f64) -> Option<Interval> {
        let outside = ranks_outside(self.count, error)?;
        let last = self.means.len() - 1;
        Some(Interval {
            low: nth(&mut self.means, outside),
            middle: median(&mut self.means),
            high: nth(&mut self.means, last - outside),
        })
    }
}

/// How many of the sorted means lie outside of a bound, by count of differences and bits of the error.
type Ranks = HashMap<(usize, u64), Option<usize>>;

/// Those that were counted: each is asked for once for every entry point.
static RANKS: LazyLock<Mutex<Ranks>> = LazyLock::new(Mutex::default);

/// [`count_ranks_outside`], remembered.
fn ranks_outside(count: usize, error: f64) -> Option<usize> {
    let mut known = RANKS.lock().unwrap_or_else(PoisonError::into_inner);
    *known.entry((count, error.to_bits())).or_insert_with(|| count_ranks_outside(count, error))
}

/// How many of the sorted means lie outside of a bound: the most for which the rank sum of `count` differences without a shift is
/// smaller with probability `error` at most. `None` where even the smallest sum is likelier.
fn count_ranks_outside(count: usize, error: f64) -> Option<usize> {
    // Ways to make each sum of some of the ranks 1 to `count`, as parts of all ways.
    let most = count * (count + 1) / 2;
    let mut chance = vec![0.0; most + 1];
    chance[0] = 1.0;
    for rank in 1..=count {
        for sum in (0..=most).rev() {
            let with = if sum >= rank { chance[sum - rank] } else { 0.0 };
            chance[sum] = f64::midpoint(chance[sum], with);
        }
    }
    let mut below = 0.0;
    let mut outside = None;
    for (sum, one) in chance.iter().enumerate().take(most / 2) {
        below += one;
        if below > error {
            break;
        }
        outside = Some(sum);
    }
    outside
}

/// The value that would stand at an index if the values were sorted. Looking for it reorders them.
fn nth(values: &mut [f64], index: usize) -> f64 {
    *values.select_nth_unstable_by(index, f64::total_cmp).1
}

/// The median of at least one value. Looking for it reorders them.
fn median(values: &mut [f64]) -> f64 {
    let half = values.len() / 2;
    let upper = nth(values, half);
    if values.len() % 2 == 1 { upper } else { f64::midpoint(nth(values, half - 1), upper) }
}

#[cfg(test)]
mod tests;
