//! Every setting of Glowplug, and where it comes from: flag beats environment beats file.

mod environment;
mod file;
mod layer;
mod parsed;
mod renewal;
pub mod sets;
#[cfg(test)]
mod tests;
mod values;

pub use environment::Environment;
pub use layer::{Layer, LazySettings, ModuleEntry};
pub use renewal::{Age, Renewal, Thaws};
pub use sets::{PreloadSet, SetName, Sets};
pub use values::{
    BadSize, ByteSize, Preload, Via, container_size, is_module_entry, is_module_name,
};

use crate::commandline::RunOptions;
use std::path::{Path, PathBuf};

/// All settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The interpreter to start (`--python`, `GLOWPLUG_PYTHON`, `python`). Default: that of the active virtual environment, else
    /// `python3` on PATH.
    pub python: Option<PathBuf>,
    /// Modules to preload or, with a leading `-`, not to preload, beside those that are learned (`--preload`,
    /// `GLOWPLUG_PRELOAD`, `preload`). The sources add up.
    pub preload: Preload,
    /// The way to start (`--via`, `GLOWPLUG_VIA`, `via`). Default: `auto`.
    pub via: Via,
    /// Whether to say on standard error which way was taken and why (`--explain`, `GLOWPLUG_EXPLAIN`, `explain`). Default: no.
    pub explain: bool,
    /// The folder of the cache (`GLOWPLUG_CACHE_DIR`, `cache-dir`). Default: `$XDG_CACHE_HOME/glowplug`, else
    /// `~/.cache/glowplug`; `None` where there is no home either.
    pub cache_dir: Option<PathBuf>,
    /// How much the images may take altogether (`GLOWPLUG_CACHE_SIZE`, `cache-size`). Default: 4 GiB.
    pub cache_size: ByteSize,
    /// Whether `glowplug run` makes images in the background (`GLOWPLUG_FREEZE`, `freeze`). Default: yes.
    pub freeze: bool,
    /// Whether an image is used without comparing its inputs (`--sealed`, `GLOWPLUG_SEALED`, `sealed`). Default: no.
    pub sealed: bool,
    /// Variables and files that may be in images although they look like credentials (`GLOWPLUG_ALLOW_SECRETS`, `allow-secrets`).
    /// The sources add up. Default: none.
    pub allow_secrets: Vec<String>,
    /// When images are made anew (`GLOWPLUG_RENEW_AFTER` and `GLOWPLUG_RENEW_AFTER_THAWS`, `renew-after` and `renew-after-thaws`).
    /// Default: at the age of a day, and after 10,000 thaws.
    pub renewal: Renewal,
    /// Named preload sets of servers (`sets`, in a file alone). Default: none.
    pub sets: Sets,
    /// Lazy imports (`lazy`, in a file alone). Default: nothing.
    pub lazy: LazySettings,
}

/// How much the images may take by default.
pub const DEFAULT_CACHE_SIZE: ByteSize = ByteSize(4 << 30);

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file that is not as it should be; the text names file, line and key and shows the place.
    #[error("{0}")]
    File(String),
    /// A file that cannot be read.
    #[error("cannot read the settings in {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A variable that is not as it should be.
    #[error("`{value}` in the environment variable {name} is not {expected}")]
    Variable {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
}

impl Settings {
    /// Reads the settings for a command line; `folder` is where the search for a file begins: the script's, or the working
    /// directory.
    ///
    /// # Errors
    /// A variable or a file that is not as it should be.
    pub fn load(
        options: &RunOptions<'_>,
        environment: &Environment,
        folder: &Path,
    ) -> Result<Settings, SettingsError> {
        let variables = Layer::of_environment(environment)?;
        let usual_cache = variables.cache_dir.clone().or_else(|| default_cache_dir(environment));
        let file = file::nearest(folder, usual_cache.as_deref())?.unwrap_or_default();
        Ok(Settings::merge(options, variables, file, usual_cache))
    }

    /// The settings of the command line alone, for a start whose file or variables are wrong. The interpreter is the one that
    /// `GLOWPLUG_PYTHON` names all the same: another one may not run the program.
    pub fn without_sources(options: &RunOptions<'_>, environment: &Environment) -> Settings {
        let python = environment.non_empty("GLOWPLUG_PYTHON").map(PathBuf::from);
        let variables = Layer { python, ..Layer::default() };
        let usual_cache = default_cache_dir(environment);
        Settings::merge(options, variables, Layer::default(), usual_cache)
    }

    fn merge(
        options: &RunOptions<'_>,
        variables: Layer,
        file: Layer,
        usual_cache: Option<PathBuf>,
    ) -> Settings {
        let mut preload = Preload::default();
        preload.extend(file.preload.iter().map(|entry| entry.0.as_str()));
        preload.extend(variables.preload.iter().map(|entry| entry.0.as_str()));
        preload.extend(options.preload.iter().copied());
        let usual = Renewal::default();
        Settings {
            python: options.python.map(PathBuf::from).or(variables.python).or(file.python),
            preload,
            via: options.via.or(variables.via).or(file.via).unwrap_or_default(),
            explain: options.explain || variables.explain.or(file.explain).unwrap_or(false),
            cache_dir: variables.cache_dir.or(file.cache_dir).or(usual_cache),
            cache_size: variables.cache_size.or(file.cache_size).unwrap_or(DEFAULT_CACHE_SIZE),
            freeze: variables.freeze.or(file.freeze).unwrap_or(true),
            sealed: options.sealed || variables.sealed.or(file.sealed).unwrap_or(false),
            allow_secrets: file
                .allow_secrets
                .into_iter()
                .chain(variables.allow_secrets)
                .map(|entry| entry.0)
                .collect(),
            renewal: Renewal {
                age: variables.renew_after.or(file.renew_after).unwrap_or(usual.age),
                thaws: variables
                    .renew_after_thaws
                    .or(file.renew_after_thaws)
                    .unwrap_or(usual.thaws),
            },
            sets: file.sets,
            lazy: file.lazy,
        }
    }
}

/// Where the cache lies unless it is set: relative paths in `XDG_CACHE_HOME` do not count, as its specification says.
fn default_cache_dir(environment: &Environment) -> Option<PathBuf> {
    let absolute =
        |name| environment.non_empty(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .map(|caches| caches.join("glowplug"))
}
