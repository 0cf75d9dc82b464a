//! Medians, and how sure their ratio is.

/// A ratio and the interval that holds it with 95% confidence.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Ratio {
    /// Of the two medians.
    pub value: f64,
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
}

const RESAMPLES: usize = 4000;

/// The middle value; the mean of the two middle ones where their number is even.
///
/// `values` must not be empty.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    }
}

/// The ratio of the medians of `a` and `b`, with a percentile bootstrap over whole rounds: the sides were run in turn,
/// so that what disturbed one sample disturbed its neighbour as well.
///
/// Both must hold the same number of values, at least one. The same values always give the same interval.
pub fn ratio_of_medians(a: &[f64], b: &[f64]) -> Ratio {
    assert_eq!(a.len(), b.len(), "the sides are sampled in rounds");
    let mut random = SplitMix(0x676c_6f77_706c_7567);
    let mut ratios: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let rounds: Vec<usize> = a.iter().map(|_| random.below(a.len())).collect();
            let pick = |values: &[f64]| rounds.iter().map(|i| values[*i]).collect::<Vec<_>>();
            median(&pick(a)) / median(&pick(b))
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    let at = |share: f64| ratios[((RESAMPLES - 1) as f64 * share).round() as usize];
    Ratio { value: median(a) / median(b), low: at(0.025), high: at(0.975) }
}

/// Steele, Lea and Flood's generator: small, and good enough to draw rounds.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The bias is below one in 2^50 for any number of samples that somebody would wait for.
    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn the_interval_holds_the_ratio_and_narrows_with_steady_samples() {
        let steady: Vec<f64> = (0..30).map(|i| 10.0 + f64::from(i % 3) * 0.01).collect();
        let wild: Vec<f64> = (0..30).map(|i| 10.0 + f64::from(i * 7 % 30)).collect();
        let base = vec![20.0; 30];
        let (calm, rough) = (ratio_of_medians(&steady, &base), ratio_of_medians(&wild, &base));
        for ratio in [calm, rough] {
            assert!(ratio.low <= ratio.value && ratio.value <= ratio.high, "{ratio:?}");
        }
        assert!(calm.high - calm.low < 0.001, "{calm:?}");
        assert!(rough.high - rough.low > 0.05, "{rough:?}");
        assert_eq!(rough, ratio_of_medians(&wild, &base));
    }

    #[test]
    fn rounds_are_drawn_whole() {
        let a: Vec<f64> = (1..=30).map(f64::from).collect();
        let b: Vec<f64> = a.iter().map(|value| value * 2.0).collect();
        let ratio = ratio_of_medians(&a, &b);
        assert_eq!((ratio.low, ratio.high), (0.5, 0.5));
    }
}
