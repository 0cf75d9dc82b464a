//! How many bytes of cached bytecode a process made code objects of.

use glowplug_profile::model::{Bytecode, Module, ModuleKind, Process};
use std::fs;
use std::path::{Path, PathBuf};

/// What stands before the code in a file of bytecode: magic number, flags and the stamp of the source.
const HEAD: u64 = 16;

/// The bytes that were unmarshalled: those of the cached bytecode of each module that came from it. Modules within the interpreter and
/// in archives, and those that were compiled, do not count.
pub fn unmarshalled(process: &Process) -> u64 {
    let tag = cache_tag(&process.python);
    process.modules.iter().filter_map(|module| size(module, &tag)).sum()
}

/// `cpython-311` of `3.11.7`.
fn cache_tag(version: &str) -> String {
    let mut parts = version.split('.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    format!("cpython-{major}{minor}")
}

fn size(module: &Module, tag: &str) -> Option<u64> {
    let file = Path::new(module.file.as_ref()?);
    let bytecode: PathBuf = match (module.kind, module.bytecode) {
        (ModuleKind::Bytecode, _) => file.to_owned(),
        (_, Bytecode::Cached) => {
            let stem = file.file_stem()?.to_string_lossy();
            file.parent()?.join("__pycache__").join(format!("{stem}.{tag}.pyc"))
        }
        _ => return None,
    };
    Some(fs::metadata(bytecode).ok()?.len().saturating_sub(HEAD))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_is_made_of_the_version() {
        assert_eq!(cache_tag("3.11.7"), "cpython-311");
        assert_eq!(cache_tag("3.9.18+"), "cpython-39");
    }
}
