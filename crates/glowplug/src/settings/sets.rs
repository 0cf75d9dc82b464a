//! Named preload sets: what servers preload for any program.

use super::layer::ModuleEntry;
use super::renewal::Age;
use super::values::ByteSize;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The named sets of a settings file: the tables `sets.NAME`.
pub type Sets = BTreeMap<SetName, PreloadSet>;

/// The name of a set: letters, digits, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct SetName(pub String);

impl TryFrom<String> for SetName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if !name.is_empty() && name.chars().all(is_plain) {
            Ok(SetName(name))
        } else {
            Err(format!("`{name}` is not the name of a preload set; use letters, digits, - and _"))
        }
    }
}

impl std::borrow::Borrow<str> for SetName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// A named set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PreloadSet {
    /// `preload`: the modules, in order.
    pub preload: Vec<ModuleEntry>,
    /// `pool`: spares to keep ready.
    pub pool: Option<usize>,
    /// `memory-limit`: what they may have to themselves, all together.
    pub memory_limit: Option<ByteSize>,
    /// `idle`: how long its server waits for something to do.
    pub idle: Option<Age>,
}

impl PreloadSet {
    /// The options of `glowplug serve` that say the same.
    pub fn options(&self) -> Vec<String> {
        let modules: Vec<&str> = self.preload.iter().map(|entry| entry.0.as_str()).collect();
        let mut options = vec![format!("--preload={}", modules.join(","))];
        options.extend(self.pool.map(|pool| format!("--pool={pool}")));
        options.extend(self.memory_limit.map(|limit| format!("--memory-limit={}", limit.0)));
        options.extend(self.idle.map(|idle| format!("--idle={idle}")));
        options
    }

    /// Its fields as words, for a file that is read without a parser.
    pub(super) fn lines(&self) -> Vec<String> {
        let modules = self.preload.iter().map(|entry| format!("preload {}", entry.0));
        let pool = self.pool.map(|pool| format!("pool {pool}"));
        let limit = self.memory_limit.map(|limit| format!("memory-limit {}", limit.0));
        let idle = self.idle.map(|idle| format!("idle {idle}"));
        modules.chain(pool).chain(limit).chain(idle).collect()
    }

    /// Sets the field of one of those lines.
    pub(super) fn set(&mut self, line: &str) -> Option<()> {
        let (name, value) = line.split_once(' ')?;
        match name {
            "preload" => self.preload.push(ModuleEntry(value.to_owned())),
            "pool" => self.pool = Some(value.parse().ok()?),
            "memory-limit" => self.memory_limit = Some(ByteSize(value.parse().ok()?)),
            "idle" => self.idle = Some(value.parse().ok()?),
            _ => return None,
        }
        Some(())
    }
}
