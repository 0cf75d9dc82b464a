//! From a start to a recipe: what the program's leading imports load, and what the image rests on beside them.

use super::{Needed, Preload, Recipe};
use crate::cache::{Cache, OpenImage};
use crate::commandline::Target;
use crate::inputs::{self, Record};
use crate::interpreter::Probe;
use crate::key::{self, Digest};
use crate::learn::{self, Leading, Loaded, ModuleTarget};
use crate::meta::Meta;
use crate::settings::Environment;
use crate::start::{Freezable, Start};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// What an earlier start or an image tells about a program.
#[derive(Debug)]
pub struct Known {
    loaded: LoadedModules,
    /// Files that were opened, the program's own among them.
    opened: Vec<PathBuf>,
    /// How many of the program's first bytes it is about; what is imported behind them is new.
    program_len: u64,
}

#[derive(Debug)]
enum LoadedModules {
    Files(Loaded),
    Names(HashSet<String>),
}

impl Known {
    /// What the record of a start tells.
    pub fn of_record(record: &Record) -> Known {
        let opened: Vec<PathBuf> = record.opened().map(Path::to_owned).collect();
        let loaded = Loaded::new(opened.iter().map(PathBuf::as_path), []);
        Known { loaded: LoadedModules::Files(loaded), opened, program_len: u64::MAX }
    }

    /// What an image tells of the start that it was made for.
    fn of_image(image: &OpenImage) -> Known {
        let meta = Meta::of(image.meta());
        let names = meta.modules.into_iter().chain(meta.preload).collect();
        let programs = inputs::programs(image.head(), image.bytes());
        // Without such a program, it counts as a whole.
        let program_len = programs.iter().filter_map(|(_, beginning)| *beginning).max();
        let program_len = program_len.unwrap_or(u64::MAX);
        let opened = programs.into_iter().map(|(path, _)| path).collect();
        Known { loaded: LoadedModules::Names(names), opened, program_len }
    }

    fn has_loaded(&self, module: &str) -> bool {
        match &self.loaded {
            LoadedModules::Files(loaded) => loaded.contains(module),
            LoadedModules::Names(names) => names.contains(module),
        }
    }

    fn opened(&self) -> impl Iterator<Item = &Path> {
        self.opened.iter().map(PathBuf::as_path)
    }
}

/// What the image tells that there is for this environment, whether its inputs are unchanged or not.
pub fn known_image(cache: &Cache, key: &Digest, environment: &Environment) -> Option<Known> {
    let values = key::of_values(cache.selector(key)?.names(), environment);
    let image = cache.open_image(key, &values).ok()?;
    (!image.head().is_refusal()).then(|| Known::of_image(&image))
}

/// The recipe for a start. Where nothing is known, every leading import counts that can be done.
///
/// # Errors
/// The reason, in words, where nothing can be planned.
pub fn recipe(
    start: &Start<'_>,
    freezable: &Freezable,
    probe: &Probe,
    known: Option<&Known>,
) -> Result<Recipe, String> {
    let program = Program::of(start, freezable, known);
    let leading = program.as_ref().map(|p| p.leading.clone()).unwrap_or(leading_of(start));
    // Lines behind what is known about count as where nothing is known.
    let known_lines = program
        .as_ref()
        .zip(known)
        .map_or(u32::MAX, |(program, known)| program.lines(known.program_len));
    let package = program.as_ref().and_then(|program| program.package.clone());
    let mut preload: Vec<Preload> = package
        .iter()
        .filter(|package| !package.is_empty())
        .map(|package| Preload { module: package.clone(), optional: false })
        .collect();
    let is_known = |line| known.is_some() && line <= known_lines;
    let selected = learn::select(&leading, package.as_deref(), |module, line| {
        !is_known(line) || known.is_some_and(|known| known.has_loaded(module))
    });
    preload.extend(selected.into_iter().map(|module| Preload {
        optional: module.optional || !is_known(module.line),
        module: module.module,
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
        apart: Vec::new(),
        roots: Vec::new(),
        path0: path0(start, freezable)?,
        program: program.map(|program| (program.file, program.leading.prefix_len)),
        key: freezable.key,
        variables: Needed::default(),
        settings_apart: false,
        service: None,
        left_out: Vec::new(),
        allowed_secrets: start.settings.allow_secrets.clone(),
        tells_by_contents: false,
        stays_in_memory: false,
        cpu: None,
        target: target(start),
        version: version(probe),
    })
}

/// The recipe for any program of a preload set, with the interpreter and python's options of a start.
pub fn recipe_of_set(start: &Start<'_>, set: &str, modules: &[String], probe: &Probe) -> Recipe {
    let interpreter = start.absolute(&start.interpreter.path);
    let preload = |module: &String| Preload { module: module.clone(), optional: false };
    Recipe {
        extra_files: interpreter_files(&interpreter, probe),
        interpreter,
        options: start.command.python_options.iter().map(|&option| option.to_owned()).collect(),
        preload: modules.iter().map(preload).collect(),
        apart: Vec::new(),
        roots: Vec::new(),
        path0: None,
        program: None,
        key: start.set_key(set),
        variables: Needed::default(),
        settings_apart: false,
        service: None,
        left_out: Vec::new(),
        tells_by_contents: false,
        allowed_secrets: start.settings.allow_secrets.clone(),
        stays_in_memory: false,
        cpu: None,
        target: format!("any program (set {set})"),
        version: version(probe),
    }
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
    source: Vec<u8>,
    leading: Leading,
}

impl Program {
    fn of(start: &Start<'_>, freezable: &Freezable, known: Option<&Known>) -> Option<Program> {
        let (file, package) = match start.command.target {
            Target::Script(path) => {
                (freezable.script.clone().unwrap_or_else(|| start.absolute(path)), None)
            }
            Target::Module(name) => {
                let name = name.to_str()?;
                let target = match known {
                    Some(known) => learn::module_target(name, known.opened()),
                    None => sought(start, name),
                };
                let ModuleTarget { file, package } = target?;
                (file, Some(package))
            }
            _ => return None,
        };
        let source = std::fs::read(&file).ok()?;
        let leading = learn::leading(&source);
        Some(Program { file, package, source, leading })
    }

    /// How many lines its first `len` bytes are.
    fn lines(&self, len: u64) -> u32 {
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(self.source.len());
        if len == self.source.len() {
            return u32::MAX;
        }
        let newlines = self.source[..len].iter().filter(|&&byte| byte == b'\n').count();
        u32::try_from(newlines).unwrap_or(u32::MAX)
    }
}

/// What `-m` would run, of a program that has not been started yet.
fn sought(start: &Start<'_>, module: &str) -> Option<ModuleTarget> {
    let folder = start.folder.as_deref()?;
    let options = &start.command.python_options;
    let candidates = start.interpreter.module_candidates(options, folder, module);
    // The first alone: one that comes later is hidden by it.
    learn::module_target(module, candidates.first().map(PathBuf::as_path))
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
