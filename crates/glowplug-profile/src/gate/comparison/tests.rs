//! The rates that the comparison states, on times made up like those of a shared machine.

use super::*;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

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
}

/// How a machine disturbs the times of a program that takes 60 ms on it.
#[derive(Clone, Copy, Debug)]
struct Machine {
    /// Standard deviation of the logarithm of each time.
    spread: f64,
    /// The part of runs that something disturbs.
    disturbed: f64,
    /// By how much at most, as a part of the time.
    by: f64,
}

/// Neighbours that compute now and then.
const BUSY: Machine = Machine { spread: 0.06, disturbed: 0.125, by: 0.5 };
/// More of them than there are processors, all the time.
const OVERLOADED: Machine = Machine { spread: 0.12, disturbed: 0.25, by: 1.0 };

/// Machine, slowdown in milliseconds, and in how many of 1,000 comparisons it is found.
const STATED: [(Machine, f64, u32); 6] = [
    (BUSY, 7.5, 986),
    (BUSY, 10.0, 1000),
    (BUSY, 15.0, 1000),
    (OVERLOADED, 7.5, 220),
    (OVERLOADED, 10.0, 857),
    (OVERLOADED, 15.0, 1000),
];

impl Machine {
    fn time(self, random: &mut Random, drift: f64) -> f64 {
        let is_disturbed = random.uniform() < self.disturbed;
        let disturbed = if is_disturbed { 1.0 + self.by * random.uniform() } else { 1.0 };
        60.0 * drift * disturbed * (self.spread * random.normal()).exp()
    }

    fn compare(self, random: &mut Random, rule: Rule, slower_ms: f64) -> Comparison {
        let mut sequence = Sequence::new(rule);
        let mut drift = 1.0;
        loop {
            // What the machine does changes slowly; both sides of a pair share it.
            drift = (drift + 0.05 * random.normal()).clamp(0.8, 1.25);
            let (base, head) = (self.time(random, drift), self.time(random, drift) + slower_ms);
            if let Some(comparison) = sequence.push(base, head) {
                return comparison;
            }
        }
    }

    /// How many of so many comparisons find the head slower.
    fn alarms(self, seed: u64, rule: Rule, slower_ms: f64, rounds: u32) -> u32 {
        let mut random = Random(seed);
        (0..rounds).filter(|_| self.compare(&mut random, rule, slower_ms).slower).count() as u32
    }
}

/// The most that a rate lets expect in so many rounds: four standard deviations above.
fn most(rate: f64, rounds: u32) -> f64 {
    let rounds = f64::from(rounds);
    rounds * rate + 4.0 * (rounds * rate * (1.0 - rate)).sqrt()
}

/// In so many rounds that looks which do not share the rate would show.
#[test]
fn a_bound_errs_as_often_as_is_stated_and_no_oftener() {
    let strict = Rule { percent: 0.0, milliseconds: 0.0, confidence: 0.95 };
    let found = BUSY.alarms(7, strict, 0.0, 400);
    assert!(f64::from(found) <= most(0.05, 400), "{found} false alarms in 400");
    assert!(found > 0, "a bound that never errs is no bound of 95%");
}

#[test]
fn identical_sides_do_not_alarm_with_the_usual_thresholds() {
    assert_eq!(BUSY.alarms(7, Rule::default(), 0.0, 100), 0);
    assert_eq!(OVERLOADED.alarms(7, Rule::default(), 0.0, 100), 0);
}

/// The table of docs/gate.md, by fewer rounds than it was made with.
#[test]
fn slowdowns_are_found_as_often_as_is_stated() {
    let rounds = 50;
    for (machine, slower_ms, stated) in STATED {
        let found = f64::from(machine.alarms(7, Rule::default(), slower_ms, rounds));
        let rate = f64::from(stated) / 1000.0;
        let missed = f64::from(rounds) - found;
        let as_stated = found <= most(rate, rounds) && missed <= most(1.0 - rate, rounds);
        assert!(
            as_stated,
            "{machine:?}, {slower_ms} ms: {found} of {rounds}, {stated} of 1,000 stated"
        );
    }
}

#[test]
fn a_slowdown_at_the_threshold_is_rarely_called_one() {
    let found = BUSY.alarms(7, Rule::default(), 5.0, 100);
    assert!(f64::from(found) <= most(0.01, 100), "{found} of 100, where 1% is stated");
}

#[test]
fn like_sides_are_settled_early() {
    let mut random = Random(3);
    let pairs: usize =
        (0..100).map(|_| BUSY.compare(&mut random, Rule::default(), 0.0).pairs).sum();
    assert!(pairs < 100 * 64, "{} pairs on average", pairs / 100);
}

#[test]
fn less_confidence_needs_fewer_pairs() {
    let first = |confidence| Looks::new(&LOOKS, confidence).at[0];
    assert_eq!([0.8, 0.95, 0.99, 0.9999].map(first), [8, 8, 16, 16]);
    let only = |confidence| Looks::once(&LOOKS, confidence).at;
    assert_eq!([0.8, 0.99, 0.9999].map(only), [[8], [8], [16]]);
    let looks = Looks::new(&LOOKS, 0.99);
    assert_eq!((looks.at.len(), looks.last()), (5, 256));
    assert!((looks.error - 0.002).abs() < 1e-12);
    assert_eq!(Looks::new(&LOOKS_AGAINST, 0.9).at[0], 6);
    assert_eq!(Looks::new(&LOOKS_AGAINST, 0.99).at[0], 12);
}

#[test]
fn ratios_have_bounds() {
    let pairs: Vec<(f64, f64)> = (0..20).map(|i| (10.0, 30.0 + f64::from(i % 5))).collect();
    let found = Ratio::of(&pairs).bounds(0.01).unwrap();
    assert!(found.low > 3.0 && found.low <= found.middle && found.high < 3.41, "{found:?}");
    assert_eq!(Ratio::of(&pairs[..3]).bounds(0.01), None);
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
        let before = Shift::of(&values).bounds(0.0025).unwrap();
        prop_assert!(before.low <= before.middle && before.middle <= before.high);
        values.reverse();
        let moved: Vec<f64> = values.iter().map(|value| value + by).collect();
        let after = Shift::of(&moved).bounds(0.0025).unwrap();
        for (one, other) in [(before.low, after.low), (before.middle, after.middle), (before.high, after.high)] {
            prop_assert!((one + by - other).abs() < 1e-9);
        }
    }

    /// What is slower than something else is not also faster, where that has to be at least as sure as what ends a comparison without a
    /// finding: the other way round it is ended then, whatever the later pairs would say.
    #[test]
    fn only_one_side_is_slower(
        pairs in proptest::collection::vec((10.0f64..100.0, 10.0f64..100.0), 256..257),
        slower in -60.0f64..60.0,
    ) {
        let rule = Rule { percent: 0.0, milliseconds: 0.0, confidence: 0.9 };
        let compared = |mut pairs: Vec<(f64, f64)>| {
            let mut sequence = Sequence::new(rule);
            pairs.drain(..).find_map(|(base, head)| sequence.push(base, head)).unwrap()
        };
        let found = compared(pairs.iter().map(|(base, head)| (*base, head + slower)).collect());
        let swapped = compared(pairs.iter().map(|(base, head)| (head + slower, *base)).collect());
        prop_assert!(found.pairs <= 256 && swapped.pairs <= 256);
        prop_assert!(!(found.slower && swapped.slower), "{:?} {:?}", found, swapped);
    }

    /// What is faster in each pair is never called slower.
    #[test]
    fn what_is_never_slower_is_not_called_slower(
        pairs in proptest::collection::vec((10.0f64..100.0, 0.0f64..50.0), 256..257),
        confidence in 0.8f64..0.9999,
    ) {
        let rule = Rule { percent: 0.0, milliseconds: 0.0, confidence };
        let mut sequence = Sequence::new(rule);
        let outcome = pairs.iter().find_map(|(head, less)| sequence.push(head + less, *head));
        prop_assert!(!outcome.unwrap().slower);
    }
}

/// Any machine, from an idle one to one on which every second run takes up to four times as long.
fn machines() -> impl Strategy<Value = Machine> {
    (0.001f64..0.4, 0.0f64..0.5, 0.0f64..3.0).prop_map(|(spread, disturbed, by)| Machine {
        spread,
        disturbed,
        by,
    })
}

proptest! {
    // Each case is many comparisons, and rates are no certainties: the same cases each time.
    #![proptest_config(ProptestConfig {
        cases: 8,
        rng_seed: RngSeed::Fixed(1),
        ..ProptestConfig::default()
    })]

    /// The rate of false alarms holds whatever the machine does, also where the least slowdown counts.
    #[test]
    fn identical_sides_alarm_no_oftener_than_stated(
        machine in machines(),
        seed: u64,
        confidence in prop::sample::select(vec![0.8, 0.9, 0.95, 0.99]),
    ) {
        let strict = Rule { percent: 0.0, milliseconds: 0.0, confidence };
        let found = machine.alarms(seed, strict, 0.0, 50);
        let most = most(1.0 - confidence, 50);
        prop_assert!(f64::from(found) <= most, "{} of 50 at {}", found, confidence);
    }

    /// A slowdown of twice the threshold is found on any machine that is no worse than the busy one.
    #[test]
    fn a_slowdown_of_twice_the_threshold_is_found_on_99_of_100_busy_machines(
        calm in 0.1f64..1.0,
        seed: u64,
    ) {
        let Machine { spread, disturbed, by } = BUSY;
        let machine = Machine { spread: spread * calm, disturbed: disturbed * calm, by };
        let found = machine.alarms(seed, Rule::default(), 10.0, 50);
        prop_assert!(found >= 49, "{} of 50", found);
    }
}

#[test]
fn a_multiple_of_a_yardstick_is_judged() {
    let mut random = Random(11);
    let mut judged = |multiple: f64| {
        let mut against = Against::new(multiple, 0.99);
        loop {
            let (yardstick, program) = (BUSY.time(&mut random, 1.0), BUSY.time(&mut random, 1.0));
            if let Some(found) = against.push(yardstick, 3.0 * program) {
                return found;
            }
        }
    };
    let above = (0..100).filter(|_| judged(2.5).low > 2.5).count();
    assert!(above >= 98, "{above}");
    assert_eq!((0..100).filter(|_| judged(3.3).low > 3.3).count(), 0);
}
