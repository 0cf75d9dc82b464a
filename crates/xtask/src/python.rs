//! The CPython minors that the extension is built for.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::{Context, Result};

/// A CPython minor, `3.N`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Minor(u8);

impl Minor {
    /// All that Glowplug ships an extension for, oldest first.
    pub const ALL: [Self; 6] = [Self(9), Self(10), Self(11), Self(12), Self(13), Self(14)];

    /// Writes the description of this CPython that pyo3's build scripts read instead of asking an interpreter, so
    /// that none of this minor has to be present. The file is only touched where it changes.
    pub fn write_config(self, folder: &Path) -> Result<PathBuf> {
        let path = folder.join(format!("pyo3-{self}.txt"));
        let text = self.config();
        if fs::read_to_string(&path).is_ok_and(|old| old == text) {
            return Ok(path);
        }
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, text))
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// The release build of CPython with a GIL. The extension links to no libpython: it is loaded into a process that
    /// has the symbols, be they the executable's own or its libpython's.
    fn config(self) -> String {
        format!(
            "implementation=CPython\nversion={self}\nshared=true\npointer_width=64\nbuild_flags=\n\
             suppress_build_script_link_lines=true\n"
        )
    }
}

impl fmt::Display for Minor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "3.{}", self.0)
    }
}

impl FromStr for Minor {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let minor = Self::ALL.into_iter().find(|minor| minor.to_string() == text);
        minor.with_context(|| {
            let all = Self::ALL.map(|minor| minor.to_string()).join(", ");
            format!("there is no extension for Python {text:?}, only for {all}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_names_its_minor_and_is_left_alone_when_it_is_right() {
        let folder = tempfile::tempdir().unwrap();
        let minor: Minor = "3.12".parse().unwrap();
        let path = minor.write_config(folder.path()).unwrap();
        assert!(fs::read_to_string(&path).unwrap().contains("\nversion=3.12\n"));
        let written = fs::metadata(&path).unwrap().modified().unwrap();
        minor.write_config(folder.path()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), written);
    }

    #[test]
    fn an_unknown_minor_is_answered_with_the_known_ones() {
        let error = "3.8".parse::<Minor>().unwrap_err().to_string();
        assert!(error.contains("3.9, 3.10, 3.11, 3.12, 3.13, 3.14"), "{error}");
    }
}
