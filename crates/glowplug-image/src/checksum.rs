//! A checksum that tells accidental damage: a bit that flipped on a disk or in memory, a page that was never written.
//!
//! It is made to be fast without vector instructions (about 16 bytes a nanosecond), since every start computes it. It is no defence
//! against somebody who changes an image on purpose: images are private files of their user for that reason.

/// Odd, so that multiplying by it loses nothing: 2^64 divided by the golden ratio.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Independent sums, so that a processor can work on several multiplications at once.
const LANES: usize = 8;

/// The checksum of some parts, one after the other. What it is the sum of counts as well as where a part ends.
///
/// Each step is a bijection of the sum and of the word, so damage to a single word always shows; what damages several escapes only
/// where it happens to cancel out.
pub fn of(parts: &[&[u8]]) -> u64 {
    let mut lanes = [0, 1, 2, 3, 4, 5, 6, 7];
    for part in parts {
        add(&mut lanes, part);
    }
    lanes.into_iter().fold(0, step)
}

fn add(lanes: &mut [u64; LANES], part: &[u8]) {
    let (words, rest) = part.as_chunks::<8>();
    let (rows, last) = words.as_chunks::<LANES>();
    // A copy, which stays in registers.
    let mut sums = *lanes;
    for row in rows {
        for (sum, word) in sums.iter_mut().zip(row) {
            *sum = step(*sum, u64::from_le_bytes(*word));
        }
    }
    for (sum, word) in sums.iter_mut().zip(last) {
        *sum = step(*sum, u64::from_le_bytes(*word));
    }
    let tail = rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
    let [first, ..] = &mut sums;
    *first = step(step(*first, tail), part.len() as u64);
    *lanes = sums;
}

/// The rotation brings the high bits, which a multiplication leaves alone, to where the next one spreads them.
fn step(sum: u64, word: u64) -> u64 {
    (sum ^ word).wrapping_mul(MULTIPLIER).rotate_left(29)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::of;
    use std::collections::HashSet;
    use std::vec::Vec;

    #[test]
    fn every_single_bit_counts() {
        let bytes: Vec<u8> = (0..=255).chain(0..77).collect();
        let sum = of(&[&bytes]);
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(of(&[&damaged]), sum, "bit {bit}");
        }
    }

    #[test]
    fn pairs_of_high_bits_do_not_cancel() {
        let sum = of(&[&[0; 256]]);
        for (one, other) in (0..32).flat_map(|one| (0..one).map(move |other| (one, other))) {
            let mut damaged = [0; 256];
            damaged[one * 8 + 7] = 0x80;
            damaged[other * 8 + 7] = 0x80;
            assert_ne!(of(&[&damaged]), sum, "{one} {other}");
        }
    }

    #[test]
    fn lengths_and_places_count() {
        let mut seen = HashSet::new();
        for len in 0..100 {
            assert!(seen.insert(of(&[&[0; 100][..len]])), "{len} zeros");
        }
        assert_ne!(of(&[b"ab", b"c"]), of(&[b"a", b"bc"]));
        assert_ne!(of(&[b"", b"a"]), of(&[b"a", b""]));
    }
}
