//! What an image says about itself for people. Nothing is decided by it but what is preloaded when the image is renewed, and by which
//! options and variables an image file fits, so everything in it is optional.

use crate::freeze::KeptApart;
use serde::{Deserialize, Serialize};

/// The Meta section of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Meta {
    /// What is run, as it was given.
    pub target: Option<String>,
    /// The interpreter as it is invoked.
    pub python: Option<String>,
    /// Its version.
    pub python_version: Option<String>,
    /// The level of CPUs that it was frozen for; `None` for the one that it was made on.
    pub cpu: Option<String>,
    /// Its options.
    pub options: Vec<String>,
    /// All modules that are loaded.
    pub modules: Vec<String>,
    /// The modules that were preloaded by name.
    pub preload: Vec<String>,
    /// The environment variables that the imports read.
    pub env_names: Vec<String>,
    /// Digest (hexadecimal) of those variables' values, which an image file goes by.
    pub values: Option<String>,
    /// What was noticed when it was frozen.
    pub notes: Vec<String>,
    /// Modules that are imported at each start, and why.
    pub apart: Vec<KeptApart>,
    /// Where there are such modules: what was imported all the same, in order.
    pub roots: Vec<String>,
    /// Of a refusal: why the program may not be frozen.
    pub reason: Option<String>,
    /// Digest (blake3, hexadecimal) of the page contents.
    pub contents: Option<String>,
}

impl Meta {
    /// The interpreter's minor version.
    pub fn minor(&self) -> Option<u8> {
        self.python_version.as_deref()?.split('.').nth(1)?.parse().ok()
    }

    /// Reads a Meta section; one that is damaged says nothing.
    pub fn of(section: &[u8]) -> Meta {
        serde_json::from_slice(section).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_and_missing_fields_are_fine_and_damage_is_silence() {
        let meta = Meta::of(br#"{"target": "a.py", "new": [1], "modules": ["json"]}"#);
        assert_eq!(meta.target.as_deref(), Some("a.py"));
        assert_eq!(meta.modules, ["json"]);
        assert_eq!(Meta::of(b"{not json"), Meta::default());
    }
}
