//! The rates that the comparison states, on times made up like those of a shared machine.

use super::*;
use proptest::prelude::*;

/// Steele, Lea and Flood's SplitMix.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let (radius, angle) = (self.uniform().max(1e-300), self.uniform());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }

    /// A time as a busy machine gives it: 60 ms with a standard deviation of 6%, one run in eight disturbed by up to 50%.
    fn time(&mut self, drift: f64) -> f64 {
        let disturbed = if self.uniform() < 0.125 { 1.0 + 0.5 * self.uniform() } else { 1.0 };
        60.0 * drift * disturbed * (0.06 * self.normal()).exp()
    }
}

fn compared(random: &mut Random, rule: Rule, slower_ms: f64) -> Comparison {
    let mut sequence = Sequence::new(rule);
    let mut drift = 1.0;
    loop {
        // What the machine does changes slowly; both sides of a pair share it.
        drift = (drift + 0.05 * random.normal()).clamp(0.8, 1.25);
        let (base, head) = (random.time(drift), random.time(drift) + slower_ms);
        if let Some(comparison) = sequence.push(base, head) {
            return comparison;
        }
    }
}

fn alarms(rule: Rule, slower_ms: f64, rounds: u32) -> u32 {
    let mut random = Random(7);
    (0..rounds).filter(|_| compared(&mut random, rule, slower_ms).slower).count() as u32
}

#[test]
fn identical_sides_alarm_no_oftener_than_stated_however_small_a_slowdown_counts() {
    let strict = Rule { percent: 0.0, milliseconds: 0.0, confidence: 0.95 };
    let rounds = 800;
    let found = alarms(strict, 0.0, rounds);
    // 5% stated; three standard deviations above.
    let most = f64::from(rounds) * 0.05 + 3.0 * (f64::from(rounds) * 0.05 * 0.95).sqrt();
    assert!(f64::from(found) <= most, "{found} false alarms in {rounds}");
    assert!(found > 0, "a bound that never errs is no bound of 95%");
}

#[test]
fn identical_sides_do_not_alarm_with_the_usual_thresholds() {
    assert_eq!(alarms(Rule::default(), 0.0, 400), 0);
}

#[test]
fn a_slowdown_of_twice_the_threshold_is_found_in_99_of_100() {
    let rounds = 300;
    let found = alarms(Rule::default(), 10.0, rounds);
    assert!(found >= 297, "{found} of {rounds}");
}

#[test]
fn a_slowdown_at_the_threshold_is_rarely_called_one() {
    let found = alarms(Rule::default(), 5.0, 400);
    assert!(found <= 12, "{found} of 400, where 1% is stated");
}

#[test]
fn like_sides_are_settled_early() {
    let mut random = Random(3);
    let pairs: usize = (0..200).map(|_| compared(&mut random, Rule::default(), 0.0).pairs).sum();
    assert!(pairs < 200 * 64, "{} pairs on average", pairs / 200);
}

#[test]
fn ratios_have_bounds() {
    let pairs: Vec<(f64, f64)> = (0..20).map(|i| (10.0, 30.0 + f64::from(i % 5))).collect();
    let found = ratio(&pairs, 0.01).unwrap();
    assert!(found.low > 3.0 && found.low <= found.middle && found.high < 3.41, "{found:?}");
    assert_eq!(ratio(&pairs[..3], 0.01), None);
}

/// All signs of the ranks, counted one by one.
fn outside_by_counting(count: usize, error: f64) -> Option<usize> {
    let mut ways = vec![0u32; count * (count + 1) / 2 + 1];
    for signs in 0u32..1 << count {
        let sum: usize = (0..count).filter(|bit| signs >> bit & 1 == 1).map(|bit| bit + 1).sum();
        ways[sum] += 1;
    }
    let mut below = 0.0;
    let mut found = None;
    for (sum, way) in ways.iter().enumerate().take(count * (count + 1) / 4) {
        below += f64::from(*way) / f64::from(1u32 << count);
        if below > error {
            break;
        }
        found = Some(sum);
    }
    found
}

#[test]
fn ranks_are_those_of_counting_every_case() {
    for count in 1..=12 {
        for error in [0.0025, 0.01, 0.05, 0.1] {
            assert_eq!(
                ranks_outside(count, error),
                outside_by_counting(count, error),
                "{count} {error}"
            );
        }
    }
}

proptest! {
    /// The bounds move with the values and do not depend on their order.
    #[test]
    fn bounds_move_with_the_values(
        mut values in proptest::collection::vec(-100.0f64..100.0, 16..40),
        by in -50.0f64..50.0,
    ) {
        let before = shift(&values, 0.0025).unwrap();
        prop_assert!(before.low <= before.middle && before.middle <= before.high);
        values.reverse();
        let moved: Vec<f64> = values.iter().map(|value| value + by).collect();
        let after = shift(&moved, 0.0025).unwrap();
        for (one, other) in [(before.low, after.low), (before.middle, after.middle), (before.high, after.high)] {
            prop_assert!((one + by - other).abs() < 1e-9);
        }
    }

    /// A slowdown is only called one where head is slower in most pairs.
    #[test]
    fn what_is_not_slower_in_most_pairs_is_not_called_slower(
        pairs in proptest::collection::vec((10.0f64..100.0, 10.0f64..100.0), 128..129),
    ) {
        let slower = pairs.iter().filter(|(base, head)| head > base).count();
        let mut sequence = Sequence::new(Rule::default());
        let outcome = pairs.iter().find_map(|(base, head)| sequence.push(*base, *head)).unwrap();
        prop_assert!(!outcome.slower || slower > 0);
        prop_assert!(outcome.pairs <= 128);
    }
}

#[test]
fn a_multiple_of_a_yardstick_is_judged() {
    let mut random = Random(11);
    let mut judged = |multiple: f64| {
        let mut against = Against::new(multiple, 0.99);
        loop {
            if let Some(found) = against.push(random.time(1.0), 3.0 * random.time(1.0)) {
                return found;
            }
        }
    };
    let above = (0..100).filter(|_| judged(2.5).low > 2.5).count();
    assert!(above >= 98, "{above}");
    assert_eq!((0..100).filter(|_| judged(3.3).low > 3.3).count(), 0);
}
