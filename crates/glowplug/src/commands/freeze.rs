//! `glowplug freeze`: makes an image on purpose, in the foreground.

use crate::cache::{Cache, CacheError};
use crate::commandline::{self, Target};
use crate::freeze::plan::{self, Known};
use crate::freeze::publish::{self, PublishError};
use crate::freeze::trial::{Trial, TrialError};
use crate::freeze::{FreezeError, Needed, Preload, Recipe, companions, cpu, detached};
use crate::inputs::Record;
use crate::interpreter::{Interpreter, NotFound, Probe, ProbeError};
use crate::key::Digest;
use crate::runtime::Runtime;
use crate::settings::{Environment, Settings};
use crate::start::{self, Start};
use crate::{exit, explain, privilege, service};
use std::ffi::{CStr, CString, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Makes an image.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "glowplug freeze -o FILE --app MODULE[:ATTRIBUTE] [-- COMMAND]\n       \
                      glowplug freeze -o FILE --preload MODULES [python options]\n       \
                      glowplug freeze [--python PATH] -- [python options] SCRIPT | -m MODULE | -c CODE"
)]
pub struct Freeze {
    /// Write the image to this file, for `glowplug thaw`
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The application of a service, as its server is told: it is imported from the working directory
    #[arg(long, value_name = "MODULE[:ATTRIBUTE]", requires = "output")]
    app: Option<String>,
    /// Run COMMAND no further than to the end of this module's import, or to this function's first call
    #[arg(long, value_name = "MODULE[:FUNCTION]", requires = "output")]
    until: Option<String>,
    /// Modules of a service that are not to be in its image: they are imported at each start
    #[arg(long, value_name = "MODULES", value_delimiter = ',', requires = "output")]
    leave_out: Vec<String>,
    /// Modules to import, in order
    #[arg(long, value_name = "MODULES", value_delimiter = ',')]
    preload: Vec<String>,
    /// The interpreter [default: that of the active virtual environment, else python3 on PATH]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// The CPUs that the image is to run on: baseline, x86-64-v2, x86-64-v3, x86-64-v4, or native for this one alone
    #[arg(long, value_name = "LEVEL", requires = "output", value_parser = cpu::parse)]
    cpu: Option<cpu::Wanted>,
    /// The process id of a recorded start
    #[arg(long, hide = true, value_name = "PID")]
    detached: Option<u32>,
    /// Make the image anew that there is
    #[arg(long, hide = true, requires = "detached")]
    renewal: bool,
    /// Python's options; with `--app`, the usual command of the service; without `-o`, what `glowplug run` would be given
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    arguments: Vec<OsString>,
}

/// Why the command fails.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The command line makes no sense.
    #[error("{0}")]
    Usage(String),
    /// There is no such script.
    #[error("cannot open the script {}: {source}", path.display())]
    Script {
        /// What was named.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no interpreter.
    #[error(transparent)]
    Interpreter(#[from] NotFound),
    /// The interpreter says nothing about itself.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// The program can only be started plainly.
    #[error("{0}")]
    Impossible(String),
    /// The cache cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The lock of the program cannot be taken.
    #[error("cannot lock the cache folder {}: {source}", folder.display())]
    Lock {
        /// The cache.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A part of Glowplug is missing.
    #[error("Glowplug's own part {} is missing\nhelp: install Glowplug again", .0.display())]
    Runtime(PathBuf),
    /// Nothing could be learned from the service.
    #[error(
        "{0}\nhelp: name what it imports with `--app` or `--preload`, or where to stop with `--until` or `glowplug.freeze_point()`"
    )]
    Trial(#[from] TrialError),
    /// The freeze itself failed.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

impl Failure {
    fn status(&self) -> u8 {
        match self {
            // As python has it where there is no such script.
            Failure::Usage(_) | Failure::Script { .. } => exit::USAGE,
            Failure::Interpreter(_) => exit::NOT_FOUND,
            Failure::Publish(PublishError::Freeze(
                FreezeError::Refused(_) | FreezeError::Undecided(_),
            ))
            | Failure::Impossible(_) => exit::REFUSED,
            Failure::Publish(_)
            | Failure::Probe(_)
            | Failure::Cache(_)
            | Failure::Lock { .. }
            | Failure::Trial(_)
            | Failure::Runtime(_) => exit::IMAGE,
        }
    }
}

/// Runs the command and returns the exit status.
pub fn run(options: &Freeze, environment: &Environment) -> u8 {
    privilege::forbid_core_dumps();
    let arguments: Vec<CString> = options
        .arguments
        .iter()
        .filter_map(|argument| CString::new(argument.as_bytes()).ok())
        .collect();
    let arguments: Vec<&CStr> = arguments.iter().map(CString::as_c_str).collect();
    let result = match &options.output {
        Some(_) => into_file(options, &arguments, environment),
        None => into_cache(options, &arguments, environment),
    };
    match result {
        Ok(()) => 0,
        Err(failure) => {
            if options.detached.is_none() {
                explain::error(format_args!("{failure}"));
            }
            failure.status()
        }
    }
}

fn into_file(
    options: &Freeze,
    arguments: &[&CStr],
    environment: &Environment,
) -> Result<(), Failure> {
    let Some(output) = &options.output else { return Ok(()) };
    let is_service = is_service(options, arguments);
    if options.preload.is_empty() && !is_service {
        let hint = "nothing to preload\nhelp: name modules, as in `--preload json,asyncio`, or the \
                    application of a service, as in `--app main:app`";
        return Err(Failure::Usage(hint.to_owned()));
    }
    if let Some(obstacle) = privilege::obstacle() {
        return Err(Failure::Impossible(obstacle.to_owned()));
    }
    let folder = start::working_directory();
    let run_options = commandline::RunOptions {
        python: options.python.as_ref().map(|path| path.as_os_str()),
        ..Default::default()
    };
    let root = PathBuf::from("/");
    let settings = Settings::load(&run_options, environment, folder.as_deref().unwrap_or(&root))
        .map_err(|error| Failure::Usage(error.to_string()))?;
    let interpreter = Interpreter::find(&settings, environment, folder.as_deref())?;
    let probe = probe(&interpreter, None)?;
    let interpreter =
        folder.as_ref().map_or(interpreter.path.clone(), |folder| folder.join(&interpreter.path));
    let mut recipe = Recipe {
        extra_files: plan::interpreter_files(&interpreter, &probe),
        interpreter,
        options: Vec::new(),
        preload: options.preload.iter().map(|module| preload(module, false)).collect(),
        apart: Vec::new(),
        roots: Vec::new(),
        path0: None,
        program: None,
        key: Digest(Default::default()),
        variables: Needed::without_key(),
        settings_apart: false,
        service: None,
        left_out: options.leave_out.clone(),
        allowed_secrets: settings.allow_secrets,
        tells_by_contents: true,
        stays_in_memory: false,
        cpu: options.cpu.and_then(|wanted| wanted.0),
        target: format!("any program on {}", options.preload.join(", ")),
        version: plan::version(&probe),
    };
    let runtime = runtime(environment, &recipe)?;
    if is_service {
        add_service(&mut recipe, options, arguments, &runtime, environment)?;
    } else {
        recipe.options = arguments.iter().map(|&argument| argument.to_owned()).collect();
    }
    if has_packages_of_user(&recipe, environment) {
        recipe.variables.add(b"HOME");
    }
    for note in publish::into_file(&recipe, &runtime, environment, output)? {
        explain::warning(note);
    }
    Ok(())
}

fn preload(module: &str, optional: bool) -> Preload {
    Preload { module: module.to_owned(), optional }
}

/// Whether a service is to be frozen, not any program on some modules.
fn is_service(options: &Freeze, arguments: &[&CStr]) -> bool {
    let names_program =
        || commandline::parse(arguments).is_ok_and(|c| !matches!(c.target, Target::Interactive));
    options.app.is_some() || options.until.is_some() || names_program()
}

/// Adds what a service imports: its application, and what its command has imported when it is about to serve.
fn add_service(
    recipe: &mut Recipe,
    options: &Freeze,
    command: &[&CStr],
    runtime: &Runtime,
    environment: &Environment,
) -> Result<(), Failure> {
    let application = options.app.as_deref().map(|app| app.split(':').next().unwrap_or(app));
    recipe.settings_apart = true;
    recipe.path0 = start::working_directory();
    recipe.target = match application {
        Some(module) => format!("the service {module}"),
        None => "a service".to_owned(),
    };
    if command.is_empty() {
        recipe.preload.extend(application.map(|module| preload(module, false)));
        return Ok(());
    }
    let arguments = service::python_arguments(command, &recipe.interpreter, environment)
        .map_err(|error| Failure::Usage(error.to_string()))?;
    let words: Vec<&CStr> = arguments.iter().map(CString::as_c_str).collect();
    let parsed = commandline::parse(&words).map_err(|error| Failure::Usage(error.to_string()))?;
    recipe.options = parsed.python_options.iter().map(|&option| option.to_owned()).collect();
    let trial = Trial {
        interpreter: &recipe.interpreter,
        minor: recipe.version.1,
        arguments: &arguments,
        until: options.until.as_deref(),
    };
    let reached = trial.run(runtime, environment)?;
    recipe.service = reached.is_socket.then(|| arguments.clone());
    let is_imported = |name: &str| {
        Some(name) == application || reached.modules.iter().any(|module| module == name)
    };
    if let Some(name) = options.leave_out.iter().find(|name| !is_imported(name)) {
        return Err(Failure::Usage(format!(
            "the service has not imported `{name}` when it comes to {}\nhelp: leave it out of `--leave-out`",
            reached.what
        )));
    }
    explain::note(format_args!(
        "the service came as far as {}, with {} modules",
        reached.what,
        reached.modules.len()
    ));
    // In the service's own order: what it imports first changes nothing of what the application sets up.
    let learned = reached.modules.iter().filter(|&module| !options.preload.contains(module));
    recipe
        .preload
        .extend(learned.map(|module| preload(module, Some(module.as_str()) != application)));
    let later = companions::of(&reached.modules);
    recipe.preload.extend(later.map(|module| preload(module, true)));
    if let Some(module) = application.filter(|&name| !reached.modules.iter().any(|m| m == name)) {
        recipe.preload.push(preload(module, false));
    }
    Ok(())
}

/// Whether the user who freezes has packages of his own, which others do not have.
fn has_packages_of_user(recipe: &Recipe, environment: &Environment) -> bool {
    start::packages_of_user(recipe.version.1, environment).is_some_and(|folder| folder.is_dir())
}

fn into_cache(
    options: &Freeze,
    arguments: &[&CStr],
    environment: &Environment,
) -> Result<(), Failure> {
    let mut handed = options.detached.and_then(|_| detached::Handed::take());
    let mut all: Vec<CString> = Vec::new();
    if let Some(python) = &options.python {
        all.push(c"--python".to_owned());
        all.extend(CString::new(python.as_os_str().as_bytes()));
    }
    if !options.preload.is_empty() {
        all.push(c"--preload".to_owned());
        all.extend(CString::new(options.preload.join(",")));
    }
    let all: Vec<&CStr> =
        all.iter().map(CString::as_c_str).chain(arguments.iter().copied()).collect();
    let command = commandline::parse(&all).map_err(|error| Failure::Usage(error.to_string()))?;
    let folder = start::working_directory();
    let settings = start::settings_of(&command, environment, folder.as_deref())
        .map_err(|error| Failure::Usage(error.to_string()))?;
    let start = Start::new(command, environment, settings, folder, 0)?;
    if let Target::Script(path) = start.command.target {
        let open = File::open(path).map(drop);
        open.map_err(|source| Failure::Script { path: path.to_owned(), source })?;
    }
    let freezable = start.freezable().map_err(|reason| Failure::Impossible(reason.to_string()))?;
    let folder = start.settings.cache_dir.as_deref().ok_or(CacheError::NoFolder)?;
    let cache = Cache::create(folder)?;
    let _lock = match &mut handed {
        Some(handed) => handed.lock(&cache, &freezable.key),
        None => {
            let lock = cache.wait_for_lock(&freezable.key);
            let folder = folder.to_owned();
            Some(lock.map_err(|source| Failure::Lock { folder, source })?)
        }
    };
    let record = record(options.detached, handed.as_mut());
    let known = if options.renewal {
        let image = plan::known_image(&cache, &freezable.key, environment);
        Some(image.ok_or_else(|| Failure::Impossible("there is no image to renew".to_owned()))?)
    } else {
        record.as_ref().map(Known::of_record)
    };
    let probe = probe(&start.interpreter, Some(&cache))?;
    let recipe = match start.shared_set() {
        Some((name, modules)) => plan::recipe_of_set(&start, name, &modules, &probe),
        None => {
            plan::recipe(&start, &freezable, &probe, known.as_ref()).map_err(Failure::Impossible)?
        }
    };
    let limit = start.settings.cache_size;
    let runtime = runtime(environment, &recipe)?;
    let place = publish::Place { cache: &cache, limit, renewal: options.renewal };
    Ok(publish::into_cache(&recipe, &runtime, environment, &place)?)
}

fn record(program: Option<u32>, handed: Option<&mut detached::Handed>) -> Option<Record> {
    handed.zip(program).and_then(|(handed, program)| handed.record(program))
}

fn probe(interpreter: &Interpreter, cache: Option<&Cache>) -> Result<Probe, Failure> {
    let probe = interpreter.probe(cache)?;
    if let Some(reason) = probe.unsupported_reason() {
        return Err(Failure::Impossible(reason));
    }
    match privilege::of_interpreter(&interpreter.program) {
        Some(reason) => Err(Failure::Impossible(reason.to_owned())),
        None => Ok(probe),
    }
}

fn runtime(environment: &Environment, recipe: &Recipe) -> Result<Runtime, Failure> {
    let runtime =
        Runtime::find(environment).ok_or_else(|| Failure::Runtime("/proc/self/exe".into()))?;
    let missing = runtime.files(recipe.version.1).into_iter().find(|part| !part.is_file());
    missing.map_or(Ok(runtime), |part| Err(Failure::Runtime(part)))
}
