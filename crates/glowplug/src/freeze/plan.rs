//! From a start to a recipe: what the program's leading imports load, and what the image rests on beside them.

use super::{Preload, Recipe};
use crate::commandline::Target;
use crate::inputs::Record;
use crate::interpreter::Probe;
use crate::key;
use crate::learn::{self, Leading, Loaded, ModuleTarget};
use crate::start::{Freezable, Start};
use std::path::{Path, PathBuf};

/// The recipe for a start. Without a record of an earlier start, every leading import counts that can be done.
///
/// # Errors
/// The reason, in words, where nothing can be planned.
pub fn recipe(
    start: &Start<'_>,
    freezable: &Freezable,
    probe: &Probe,
    record: Option<&Record>,
) -> Result<Recipe, String> {
    let program = Program::of(start, freezable, record);
    let leading = program.as_ref().map(|p| p.leading.clone()).unwrap_or(leading_of(start));
    let loaded = record.map(|record| Loaded::new(record.opened(), []));
    let package = program.as_ref().and_then(|program| program.package.clone());
    let mut preload: Vec<Preload> = package
        .iter()
        .filter(|package| !package.is_empty())
        .map(|package| Preload { module: package.clone(), optional: false })
        .collect();
    let selected = learn::select(&leading, package.as_deref(), |module| {
        loaded.as_ref().is_none_or(|loaded| loaded.contains(module))
    });
    preload.extend(selected.into_iter().map(|module| Preload {
        module: module.module,
        optional: module.optional || loaded.is_none(),
    }));
    let settings = &start.settings.preload;
    let removed: Vec<&str> = settings.removed().collect();
    preload.retain(|preload| !removed.contains(&preload.module.as_str()));
    for module in settings.added() {
        if !preload.iter().any(|preload| preload.module == module) {
            preload.push(Preload { module: module.to_owned(), optional: false });
        }
    }
    let interpreter = start.absolute(&start.interpreter.path);
    Ok(Recipe {
        extra_files: interpreter_files(&interpreter, probe),
        interpreter,
        options: start.command.python_options.iter().map(|&option| option.to_owned()).collect(),
        preload,
        path0: path0(start, freezable)?,
        program: program.map(|program| (program.file, program.leading.prefix_len)),
        key: freezable.key,
        allowed_secrets: start.settings.allow_secrets.clone(),
        target: target(start),
        version: version(probe),
    })
}

/// The version as the image keeps it.
pub fn version(probe: &Probe) -> (u8, u8, u8) {
    let part = |number: u32| u8::try_from(number).unwrap_or(u8::MAX);
    (part(probe.version.0), part(probe.version.1), part(probe.version.2))
}

/// The interpreter, its library, and what makes it that of a virtual environment.
pub fn interpreter_files(interpreter: &Path, probe: &Probe) -> Vec<PathBuf> {
    let configuration =
        interpreter.parent().and_then(Path::parent).map(|home| home.join("pyvenv.cfg"));
    [Some(interpreter.to_owned()), configuration, probe.library.clone()]
        .into_iter()
        .flatten()
        .filter(|path| path.is_file())
        .collect()
}

/// The file whose leading imports count.
struct Program {
    file: PathBuf,
    /// For `-m`: the package that is imported first, and that relative imports start from.
    package: Option<String>,
    leading: Leading,
}

impl Program {
    fn of(start: &Start<'_>, freezable: &Freezable, record: Option<&Record>) -> Option<Program> {
        let (file, package) = match start.command.target {
            Target::Script(path) => {
                (freezable.script.clone().unwrap_or_else(|| start.absolute(path)), None)
            }
            Target::Module(name) => {
                let name = name.to_str()?;
                let ModuleTarget { file, package } = learn::module_target(name, record?.opened())?;
                (file, Some(package))
            }
            _ => return None,
        };
        let source = std::fs::read(&file).ok()?;
        Some(Program { file, package, leading: learn::leading(&source) })
    }
}

/// The leading imports of `-c` code; none for other targets without a file.
fn leading_of(start: &Start<'_>) -> Leading {
    match start.command.target {
        Target::Command(code) => learn::leading(code),
        _ => Leading { statements: Vec::new(), prefix_len: 0, stopped_at: None },
    }
}

/// What the program has as `sys.path[0]`; `None` where `-I` or `-P` keeps it away.
fn path0(start: &Start<'_>, freezable: &Freezable) -> Result<Option<PathBuf>, String> {
    if start.command.has_safe_path() || start.environment.non_empty("PYTHONSAFEPATH").is_some() {
        return Ok(None);
    }
    match start.command.target {
        Target::Script(_) => {
            let folder = freezable.script.as_deref().and_then(Path::parent);
            Ok(folder.map(Path::to_owned))
        }
        Target::Module(_) => match &start.folder {
            Some(folder) => Ok(Some(folder.clone())),
            None => Err("the working directory has been removed".to_owned()),
        },
        _ => Ok(Some(PathBuf::new())),
    }
}

fn target(start: &Start<'_>) -> String {
    match start.command.target {
        Target::Script(path) => start.absolute(path).display().to_string(),
        Target::Module(name) => format!("-m {}", name.display()),
        // The code may hold what is nobody's business.
        Target::Command(code) => format!("-c (code {})", &key::digest("code", &[code]).hex()[..8]),
        Target::Stdin => "-".to_owned(),
        Target::Interactive | Target::Answer => String::new(),
    }
}
