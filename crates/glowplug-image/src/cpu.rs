//! Identity of the CPU as programs see it, and levels that many CPUs have in common.
//!
//! Resolved ifuncs of the C library and the dispatch tables of numerical libraries are baked into an image. One that was frozen without
//! limits is used only where every feature word is equal; one that was frozen within a [`Level`] wherever there are all features of it.

use core::fmt;

/// Feature words of `cpuid`.
pub type Words = [u32; 10];

/// Leaf 1, ecx.
const LEAF_1_ECX: usize = 1;
/// Leaf 1, edx.
const LEAF_1_EDX: usize = 2;
/// Leaf 7, ebx.
const LEAF_7_EBX: usize = 3;
/// Leaf 0x80000001, ecx.
const AMD_ECX: usize = 7;

/// The feature words of this CPU: leaves 1 (without the APIC id), 7, 0xd and 0x80000001.
///
/// The size of the enabled XSAVE area (leaf 0xd) stands for what the kernel enabled of it.
#[cfg(target_arch = "x86_64")]
pub fn words() -> Words {
    use core::arch::x86_64::__cpuid_count;
    let family = __cpuid_count(1, 0);
    let features = __cpuid_count(7, 0);
    let more = __cpuid_count(7, 1);
    let amd = __cpuid_count(0x8000_0001, 0);
    let xsave = __cpuid_count(0xd, 0);
    let xsave_kinds = __cpuid_count(0xd, 1);
    [
        family.eax,
        family.ecx,
        family.edx,
        features.ebx,
        features.ecx,
        features.edx,
        more.eax,
        amd.ecx,
        xsave.ebx,
        xsave_kinds.eax,
    ]
}

/// A level of the x86-64 psABI: features that CPUs of a generation have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What every x86-64 CPU has.
    Baseline,
    /// x86-64-v2: to SSE4.2 and POPCNT; about 2009.
    V2,
    /// x86-64-v3: to AVX2 and FMA; about 2013.
    V3,
    /// x86-64-v4: AVX-512 as servers have it; about 2017.
    V4,
}

impl Level {
    /// All levels, the least first.
    pub const ALL: [Level; 4] = [Level::Baseline, Level::V2, Level::V3, Level::V4];

    /// The level of this name.
    pub fn from_name(name: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.name() == name)
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Baseline => "baseline",
            Level::V2 => "x86-64-v2",
            Level::V3 => "x86-64-v3",
            Level::V4 => "x86-64-v4",
        }
    }

    /// The highest level whose features this CPU all has, as far as the kernel has enabled them.
    #[cfg(target_arch = "x86_64")]
    pub fn here() -> Level {
        Level::of(&words())
    }

    /// The highest level whose features are all among `words`.
    pub fn of(words: &Words) -> Level {
        let has = |level: &Level| covers(words, &level.features());
        Level::ALL.into_iter().rev().find(has).unwrap_or(Level::Baseline)
    }

    /// Its features, those of lesser levels among them: the psABI's table of micro-architecture levels.
    pub const fn features(self) -> Words {
        let mut words = [0; 10];
        // FPU, CX8, CMOV, MMX, FXSR, SSE, SSE2.
        words[LEAF_1_EDX] = bits(&[0, 8, 15, 23, 24, 25, 26]);
        if !matches!(self, Level::Baseline) {
            // SSE3, SSSE3, CMPXCHG16B, SSE4.1, SSE4.2, POPCNT; LAHF.
            words[LEAF_1_ECX] |= bits(&[0, 9, 13, 19, 20, 23]);
            words[AMD_ECX] |= bits(&[0]);
        }
        if matches!(self, Level::V3 | Level::V4) {
            // FMA, MOVBE, OSXSAVE, AVX, F16C; BMI1, AVX2, BMI2; LZCNT.
            words[LEAF_1_ECX] |= bits(&[12, 22, 27, 28, 29]);
            words[LEAF_7_EBX] |= bits(&[3, 5, 8]);
            words[AMD_ECX] |= bits(&[5]);
        }
        if matches!(self, Level::V4) {
            // AVX512F, AVX512DQ, AVX512CD, AVX512BW, AVX512VL.
            words[LEAF_7_EBX] |= bits(&[16, 17, 28, 30, 31]);
        }
        words
    }

    /// What a CPU of this level answers to `cpuid` where the one that there is answers `real` (eax, ebx, ecx, edx).
    ///
    /// Instruction sets beyond the level are taken away; what the CPU is called, its caches and its topology stay. Numbers of leaves
    /// and bits are those of Intel's manual, volume 2A, and AMD's, volume 3, appendix E.
    pub fn answer(self, leaf: u32, subleaf: u32, real: [u32; 4]) -> [u32; 4] {
        let has_avx = self >= Level::V3;
        let features = self.features();
        let [eax, ebx, ecx, edx] = real;
        match (leaf, subleaf) {
            (1, _) => {
                let xsave = if has_avx { bits(&[26]) } else { 0 };
                [eax, ebx, ecx & (features[LEAF_1_ECX] | xsave | HYPERVISOR), edx]
            }
            (7, 0) => [0, ebx & features[LEAF_7_EBX], 0, 0],
            // The states that the level's registers have, and the bytes that these take.
            (0xd, 0) if has_avx => {
                let (states, len) = if self == Level::V4 { (0xe7, 2688) } else { (7, 832) };
                [eax & states, len, len, 0]
            }
            (0xd, 2) if has_avx => real,
            (0xd, 5..=7) if self == Level::V4 => real,
            // The rest of the states, key locker, AMX, AVX10.
            (7 | 0xd | 0x19 | 0x1d | 0x1e | 0x24, _) => [0; 4],
            (0x8000_0001, _) => [eax, ebx, ecx & features[AMD_ECX], edx & !bits(&[27, 30, 31])],
            (0x8000_0008, _) => [eax, 0, ecx, edx],
            _ => real,
        }
    }
}

/// Leaf 1, ecx: says that there is a hypervisor.
const HYPERVISOR: u32 = 1 << 31;

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A word with these bits.
const fn bits(numbers: &[u32]) -> u32 {
    let mut word = 0;
    let mut i = 0;
    while i < numbers.len() {
        word |= 1 << numbers[i];
        i += 1;
    }
    word
}

/// Whether a CPU with the feature `words` has all that are `needed`.
pub fn covers(words: &Words, needed: &Words) -> bool {
    words.iter().zip(needed).all(|(word, needed)| word & needed == *needed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_has_what_lesser_ones_have_and_more() {
        for pair in Level::ALL.windows(2) {
            let [less, more] = [pair[0].features(), pair[1].features()];
            assert!(covers(&more, &less) && !covers(&less, &more), "{pair:?}");
        }
        for level in Level::ALL {
            assert_eq!(Level::of(&level.features()), level);
            assert_eq!(Level::from_name(level.name()), Some(level));
        }
    }

    #[test]
    fn one_missing_feature_is_enough_to_miss_a_level() {
        for level in Level::ALL {
            let needed = level.features();
            for (word, bits) in needed.iter().enumerate() {
                for bit in (0..32).filter(|bit| bits & (1 << bit) != 0) {
                    let mut here = [u32::MAX; 10];
                    here[word] &= !(1 << bit);
                    assert!(!covers(&here, &needed), "{level}: word {word} bit {bit}");
                }
            }
        }
    }

    #[test]
    fn a_level_answers_with_its_own_features_alone() {
        for level in Level::ALL {
            let answer = |leaf| level.answer(leaf, 0, [u32::MAX; 4]);
            let mut words = Level::V4.features();
            words[LEAF_1_ECX] = answer(1)[2];
            words[LEAF_7_EBX] = answer(7)[1];
            words[AMD_ECX] = answer(0x8000_0001)[2];
            assert_eq!(Level::of(&words), level);
            let more = words[LEAF_1_ECX] & !HYPERVISOR & !level.features()[LEAF_1_ECX];
            assert_eq!(more & !bits(&[26]), 0, "{level}");
            assert_eq!([answer(7)[2], answer(7)[3], level.answer(7, 1, [1; 4])[0]], [0; 3]);
        }
        assert_eq!(Level::Baseline.answer(4, 0, [1, 2, 3, 4]), [1, 2, 3, 4], "caches stay");
    }

    #[test]
    fn other_features_do_not_matter_to_a_level() {
        let mut here = Level::V2.features();
        here[0] = 0x1234;
        here[8] = 2696;
        assert!(covers(&here, &Level::V2.features()));
    }
}
