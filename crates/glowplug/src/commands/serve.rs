//! `glowplug serve`: keeps a warm process that programs are forked from.

use crate::cache::{Cache, CacheError};
use crate::commandline;
use crate::freeze::plan;
use crate::freeze::{Base, Recipe};
use crate::interpreter::{Interpreter, NotFound, Probe, ProbeError};
use crate::runtime::Runtime;
use crate::serve::host::{self, HostError, Hosting};
use crate::serve::start::NotServed;
use crate::serve::{DEFAULT_SET, start as demand};
use crate::settings::{Age, ByteSize, Environment, SettingsError};
use crate::start::{self, PlainOnly, Start};
use crate::{exit, explain, privilege};
use glowplug_linux::detach;
use glowplug_server::server;
use std::ffi::{CStr, CString, OsString};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

/// How long a server waits for something to do, unless it is told: half an hour.
const USUAL_IDLE_LIMIT: Duration = Duration::from_secs(30 * 60);

/// How much memory spares may have to themselves, all together, unless a server is told.
const USUAL_MEMORY_LIMIT: ByteSize = ByteSize(1 << 30);

/// Keeps a warm process that programs are forked from.
#[derive(Debug, clap::Args)]
#[command(override_usage = "glowplug serve --preload MODULES [OPTIONS] [python options]\n       \
                      glowplug serve [OPTIONS] -- [python options] SCRIPT | -m MODULE | -c CODE")]
pub struct Serve {
    /// Modules to import, in order
    #[arg(long, value_name = "MODULES", value_delimiter = ',')]
    preload: Vec<String>,
    /// The name of the preload set, for `glowplug run --set` [default: default]
    #[arg(long, value_name = "NAME")]
    set: Option<String>,
    /// The preload set whose template this one's is forked from, with all that it has imported
    #[arg(long, value_name = "NAME", requires = "preload")]
    extends: Option<String>,
    /// Spares to keep ready; with 0, each start is a fork of the moment
    #[arg(long, value_name = "NUMBER")]
    pool: Option<usize>,
    /// Memory that the spares may have to themselves, all together [default: 1 GiB]
    #[arg(long, value_name = "SIZE")]
    memory_limit: Option<ByteSize>,
    /// End after so long without anything to do, as in `30min`, or `never` [default: 30min]
    #[arg(long, value_name = "AGE")]
    idle: Option<Age>,
    /// Stay in the foreground, for a service manager or a container
    #[arg(long)]
    foreground: bool,
    /// The interpreter [default: that of the active virtual environment, else python3 on PATH]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Started for a program
    #[arg(long, hide = true)]
    on_demand: bool,
    /// Python's options; without `--preload`, what `glowplug run` would be given
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    arguments: Vec<OsString>,
}

/// Why the command fails.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The settings are wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The command line makes no sense.
    #[error("{0}")]
    Usage(String),
    /// There is no interpreter.
    #[error(transparent)]
    Interpreter(#[from] NotFound),
    /// The interpreter says nothing about itself.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// The program can only be started plainly.
    #[error(transparent)]
    PlainOnly(#[from] PlainOnly),
    /// Nothing can be preloaded here.
    #[error("{0}")]
    Impossible(String),
    /// The cache cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The set that this one is to add to has no server.
    #[error("the set `{0}` is to be added to: {1}")]
    Base(String, NotServed),
    /// There can be no server.
    #[error(transparent)]
    Host(#[from] HostError),
    /// It cannot go into the background.
    #[error("cannot start a process: {0}")]
    Background(std::io::Error),
}

impl Failure {
    fn status(&self) -> u8 {
        match self {
            Failure::Settings(_) | Failure::Usage(_) => exit::USAGE,
            Failure::Interpreter(_) => exit::NOT_FOUND,
            Failure::PlainOnly(_) | Failure::Impossible(_) => exit::REFUSED,
            Failure::Probe(_) | Failure::Cache(_) | Failure::Background(_) => exit::IMAGE,
            Failure::Host(_) | Failure::Base(..) => exit::SERVER,
        }
    }
}

/// Runs the command and returns the exit status.
pub fn run(options: &Serve, environment: &Environment) -> u8 {
    let mut starter: Option<File> = None;
    if options.on_demand {
        starter = detach::handed(1).into_iter().next();
    }
    if !options.on_demand && !options.foreground {
        return match in_background(options, environment) {
            Ok(()) => 0,
            Err(failure) => report(&failure),
        };
    }
    privilege::forbid_core_dumps();
    match serve(options, environment, &mut starter) {
        Ok(()) => 0,
        // Somebody else has been quicker, which is as good.
        Err(Failure::Host(HostError::Already(_))) if options.on_demand => {
            host::tell_served(&mut starter);
            0
        }
        Err(failure) if options.on_demand => {
            host::tell(&mut starter, &failure.to_string());
            failure.status()
        }
        Err(failure) => report(&failure),
    }
}

fn report(failure: &Failure) -> u8 {
    explain::error(format_args!("{failure}"));
    failure.status()
}

/// Starts the server as a process that outlives the terminal, and waits until it serves.
fn in_background(options: &Serve, environment: &Environment) -> Result<(), Failure> {
    let arguments = own_arguments(options).map_err(Failure::Background)?;
    let arguments: Vec<&CStr> = arguments.iter().map(CString::as_c_str).collect();
    demand::server(&arguments, environment).map_err(|error| Failure::Impossible(error.to_string()))
}

/// The command line of the process in the background.
fn own_arguments(options: &Serve) -> std::io::Result<Vec<CString>> {
    let mut words: Vec<Vec<u8>> = Vec::new();
    let mut option = |name: &str, value: Vec<u8>| {
        words.push([format!("--{name}=").as_bytes(), &value].concat());
    };
    if !options.preload.is_empty() {
        option("preload", options.preload.join(",").into_bytes());
    }
    if let Some(set) = &options.set {
        option("set", set.clone().into_bytes());
    }
    if let Some(base) = &options.extends {
        option("extends", base.clone().into_bytes());
    }
    if let Some(pool) = options.pool {
        option("pool", pool.to_string().into_bytes());
    }
    if let Some(limit) = options.memory_limit {
        option("memory-limit", limit.0.to_string().into_bytes());
    }
    if let Some(idle) = &options.idle {
        option("idle", idle.to_string().into_bytes());
    }
    if let Some(python) = &options.python {
        option("python", python.as_os_str().as_bytes().to_vec());
    }
    words.push(b"--".to_vec());
    words.extend(options.arguments.iter().map(|argument| argument.as_bytes().to_vec()));
    words.into_iter().map(|word| CString::new(word).map_err(std::io::Error::from)).collect()
}

fn serve(
    options: &Serve,
    environment: &Environment,
    starter: &mut Option<File>,
) -> Result<(), Failure> {
    if let Some(obstacle) = privilege::obstacle() {
        return Err(Failure::Impossible(obstacle.to_owned()));
    }
    let mut arguments: Vec<CString> = Vec::new();
    if let Some(python) = &options.python {
        arguments.push(c"--python".to_owned());
        arguments.extend(CString::new(python.as_os_str().as_bytes()));
    }
    arguments.extend(options.arguments.iter().filter_map(|a| CString::new(a.as_bytes()).ok()));
    let arguments: Vec<&CStr> = arguments.iter().map(CString::as_c_str).collect();
    let command =
        commandline::parse(&arguments).map_err(|error| Failure::Usage(error.to_string()))?;
    let folder = start::working_directory();
    let settings = start::settings_of(&command, environment, folder.as_deref())?;
    let start = Start::new(command, environment, settings, folder, 0)?;
    let cache_folder = start.settings.cache_dir.as_deref().ok_or(CacheError::NoFolder)?;
    let cache = Cache::create(cache_folder)?;
    let probe = probe(&start.interpreter, &cache)?;
    let recipe = match options.preload.is_empty() {
        true => recipe_of_program(&start, &cache, &probe)?,
        false => {
            let set = options.set.as_deref().unwrap_or(DEFAULT_SET);
            let recipe = plan::recipe_of_set(&start, set, &options.preload, &probe);
            Recipe { stays_in_memory: true, ..recipe }
        }
    };
    let runtime = Runtime::find(environment)
        .filter(|runtime| runtime.files(recipe.version.1).iter().all(|part| part.is_file()))
        .ok_or_else(|| Failure::Impossible("a part of Glowplug is missing".to_owned()))?;
    let settings = server::Settings {
        spares: options.pool.unwrap_or(0),
        memory_limit: options.memory_limit.unwrap_or(USUAL_MEMORY_LIMIT).0,
        idle_limit: options.idle.as_ref().map_or(Some(USUAL_IDLE_LIMIT), |idle| idle.0),
        target: recipe.target.clone(),
        python: recipe.interpreter.display().to_string(),
        preload: recipe.preload.iter().map(|preload| preload.module.clone()).collect(),
        extends: options.extends.clone(),
    };
    let base = base(options, &start, &cache)?;
    let base = base.as_ref();
    let hosting =
        Hosting { recipe: &recipe, base, runtime: &runtime, environment, cache: &cache, settings };
    Ok(host::host(&hosting, || host::tell_served(starter))?)
}

/// The template that this server's is forked from, if it is to be forked from one.
fn base(options: &Serve, start: &Start<'_>, cache: &Cache) -> Result<Option<Base>, Failure> {
    let Some(name) = &options.extends else { return Ok(None) };
    let own = options.set.as_deref().unwrap_or(DEFAULT_SET);
    let found = demand::base(start, cache, name, own);
    found.map(Some).map_err(|error| Failure::Base(name.clone(), error))
}

fn recipe_of_program(start: &Start<'_>, cache: &Cache, probe: &Probe) -> Result<Recipe, Failure> {
    let freezable = start.freezable()?;
    let known = plan::known_image(cache, &freezable.key, start.environment);
    let recipe = plan::recipe(start, &freezable, probe, known.as_ref());
    let recipe = recipe.map_err(Failure::Impossible)?;
    Ok(Recipe { stays_in_memory: true, ..recipe })
}

fn probe(interpreter: &Interpreter, cache: &Cache) -> Result<Probe, Failure> {
    let probe = interpreter.probe(Some(cache))?;
    if let Some(reason) = probe.unsupported_reason() {
        return Err(Failure::Impossible(reason));
    }
    match privilege::of_interpreter(&interpreter.program) {
        Some(reason) => Err(Failure::Impossible(reason.to_owned())),
        None => Ok(probe),
    }
}
