//! Begins a target folder with what another one already holds.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

/// Copies the artifacts in `from` to `to`, unless there is nothing to copy or `to` exists. Cargo then rebuilds only
/// what differs, as it judges by fingerprints that are relative to the folder, and by the files' times, which are kept.
pub fn seed(from: &Path, to: &Path) -> io::Result<()> {
    if to.exists() || !from.is_dir() {
        return Ok(());
    }
    let parts = to.with_extension("part");
    if parts.exists() {
        fs::remove_dir_all(&parts)?;
    }
    copy(from, &parts)?;
    fs::rename(&parts, to)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
            let modified = entry.metadata()?.modified()?;
            File::options().write(true).open(&target)?.set_modified(modified)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn a_seeded_folder_keeps_times_and_is_never_seeded_again() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to/release"));
        seed(&from, &to).unwrap();
        assert!(!to.exists());

        let past = SystemTime::now() - Duration::from_secs(1_000_000);
        fs::create_dir_all(from.join("deps")).unwrap();
        fs::write(from.join("deps/one"), "1").unwrap();
        File::options()
            .write(true)
            .open(from.join("deps/one"))
            .unwrap()
            .set_modified(past)
            .unwrap();
        seed(&from, &to).unwrap();
        assert_eq!(fs::metadata(to.join("deps/one")).unwrap().modified().unwrap(), past);

        fs::write(to.join("deps/one"), "changed").unwrap();
        seed(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("deps/one")).unwrap(), "changed");
    }
}
