//! Identity of the CPU as programs see it.
//!
//! Resolved ifuncs of the C library and the dispatch tables of numerical libraries are baked into an image, so an image is used only
//! where every feature word is equal.

/// Feature words of `cpuid`.
pub type Words = [u32; 10];

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
