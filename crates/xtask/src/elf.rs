//! What an ELF file asks of the loader.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};

const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;

/// Fails unless `path` is an executable that the kernel starts without any loader: a dynamic start costs half a
/// millisecond, and a silent change of the linker's mind would only show in the benches.
pub fn require_static(path: &Path) -> Result<()> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let segments = segment_types(&bytes)
        .with_context(|| format!("{} is not a 64-bit little-endian ELF file", path.display()))?;
    for (kind, name) in [(PT_INTERP, "an interpreter"), (PT_DYNAMIC, "dynamic linking")] {
        ensure!(!segments.contains(&kind), "{} is not static: it needs {name}", path.display());
    }
    Ok(())
}

/// The types of the program headers of a 64-bit little-endian ELF file.
fn segment_types(bytes: &[u8]) -> Option<Vec<u32>> {
    bytes.starts_with(b"\x7fELF\x02\x01").then_some(())?;
    let table = usize::try_from(u64::from_le_bytes(field(bytes, 32)?)).ok()?;
    let size = usize::from(u16::from_le_bytes(field(bytes, 54)?));
    let count = usize::from(u16::from_le_bytes(field(bytes, 56)?));
    (0..count)
        .map(|index| {
            let at = index.checked_mul(size)?.checked_add(table)?;
            Some(u32::from_le_bytes(field(bytes, at)?))
        })
        .collect()
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_executable_is_found_out() {
        let error = require_static(&std::env::current_exe().unwrap()).unwrap_err();
        assert!(error.to_string().contains("is not static"), "{error}");
    }

    #[test]
    fn a_cut_file_is_no_elf() {
        let bytes = fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(segment_types(&bytes).is_some());
        assert_eq!(segment_types(&bytes[..60]), None);
    }
}
