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

/// The modules of a set, behind those of the sets that it adds to; `None` where one of them is not there, or adds to itself.
pub fn modules(sets: &Sets, name: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut next = Some(name);
    while let Some(name) = next {
        let set = sets.get(name)?;
        parts.push(&set.preload);
        if parts.len() > sets.len() {
            return None;
        }
        next = set.extends.as_ref().map(|base| base.0.as_str());
    }
    let modules = parts.into_iter().rev().flatten();
    Some(modules.map(|entry| entry.0.clone()).collect())
}

/// A named set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PreloadSet {
    /// `extends`: the set that this one adds to.
    pub extends: Option<SetName>,
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
        options.extend(self.extends.as_ref().map(|base| format!("--extends={}", base.0)));
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
        let base = self.extends.as_ref().map(|base| format!("extends {}", base.0));
        modules.chain(base).chain(pool).chain(limit).chain(idle).collect()
    }

    /// Sets the field of one of those lines.
    pub(super) fn set(&mut self, line: &str) -> Option<()> {
        let (name, value) = line.split_once(' ')?;
        match name {
            "preload" => self.preload.push(ModuleEntry(value.to_owned())),
            "extends" => self.extends = Some(SetName::try_from(value.to_owned()).ok()?),
            "pool" => self.pool = Some(value.parse().ok()?),
            "memory-limit" => self.memory_limit = Some(ByteSize(value.parse().ok()?)),
            "idle" => self.idle = Some(value.parse().ok()?),
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(modules: &[&str], extends: Option<&str>) -> PreloadSet {
        PreloadSet {
            preload: modules.iter().map(|&module| ModuleEntry(module.to_owned())).collect(),
            extends: extends.map(|base| SetName(base.to_owned())),
            ..PreloadSet::default()
        }
    }

    #[test]
    fn a_set_has_the_modules_of_those_that_it_adds_to() {
        let named = |name: &str, set| (SetName(name.to_owned()), set);
        let sets: Sets = [
            named("common", set(&["json", "re"], None)),
            named("data", set(&["csv"], Some("common"))),
            named("more", set(&["decimal"], Some("data"))),
            named("ring", set(&["a"], Some("ring"))),
            named("lost", set(&["a"], Some("nowhere"))),
        ]
        .into();
        assert_eq!(
            modules(&sets, "more").as_deref().map(|m| m.join(" ")).as_deref(),
            Some("json re csv decimal")
        );
        assert_eq!(modules(&sets, "ring"), None);
        assert_eq!(modules(&sets, "lost"), None);
    }
}
