//! The functions of a vdso, from its bytes.

use glowplug_image::state::{VDSO_SYMBOLS, VdsoSymbol};

/// Functions that the vdso in `bytes` exports; `None` where it is no ELF image that is understood.
///
/// All offsets are relative to the image's first byte, which is how the kernel links it.
pub fn functions(bytes: &[u8]) -> Option<Vec<VdsoSymbol>> {
    let table = usize::try_from(word(bytes, 32, 8)?).ok()?;
    let count = usize::try_from(word(bytes, 56, 2)?).ok()?;
    // p_type PT_DYNAMIC is 2; p_offset stands at 8.
    let header = (0..count)
        .map_while(|i| table.checked_add(i * 56))
        .find(|&at| word(bytes, at, 4) == Some(2))?;
    let dynamic = usize::try_from(word(bytes, header.checked_add(8)?, 8)?).ok()?;
    let entry = |tag: u64| {
        (0..64)
            .map(|i| dynamic + i * 16)
            .find(|&at| word(bytes, at, 8) == Some(tag))
            .and_then(|at| usize::try_from(word(bytes, at.checked_add(8)?, 8)?).ok())
    };
    let (strings, symbols) = (entry(5)?, entry(6)?);
    let mut found = Vec::new();
    for at in (symbols..strings).step_by(24).skip(1) {
        // STT_FUNC is 2.
        if word(bytes, at + 4, 1)? & 15 != 2 {
            continue;
        }
        let name_at = strings.checked_add(usize::try_from(word(bytes, at, 4)?).ok()?)?;
        let name = bytes.get(name_at..)?.split(|&b| b == 0).next()?;
        let mut symbol = VdsoSymbol { name: [0; 40], offset: word(bytes, at + 8, 8)? };
        symbol.name.get_mut(..name.len())?.copy_from_slice(name);
        found.push(symbol);
    }
    (found.len() <= VDSO_SYMBOLS).then_some(found)
}

fn word(bytes: &[u8], at: usize, len: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(len)?)?;
    Some(bytes.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use glowplug_linux::Process;
    use std::os::unix::fs::FileExt;

    #[test]
    fn the_kernels_vdso_is_understood() {
        let own = Process::new(std::process::id());
        let mappings = own.mappings().expect("maps");
        let vdso = mappings.iter().find(|m| m.name == "[vdso]").expect("a vdso");
        let mut bytes = vec![0; (vdso.end - vdso.start) as usize];
        own.memory().expect("mem").read_exact_at(&mut bytes, vdso.start).expect("read");
        let functions = functions(&bytes).expect("functions");
        assert!(functions.iter().any(|f| f.name.starts_with(b"__vdso_clock_gettime\0")));
        assert!(functions.iter().all(|f| (f.offset as usize) < bytes.len()));
    }

    #[test]
    fn garbage_is_no_vdso() {
        assert!(functions(&[]).is_none());
        assert!(functions(&[0xff; 4096]).is_none());
    }
}
