//! An environment for one side: a virtual one, with what the project's lock or requirements file says.

use super::super::config::Config;
use super::super::git;
use super::super::side::Side;
use crate::cache::Cache;
use crate::settings::Environment;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Environments that are kept for later; older ones go.
const KEPT: usize = 12;
/// So many of the last lines of an installer's output are shown.
const LINES: usize = 15;

/// Why an environment could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A command failed.
    #[error("`{command}` failed:\n{output}")]
    Failed {
        /// The command.
        command: String,
        /// The last of what it said.
        output: String,
    },
    /// There is no place for it.
    #[error("no folder for it can be made: {0}")]
    NoFolder(String),
}

/// How the dependencies of a project are installed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Recipe {
    /// The commands, in the side's folder, with the environment's programs first on PATH.
    commands: Vec<Vec<String>>,
    /// Files that they depend on.
    files: Vec<PathBuf>,
    /// Whether the project itself is installed, or other files of it, so that the whole commit counts.
    with_project: bool,
}

impl Recipe {
    /// Installers of whole projects bring all that they need; to put pip into an environment takes seconds.
    fn needs_pip(&self) -> bool {
        self.commands.iter().any(|line| !matches!(line[0].as_str(), "uv" | "poetry" | "pdm"))
    }
}

/// What an environment is for.
pub struct Wanted<'a> {
    /// `base` or `head`. Each side has its own, also where both need the same.
    pub which: &'a str,
    /// How the project is installed.
    pub config: &'a Config,
    /// The interpreter that it is made with.
    pub python: &'a Path,
    /// The commit of the side.
    pub commit: &'a str,
}

/// Makes, or finds again, the environment of a side, and returns its interpreter.
///
/// # Errors
/// Where a command of the recipe fails, or there is no place for the environment.
pub fn make(
    wanted: &Wanted<'_>,
    side: &Side,
    environment: &Environment,
) -> Result<PathBuf, BuildError> {
    let recipe = recipe(wanted.config, &side.folder);
    let folder = environments(environment)?;
    let made = folder.join(format!("{}-{}", wanted.which, digest(&recipe, side, wanted)));
    let interpreter = made.join("bin/python");
    if !made.join("complete").exists() {
        let _ = fs::remove_dir_all(&made);
        build(&recipe, side, wanted.python, &made)?;
        fs::write(made.join("complete"), "")
            .map_err(|error| BuildError::NoFolder(error.to_string()))?;
        forget_old(&folder);
    }
    Ok(interpreter)
}

/// Where environments are kept: in the cache, else in a temporary folder.
fn environments(environment: &Environment) -> Result<PathBuf, BuildError> {
    let options = crate::commandline::RunOptions::default();
    let settings = crate::settings::Settings::load(&options, environment, Path::new("/"))
        .unwrap_or_else(|_| crate::settings::Settings::without_sources(&options, environment));
    let cache = settings.cache_dir.filter(|folder| Cache::create(folder).is_ok());
    let folder = cache.unwrap_or_else(std::env::temp_dir).join("environments");
    fs::create_dir_all(&folder).map_err(|error| BuildError::NoFolder(error.to_string()))?;
    Ok(folder)
}

/// The first that applies: the configuration's own commands, a lock file, requirements, the project's own metadata.
fn recipe(config: &Config, folder: &Path) -> Recipe {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    if let Some(commands) = &config.install {
        let commands = commands.iter().map(|text| words(text)).filter(|line| !line.is_empty());
        return Recipe { commands: commands.collect(), files: Vec::new(), with_project: true };
    }
    let is_project = fs::read_to_string(folder.join("pyproject.toml"))
        .is_ok_and(|text| text.lines().any(|line| line.trim() == "[build-system]"));
    let with = |file: &str, install: &str, with_project: bool| Recipe {
        commands: vec![words(install)],
        files: vec![folder.join(file)],
        with_project,
    };
    for (file, install, with_project) in [
        ("uv.lock", "uv sync --active --frozen", true),
        ("poetry.lock", "poetry install --no-interaction", true),
        ("pdm.lock", "pdm sync --no-editable", true),
        ("pylock.toml", "uv pip sync pylock.toml", false),
        ("requirements.lock", "pip install --quiet -r requirements.lock", false),
        ("requirements.txt", "pip install --quiet -r requirements.txt", false),
    ] {
        if folder.join(file).is_file() {
            let mut recipe = with(file, install, with_project);
            let text = fs::read_to_string(folder.join(file)).unwrap_or_default();
            recipe.with_project |= names_files(&text);
            if is_project && !with_project {
                recipe.commands.push(words("pip install --quiet --no-deps ."));
                recipe.with_project = true;
            }
            return recipe;
        }
    }
    let commands = if is_project { vec![words("pip install --quiet .")] } else { Vec::new() };
    Recipe { commands, files: vec![folder.join("pyproject.toml")], with_project: is_project }
}

/// Whether a file of requirements leads to other files: lists, constraints, or packages that are not fetched from an index.
fn names_files(requirements: &str) -> bool {
    let options = ["-r", "-c", "-e", "--requirement", "--constraint", "--editable", ".", "/"];
    let leads_on = |line: &str| {
        let line = line.trim();
        options.iter().any(|option| line.starts_with(option)) || line.contains("file:")
    };
    requirements.lines().any(leads_on)
}

/// Everything that an environment depends on.
fn digest(recipe: &Recipe, side: &Side, wanted: &Wanted<'_>) -> String {
    let Wanted { which, python, commit, .. } = wanted;
    let real = fs::canonicalize(python).unwrap_or_else(|_| (*python).to_owned());
    let mut parts: Vec<Vec<u8>> = vec![
        (*which).into(),
        python.as_os_str().as_bytes().into(),
        real.as_os_str().as_bytes().into(),
    ];
    parts.extend(recipe.commands.iter().map(|line| line.join("\u{1f}").into_bytes()));
    parts.extend(recipe.files.iter().map(|file| fs::read(file).unwrap_or_default()));
    if recipe.with_project {
        let tree = git::run(&side.folder, &["rev-parse", &format!("{commit}^{{tree}}")]);
        parts.push(tree.unwrap_or_else(|_| (*commit).to_owned()).into_bytes());
    }
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    crate::key::digest("gate environment", &parts).hex()
}

fn build(recipe: &Recipe, side: &Side, python: &Path, made: &Path) -> Result<(), BuildError> {
    let mut venv = Command::new(python);
    venv.args(["-I", "-m", "venv", "--clear"]);
    if !recipe.needs_pip() {
        venv.arg("--without-pip");
    }
    venv.arg(made);
    run(venv, side, made)?;
    for line in &recipe.commands {
        // Of the environment, by whatever name pip is called.
        let is_pip = matches!(line[0].as_str(), "pip" | "pip3");
        let mut command =
            Command::new(if is_pip { made.join("bin/python") } else { line[0].clone().into() });
        if is_pip {
            command.args(["-m", "pip", "--disable-pip-version-check"]);
        }
        command.args(&line[1..]);
        run(command, side, made)?;
    }
    Ok(())
}

/// Runs a command as in the activated environment.
fn run(mut command: Command, side: &Side, made: &Path) -> Result<(), BuildError> {
    let shown = format!("{command:?}").replace('"', "");
    let mut path = OsString::from(made.join("bin"));
    if let Some(own) = std::env::var_os("PATH") {
        path.push(":");
        path.push(own);
    }
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_bytes().starts_with(b"PYTHON"))
    {
        command.env_remove(name);
    }
    command.current_dir(&side.folder).env("VIRTUAL_ENV", made).env("PATH", path);
    let output = command.stdin(Stdio::null()).output();
    let failed = |output: String| BuildError::Failed { command: shown.clone(), output };
    let output = output.map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().collect();
    Err(failed(lines[lines.len().saturating_sub(LINES)..].join("\n")))
}

/// Keeps the newest environments.
fn forget_old(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut made: Vec<(std::time::SystemTime, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let path = entry.path();
            let complete =
                fs::metadata(path.join("complete")).and_then(|file| file.modified()).ok()?;
            Some((complete, path))
        })
        .collect();
    made.sort();
    let surplus = made.len().saturating_sub(KEPT);
    for (_, path) in made.drain(..surplus) {
        let _ = fs::remove_dir_all(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_that_lead_to_other_files_are_known() {
        for text in ["a==1\n-r more.txt\n", "./a-1.whl\n", "a @ file:///a.whl\n", "-e .\n"] {
            assert!(names_files(text), "{text}");
        }
        assert!(!names_files("a==1 \\\n    --hash=sha256:00\n# -r more.txt\nb>=2\n"));
    }
}
