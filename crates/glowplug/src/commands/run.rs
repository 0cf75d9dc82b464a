//! `glowplug run`: starts a program by the fastest sound way.
//!
//! This is the path that every start takes, so it does nothing that is not needed: no TOML, no JSON, no Python.

use crate::cache::{Cache, CacheError, OpenImage, Unusable};
use crate::commandline::{self, CommandLine};
use crate::freeze::detached;
use crate::inputs::{self, Changed};
use crate::launch::thaw::{self, Thaw};
use crate::runtime::Runtime;
use crate::serve::{self, start::NotServed};
use crate::settings::{Environment, Settings, Via};
use crate::start::{self, Freezable, PlainOnly, Start};
use crate::{exit, explain, key, launch, renewal};
use glowplug_wire::Wish;
use std::ffi::{CStr, CString};
use std::fmt::Display;
use std::path::Path;

/// How a program is started.
#[derive(Debug)]
pub enum Way {
    /// From an image whose inputs are unchanged.
    Thaw(OpenImage),
    /// By plain python.
    Plain(Reason),
}

/// Why a program is started plainly.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// It was asked for.
    #[error("asked for by `--via plain`")]
    Asked,
    /// It can never be otherwise.
    #[error(transparent)]
    PlainOnly(#[from] PlainOnly),
    /// The cache cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// Nothing is ever frozen on this interpreter.
    #[error("{0}")]
    Interpreter(String),
    /// There is no image, or none that can be used.
    #[error("{0}")]
    Image(#[from] Unusable),
    /// What the imports read has changed.
    #[error(transparent)]
    Inputs(#[from] Changed),
    /// The program may not be frozen.
    #[error("the program may not be frozen: {0}")]
    Refused(String),
    /// The settings are wrong; the error has been reported.
    #[error("the settings are wrong")]
    Settings,
    /// The imports look for this word in the program's arguments, and no image is made for what they do then.
    #[error("an argument holds `{0}`, which the program's imports look for")]
    Word(String),
    /// The image does not fit this machine or process.
    #[error("{0}")]
    Misfit(&'static str),
    /// The restorer cannot be started.
    #[error("{0}")]
    Thaw(String),
    /// No server starts the program.
    #[error("{0}")]
    Server(#[from] NotServed),
}

impl Reason {
    /// That this word was found in an argument.
    pub fn of_word(word: &[u8]) -> Reason {
        Reason::Word(String::from_utf8_lossy(word).into_owned())
    }

    /// Whether a new image would let the next start be thawed.
    pub fn calls_for_freezing(&self) -> bool {
        match self {
            Reason::Cache(error) => matches!(error, CacheError::Missing),
            Reason::Image(_) | Reason::Inputs(_) | Reason::Misfit(_) => true,
            Reason::Asked
            | Reason::PlainOnly(_)
            | Reason::Interpreter(_)
            | Reason::Refused(_)
            | Reason::Word(_)
            | Reason::Settings
            | Reason::Thaw(_)
            | Reason::Server(_) => false,
        }
    }
}

/// Runs the command line behind `glowplug run`. Returns only on failure: the exit status, after the error was reported.
pub fn run(arguments: &[&CStr], environment: &Environment) -> u8 {
    run_as(None, arguments, environment)
}

/// The same for a program that is to have `name` for its `argv[0]`, and not the interpreter's path.
pub fn run_as(name: Option<&CStr>, arguments: &[&CStr], environment: &Environment) -> u8 {
    begin(name, arguments, environment, None)
}

/// Runs a command line as [`run`] does, since the image file that it names cannot be used: a start that is plain for that says so. The
/// next one is not, where an image that fits could be made.
pub fn in_place_of(
    file: &Path,
    why: &dyn Display,
    arguments: &[&CStr],
    environment: &Environment,
) -> u8 {
    begin(None, arguments, environment, Some(notice(file, why)))
}

/// What is said where an image file cannot be used and the program starts plainly.
pub fn notice(file: &Path, why: &dyn Display) -> String {
    format!("cannot thaw {}: {why}\nnote: the program is started plainly", file.display())
}

fn begin(
    name: Option<&CStr>,
    arguments: &[&CStr],
    environment: &Environment,
    notice: Option<String>,
) -> u8 {
    let began_ns = thaw::monotonic_ns();
    let command = match commandline::parse(arguments) {
        Ok(command) => command,
        Err(error) => {
            explain::error(format_args!("{error}\nhelp: see `glowplug help run`"));
            return exit::USAGE;
        }
    };
    let folder = start::working_directory();
    let settings = start::settings_of(&command, environment, folder.as_deref());
    let wrong = settings.is_err();
    let settings = settings.unwrap_or_else(|error| {
        explain::error(format_args!("{error}\nnote: the program is started plainly"));
        Settings::without_sources(&command.options, environment)
    });
    let start = match Start::new(command, environment, settings, folder, began_ns) {
        Ok(start) => Start { name, notice, ..start },
        Err(error) => {
            explain::error(error);
            return exit::NOT_FOUND;
        }
    };
    if wrong {
        return plain(&start, &Reason::Settings, &[]);
    }
    take(&start, arguments)
}

/// Chooses a way and takes it.
fn take(start: &Start<'_>, arguments: &[&CStr]) -> u8 {
    if start.settings.via == Via::Plain {
        return plain(start, &Reason::Asked, &[]);
    }
    let freezable = match start.freezable() {
        Ok(freezable) => freezable,
        Err(reason) => return plain(start, &reason.into(), &[]),
    };
    if let Some(wish) = serve::start::wish(start.settings.via) {
        let served = serve::start::on_demand(start, &freezable, arguments, wish);
        return served.unwrap_or_else(|reason| plain(start, &reason.into(), &[]));
    }
    let by_server = |wish| {
        let is_free = start.settings.via == Via::Auto;
        is_free.then(|| serve::start::by_running(start, &freezable, wish).ok()).flatten()
    };
    if let Some(status) = by_server(Wish::Ready) {
        return status;
    }
    match choose(start, &freezable) {
        Way::Thaw(image) => {
            image.note_use();
            renewal::consider(start, &freezable, &image, arguments);
            let reason = become_image(start, image);
            plain(start, &reason, &[])
        }
        Way::Plain(reason) => {
            if let Some(status) = by_server(Wish::Fork) {
                return status;
            }
            let changes = if reason.calls_for_freezing() && start.settings.via == Via::Auto {
                freeze_for_next_time(start, &freezable, arguments)
            } else {
                Vec::new()
            };
            plain(start, &reason, &changes)
        }
    }
}

/// The way for a program that can be frozen.
pub fn choose(start: &Start<'_>, freezable: &Freezable) -> Way {
    usable_image(start, freezable).map_or_else(Way::Plain, Way::Thaw)
}

fn usable_image(start: &Start<'_>, freezable: &Freezable) -> Result<OpenImage, Reason> {
    let folder = start.settings.cache_dir.as_deref().ok_or(CacheError::NoFolder)?;
    let cache = Cache::open(folder)?;
    let selector = cache.selector(&freezable.key).ok_or_else(|| no_image(start, &cache))?;
    if let Some(word) = key::word_among(selector.names(), &start.command.python_argv) {
        return Err(Reason::of_word(word));
    }
    let values = key::of_values(selector.names(), start.environment);
    let image = cache.open_image(&freezable.key, &values)?;
    let caches = image.read_ahead();
    if !start.settings.sealed {
        inputs::check(image.head(), image.bytes(), caches)?;
    }
    if image.head().is_refusal() {
        return Err(Reason::Refused(refusal(&image, start)));
    }
    if let Some(misfit) = thaw::misfit(image.head()) {
        return Err(Reason::Misfit(misfit));
    }
    if thaw::needs_a_taken_descriptor(image.head()) {
        return Err(Reason::Thaw(thaw::TAKEN_DESCRIPTOR.to_owned()));
    }
    Ok(image)
}

/// Why there is no image: a freezer may have found out that there can never be one.
fn no_image(start: &Start<'_>, cache: &Cache) -> Reason {
    let probe = start.interpreter.known(cache);
    let unsupported = probe.and_then(|probe| probe.unsupported_reason());
    unsupported.map_or(Unusable::Missing.into(), Reason::Interpreter)
}

/// Why a program may not be frozen; only looked up where somebody wants to know, as it costs reading JSON.
fn refusal(image: &OpenImage, start: &Start<'_>) -> String {
    let wanted = start.settings.explain || start.settings.via == Via::Thaw;
    let reason = wanted.then(|| crate::meta::Meta::of(image.meta()).reason).flatten();
    // Behind the first line there may be a traceback.
    let reason = reason.and_then(|reason| reason.lines().next().map(str::to_owned));
    reason.unwrap_or_else(|| "see `glowplug images list`".to_owned())
}

/// Becomes the process in the image. Returns only where that is impossible: the reason.
fn become_image(start: &Start<'_>, image: OpenImage) -> Reason {
    let Some(runtime) = Runtime::find(start.environment) else {
        return Reason::Thaw("Glowplug's restorer is not there".to_owned());
    };
    if start.settings.explain {
        for kept in crate::meta::Meta::of(image.meta()).apart {
            explain::apart(&kept.module, &kept.cause);
        }
    }
    let thaw = Thaw {
        restorer: &runtime.restorer(),
        interpreter: &start.interpreter,
        name: start.name,
        command: &start.command,
        environment: start.environment,
        explain: start.settings.explain,
        forced: start.settings.via == Via::Thaw,
        notice: false,
        start_ns: start.began_ns,
    };
    let error = thaw.execute(image.into_file());
    Reason::Thaw(format!("the restorer cannot be started: {error}"))
}

/// Starts a freezer in the background unless one is at work, and returns what the recorder needs in this start's environment.
fn freeze_for_next_time(
    start: &Start<'_>,
    freezable: &Freezable,
    arguments: &[&CStr],
) -> Vec<CString> {
    let lock = start
        .settings
        .cache_dir
        .as_deref()
        .filter(|_| start.may_freeze())
        .and_then(|folder| Cache::create(folder).ok())
        .and_then(|cache| cache.lock(&freezable.key).ok().flatten());
    let runtime = Runtime::find(start.environment).filter(Runtime::can_record);
    let Some((lock, runtime)) = lock.zip(runtime) else {
        return Vec::new();
    };
    // Whatever fails here only means that there will be no image next time.
    detached::spawn(arguments, start.environment, &runtime, lock).unwrap_or_default()
}

/// Starts plainly, unless another way was demanded. Returns only on failure.
fn plain(start: &Start<'_>, reason: &Reason, changes: &[CString]) -> u8 {
    if !matches!(start.settings.via, Via::Auto | Via::Plain) {
        return forced(start.settings.via, reason);
    }
    if let Some(notice) = &start.notice {
        explain::warning(notice);
    }
    if start.settings.explain {
        explain::plain(reason);
    }
    let CommandLine { python_argv, .. } = &start.command;
    launch::plain(&start.interpreter, start.name, python_argv, start.environment, changes)
}

fn forced(via: Via, reason: &Reason) -> u8 {
    let name = via.name();
    if via == Via::Thaw && reason.calls_for_freezing() {
        explain::error(format_args!(
            "cannot thaw: {reason}\nhelp: run the program once without `--via thaw`, or make an image with `glowplug freeze`"
        ));
    } else {
        let what = if via == Via::Thaw { "thaw" } else { "start the program by a server" };
        explain::error(format_args!(
            "cannot {what}: {reason}\nhelp: leave out `--via {name}` to start it plainly"
        ));
    }
    exit::FORCED
}
