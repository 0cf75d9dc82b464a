//! Freezing for a lesser CPU than the one at hand.
//!
//! What libraries choose when they are loaded is in the image, so they are made to choose as on a CPU of the level. Two means work
//! together. `cpuid` is made to trap in the frozen interpreter where the CPU can do that, and is answered by the extension; that reaches
//! whatever is loaded from the interpreter's start on. The C library and what the interpreter is linked to have chosen before; the former
//! obeys a variable. Libraries with variables of their own get these as well, for CPUs that cannot trap.

use glowplug_image::cpu::Level;
use glowplug_linux::attempts::Call;

/// Features that the C library is told to do without below the level that has them, or always. The names are those that glibc's manual
/// lists under `glibc.cpu.hwcaps`, and older ones; what a version of it does not know it ignores.
const GLIBC: [(Option<Level>, &str); 4] = [
    (Some(Level::V2), "-SSE3,-SSSE3,-SSE4_1,-SSE4_2,-POPCNT"),
    (
        Some(Level::V3),
        "-AVX,-AVX2,-AVX_Usable,-AVX2_Usable,-BMI1,-BMI2,-FMA,-FMA_Usable,-LZCNT,-MOVBE,-F16C,-OSXSAVE,-XSAVE,-AVX_Fast_Unaligned_Load",
    ),
    (Some(Level::V4), "-AVX512F,-AVX512CD,-AVX512BW,-AVX512DQ,-AVX512VL,-AVX512F_Usable"),
    // XSAVEC came after the first CPUs of v3; what is chosen for RTM tests for a transaction.
    (None, "-XSAVEC,-RTM,-FMA4,-FMA4_Usable,-AVX512ER,-AVX512PF"),
];

/// The same for numpy, where `cpuid` does not trap; it warns of features that there are not anyway.
const NUMPY: [(Option<Level>, &str); 4] = [
    (Some(Level::V2), "SSSE3 SSE41 POPCNT SSE42"),
    (Some(Level::V3), "AVX F16C FMA3 AVX2 X86_V3"),
    (Some(Level::V4), "AVX512F AVX512CD AVX512_SKX X86_V4"),
    (None, "XOP FMA4 AVX512_KNL AVX512_KNM AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR"),
];

/// Variables that name the highest instruction set, and its name on each level: baseline, v2, v3, v4.
///
/// OpenBLAS, MKL, oneDNN under both its names, PyTorch, Arrow.
const HIGHEST: [(&str, [&str; 4]); 6] = [
    ("OPENBLAS_CORETYPE", ["Prescott", "Nehalem", "Haswell", "SkylakeX"]),
    ("MKL_ENABLE_INSTRUCTIONS", ["SSE4_2", "SSE4_2", "AVX2", "AVX512"]),
    ("ONEDNN_MAX_CPU_ISA", ["SSE41", "SSE41", "AVX2", "AVX512_CORE"]),
    ("DNNL_MAX_CPU_ISA", ["SSE41", "SSE41", "AVX2", "AVX512_CORE"]),
    ("ATEN_CPU_CAPABILITY", ["default", "default", "avx2", "avx512"]),
    ("ARROW_USER_SIMD_LEVEL", ["NONE", "SSE4_2", "AVX2", "AVX512"]),
];

/// Variables that are made up for each level.
const MADE_UP: [&str; 4] =
    ["GLIBC_TUNABLES", "LD_BIND_NOW", "OPENSSL_ia32cap", "NPY_DISABLE_CPU_FEATURES"];

/// Packages that choose by asking the CPU themselves and that no variable tells otherwise.
const DEAF: [&str; 8] =
    ["polars", "tensorflow", "jaxlib", "orjson", "faiss", "blosc2", "numba", "tokenizers"];

/// What `--cpu` was given: a level, or none for this CPU alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted(pub Option<Level>);

/// Reads the value of `--cpu`.
///
/// # Errors
/// In words where there is no such level, or this CPU does not have it.
pub fn parse(text: &str) -> Result<Wanted, String> {
    if text == "native" {
        return Ok(Wanted(None));
    }
    let names = Level::ALL.map(Level::name).join(", ");
    let level = Level::from_name(text).ok_or_else(|| format!("it is {names} or native"))?;
    let here = Level::here();
    if level > here {
        return Err(format!("this CPU is of level {here} itself"));
    }
    Ok(Wanted(Some(level)))
}

/// The environment variables that keep libraries within a level.
pub fn limits(level: Option<Level>) -> Vec<(&'static str, String)> {
    let Some(level) = level else { return Vec::new() };
    let beyond = |table: &[(Option<Level>, &str)], separator: &str| {
        let beyond = table.iter().filter(|(least, _)| least.is_none_or(|least| least > level));
        beyond.map(|(_, names)| *names).collect::<Vec<_>>().join(separator)
    };
    let mut limits = vec![
        ("GLIBC_TUNABLES", format!("glibc.cpu.hwcaps={}", beyond(&GLIBC, ","))),
        // Resolving a function at its first call saves registers by an instruction that not every CPU of the level has.
        ("LD_BIND_NOW", "1".to_owned()),
        ("OPENSSL_ia32cap", openssl(level)),
    ];
    let index = Level::ALL.iter().position(|other| *other == level).unwrap_or(0);
    limits.extend(HIGHEST.iter().map(|(name, values)| (*name, values[index].to_owned())));
    if !can_trap() {
        limits.push(("NPY_DISABLE_CPU_FEATURES", beyond(&NUMPY, " ")));
    }
    limits
}

/// The bits of two pairs of words that OpenSSL is to forget: leaf 1 (edx, ecx), and leaf 7 (ebx, ecx).
fn openssl(level: Level) -> String {
    let [_, ecx, _, ebx, ..] = level.features();
    format!("~0x{:08x}00000000:~0xffffffff{:08x}", !ecx, !ebx)
}

/// Whether a variable that was read is one of those, and so nobody else's.
pub fn is_limit(level: Option<Level>, name: &[u8]) -> bool {
    let own = HIGHEST.iter().map(|(name, _)| *name).chain(MADE_UP);
    level.is_some() && own.into_iter().any(|own| own.as_bytes() == name)
}

/// Whether `cpuid` can be made to trap here.
pub fn can_trap() -> bool {
    Call::TrapCpuid.attempt().is_ok()
}

/// What is to be said of an image for a level: which packages may have chosen more than it has.
pub fn notes(level: Option<Level>, modules: &[String]) -> Vec<String> {
    let Some(level) = level.filter(|_| !can_trap()) else { return Vec::new() };
    DEAF.iter()
        .filter(|package| modules.iter().any(|module| module == *package))
        .map(|package| {
            format!(
                "{package} asks the CPU itself what it can do, and this CPU cannot be made to hide it: the image may need more than {level}"
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(level: Level, name: &str) -> String {
        let limits = limits(Some(level));
        limits.into_iter().find(|(other, _)| *other == name).map(|(_, value)| value).expect(name)
    }

    #[test]
    fn a_level_forbids_what_higher_ones_have() {
        let v2 = limit(Level::V2, "GLIBC_TUNABLES");
        assert!(v2.contains("-AVX2,") && v2.contains("-AVX512F") && !v2.contains("SSE4_2"), "{v2}");
        let v3 = limit(Level::V3, "GLIBC_TUNABLES");
        assert!(!v3.contains("-AVX2") && v3.contains("-AVX512F"), "{v3}");
        assert_eq!(limit(Level::V3, "OPENBLAS_CORETYPE"), "Haswell");
        assert!(limits(None).is_empty());
    }

    #[test]
    fn openssl_forgets_all_other_bits() {
        // Of leaf 7 nothing is left on v2; of leaf 1 SSE3, SSSE3, CMPXCHG16B, SSE4 and POPCNT.
        assert_eq!(openssl(Level::V2), "~0xff67ddfe00000000:~0xffffffffffffffff");
    }

    #[test]
    fn every_limit_is_known_for_one() {
        for level in Level::ALL {
            for (name, _) in limits(Some(level)) {
                assert!(is_limit(Some(level), name.as_bytes()), "{name}");
            }
        }
        assert!(is_limit(Some(Level::V2), b"NPY_DISABLE_CPU_FEATURES"));
        assert!(!is_limit(None, b"OPENBLAS_CORETYPE") && !is_limit(Some(Level::V2), b"PATH"));
    }

    #[test]
    fn levels_are_spelled_as_everywhere() {
        assert_eq!(parse("native"), Ok(Wanted(None)));
        assert_eq!(parse("baseline"), Ok(Wanted(Some(Level::Baseline))));
        assert!(parse("haswell").is_err_and(|error| error.contains("x86-64-v3")));
    }
}
