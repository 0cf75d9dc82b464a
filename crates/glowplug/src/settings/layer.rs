//! One source of settings: a file, the environment, or the command line.

use super::renewal::{Age, Thaws};
use super::sets::Sets;
use super::values::{ByteSize, Via, is_module_entry};
use super::{Environment, SettingsError};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use std::ffi::OsStr;
use std::path::PathBuf;

/// The settings that one source names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Layer {
    /// `python`
    pub python: Option<PathBuf>,
    /// `preload`
    #[serde(default)]
    pub preload: Vec<ModuleEntry>,
    /// `via`
    pub via: Option<Via>,
    /// `explain`
    pub explain: Option<bool>,
    /// `cache-dir`
    pub cache_dir: Option<PathBuf>,
    /// `cache-size`
    pub cache_size: Option<ByteSize>,
    /// `freeze`
    pub freeze: Option<bool>,
    /// `sealed`
    pub sealed: Option<bool>,
    /// `allow-secrets`
    #[serde(default)]
    pub allow_secrets: Vec<SecretEntry>,
    /// `renew-after`
    pub renew_after: Option<Age>,
    /// `renew-after-thaws`
    pub renew_after_thaws: Option<Thaws>,
    /// `sets`
    #[serde(default)]
    pub sets: Sets,
    /// `lazy`
    #[serde(default)]
    pub lazy: LazySettings,
    /// `gate`: read by `glowplug gate` alone, see [`crate::gate::config`].
    #[serde(default, deserialize_with = "left_alone")]
    pub gate: (),
}

/// Takes any value.
fn left_alone<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| ())
}

/// The table `lazy`: for programs that run with lazy imports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct LazySettings {
    /// `modules`: modules that are lazy whatever the mode, and files of requirements (`….txt`) that name their distributions.
    #[serde(deserialize_with = "one_or_more")]
    pub modules: Vec<String>,
    /// `exclude`: importers whose imports stay eager.
    #[serde(deserialize_with = "one_or_more")]
    pub exclude: Vec<String>,
    /// `warm`: modules that `glowplug.lazy.warm` loads.
    #[serde(deserialize_with = "one_or_more")]
    pub warm: Vec<String>,
}

/// A list of strings, or one alone.
fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a name or a list of names")]
    enum Names {
        One(String),
        More(Vec<String>),
    }
    Ok(match Names::deserialize(deserializer)? {
        Names::One(name) => vec![name],
        Names::More(names) => names,
    })
}

/// A module name, perhaps with a leading `-`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ModuleEntry(pub String);

impl TryFrom<String> for ModuleEntry {
    type Error = String;

    fn try_from(entry: String) -> Result<Self, String> {
        if is_module_entry(&entry) {
            Ok(ModuleEntry(entry))
        } else {
            Err(format!(
                "`{entry}` is not a module name; write `package.module` or `-package.module`"
            ))
        }
    }
}

/// A variable's name or a file's absolute path.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct SecretEntry(pub String);

impl TryFrom<String> for SecretEntry {
    type Error = String;

    fn try_from(entry: String) -> Result<Self, String> {
        let is_name = !entry.is_empty() && !entry.contains(['/', '=', ',', '\0']);
        if is_name || entry.starts_with('/') {
            Ok(SecretEntry(entry))
        } else {
            Err(format!(
                "`{entry}` is neither the name of a variable nor the absolute path of a file"
            ))
        }
    }
}

impl Layer {
    /// The settings that `GLOWPLUG_*` variables name; empty ones count as unset.
    pub fn of_environment(environment: &Environment) -> Result<Layer, SettingsError> {
        let path = |name| environment.non_empty(name).map(PathBuf::from);
        Ok(Layer {
            python: path("GLOWPLUG_PYTHON"),
            preload: parsed(environment, "GLOWPLUG_PRELOAD", "dotted module names", |text| {
                entries(text, ModuleEntry::try_from)
            })?
            .unwrap_or_default(),
            via: parsed(
                environment,
                "GLOWPLUG_VIA",
                "`auto`, `thaw`, `fork`, `pool` or `plain`",
                Via::from_name,
            )?,
            explain: parsed(environment, "GLOWPLUG_EXPLAIN", "`1` or `0`", switch)?,
            cache_dir: path("GLOWPLUG_CACHE_DIR"),
            cache_size: parsed(environment, "GLOWPLUG_CACHE_SIZE", "a size like `4GiB`", |text| {
                text.parse().ok()
            })?,
            freeze: parsed(environment, "GLOWPLUG_FREEZE", "`1` or `0`", switch)?,
            sealed: parsed(environment, "GLOWPLUG_SEALED", "`1` or `0`", switch)?,
            allow_secrets: parsed(
                environment,
                "GLOWPLUG_ALLOW_SECRETS",
                "names of variables and absolute paths of files",
                |text| entries(text, SecretEntry::try_from),
            )?
            .unwrap_or_default(),
            renew_after: parsed(
                environment,
                "GLOWPLUG_RENEW_AFTER",
                "an age like `1d` or `12h`, or `never`",
                |text| text.parse().ok(),
            )?,
            renew_after_thaws: parsed(
                environment,
                "GLOWPLUG_RENEW_AFTER_THAWS",
                "a number of thaws, or `never`",
                |text| text.parse().ok(),
            )?,
            sets: Sets::default(),
            lazy: LazySettings::default(),
            gate: (),
        })
    }
}

/// The entries of a list with commas; `None` where one is not as it should be.
fn entries<T, E>(text: &str, parse: impl Fn(String) -> Result<T, E>) -> Option<Vec<T>> {
    text.split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .map(|entry| parse(entry.to_owned()).ok())
        .collect()
}

fn parsed<T>(
    environment: &Environment,
    name: &'static str,
    expected: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, SettingsError> {
    let Some(value) = environment.non_empty(name) else { return Ok(None) };
    value.to_str().and_then(parse).map(Some).ok_or_else(|| bad_variable(name, value, expected))
}

fn bad_variable(name: &'static str, value: &OsStr, expected: &'static str) -> SettingsError {
    SettingsError::Variable { name, value: value.to_string_lossy().into_owned(), expected }
}

fn switch(text: &str) -> Option<bool> {
    match text {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}
