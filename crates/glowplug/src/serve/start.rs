//! Starting a program by a server.

use super::{DEFAULT_SET, place, socket_name};
use crate::cache::{Cache, CacheError};
use crate::explain;
use crate::freeze::Base;
use crate::freeze::detached::without_program_arguments;
use crate::key::{self, Digest};
use crate::launch::thaw::{monotonic_ns, target_kind};
use crate::settings::{Environment, PreloadSet, Via, sets};
use crate::start::{Freezable, Start};
use glowplug_linux::detach::{self, Priority};
use glowplug_server::Place;
use glowplug_server::client::{self, NotStarted, Program};
use glowplug_server::server::MOST_FILES;
use glowplug_wire::Wish;
use rustix::pipe::PipeFlags;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;

/// The option of `glowplug serve` that a server is started with on demand.
pub const OPTION: &str = "--on-demand";

/// What a server that was started on demand writes when it serves; anything else says why it does not.
pub const SERVES: &[u8] = b"serves";

/// Why no server starts a program.
#[derive(Debug, thiserror::Error)]
pub enum NotServed {
    /// The folder of the servers cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The server does not.
    #[error(transparent)]
    NotStarted(#[from] NotStarted),
    /// An argument holds what the imports of the template look for: they would do something else.
    #[error("an argument holds `{0}`, which the program's imports look for")]
    Word(String),
    /// A server could not be started.
    #[error("no server can be started: {0}")]
    NoServer(String),
}

/// Starts the program by a server that runs, if there is one that has what `wish` asks for; returns the exit status.
///
/// # Errors
/// Where none does; nothing has happened then.
pub fn by_running(start: &Start<'_>, freezable: &Freezable, wish: Wish) -> Result<u8, NotServed> {
    let folder = start.settings.cache_dir.as_deref().ok_or(CacheError::NoFolder)?;
    let cache = Cache::open(folder)?;
    let connection = connect(start, freezable, &cache)?;
    begin(start, connection, wish)
}

/// Starts the program by a server, which is started for it where there is none; returns the exit status.
///
/// # Errors
/// Where that is impossible; nothing has happened then.
pub fn on_demand(
    start: &Start<'_>,
    freezable: &Freezable,
    arguments: &[&CStr],
    wish: Wish,
) -> Result<u8, NotServed> {
    match by_running(start, freezable, wish) {
        Err(error) if calls_for_server(start, &error) => {}
        served => return served,
    }
    start_server(start, arguments)?;
    by_running(start, freezable, wish)
}

/// The template of the preload set `name`, for one of the set `adding` to be forked from; its server is started where there is none.
///
/// # Errors
/// Where that is impossible.
pub fn base(start: &Start<'_>, cache: &Cache, name: &str, adding: &str) -> Result<Base, NotServed> {
    let sets = &start.settings.sets;
    let is_ring =
        name == adding || (sets.contains_key(name) && sets::modules(sets, name).is_none());
    if is_ring {
        let reason = format!("the set `{name}` adds to itself, or to no set of the settings");
        return Err(NotServed::NoServer(reason));
    }
    match running_base(start, cache, name) {
        Err(error) if is_outlived(&error) => {
            let set = sets.get(name).ok_or(error)?;
            start_server_of_set(start, name, set)?;
            running_base(start, cache, name)
        }
        found => found,
    }
}

fn running_base(start: &Start<'_>, cache: &Cache, name: &str) -> Result<Base, NotServed> {
    let place = place(cache)?;
    let key = start.set_key(name);
    let socket = socket_name(cache, &key, start.environment).ok_or(NotStarted::NoServer)?;
    let names = cache.server_selector(&key).ok_or(NotStarted::NoServer)?;
    let base = Base::new(place, socket, names.names());
    // Whether it serves, and whether its inputs are what they were.
    if base.branch()?.inputs.len() >= MOST_FILES {
        let reason = format!("sets extend each other on more than {MOST_FILES} levels");
        return Err(NotServed::NoServer(reason));
    }
    Ok(base)
}

/// Whether a new server would do better, and may be started.
fn calls_for_server(start: &Start<'_>, error: &NotServed) -> bool {
    let may_start = set(start).is_some() || start.command.options.set.is_none();
    is_outlived(error) && may_start
}

/// Whether there is no server, or none that serves any more.
fn is_outlived(error: &NotServed) -> bool {
    match error {
        NotServed::Cache(error) => matches!(error, CacheError::Missing),
        // It ends when its inputs have changed, and has said so.
        NotServed::NotStarted(NotStarted::Refused(reason)) => reason.starts_with("inputs changed"),
        NotServed::NotStarted(error) => {
            matches!(error, NotStarted::NoServer | NotStarted::Silent(_))
        }
        NotServed::Word(_) | NotServed::NoServer(_) => false,
    }
}

/// The preload set of the settings that may start the program: the one that is named, or the default one.
fn set<'a>(start: &'a Start<'_>) -> Option<(&'a str, &'a PreloadSet)> {
    let name = start.command.options.set.unwrap_or(DEFAULT_SET);
    start.settings.sets.get_key_value(name).map(|(name, set)| (name.0.as_str(), set))
}

/// The server of the preload set, or else of the program itself.
fn connect(
    start: &Start<'_>,
    freezable: &Freezable,
    cache: &Cache,
) -> Result<UnixStream, NotServed> {
    let place = place(cache)?;
    let named = start.command.options.set;
    let to = |key| connect_to(start, cache, &place, key);
    match to(start.set_key(named.unwrap_or(DEFAULT_SET))) {
        Err(NotServed::NotStarted(NotStarted::NoServer)) if named.is_none() => to(freezable.key),
        connection => connection,
    }
}

fn connect_to(
    start: &Start<'_>,
    cache: &Cache,
    place: &Place,
    key: Digest,
) -> Result<UnixStream, NotServed> {
    let selector = cache.server_selector(&key).ok_or(NotStarted::NoServer)?;
    if let Some(word) = key::word_among(selector.names(), &start.command.python_argv) {
        return Err(NotServed::Word(String::from_utf8_lossy(word).into_owned()));
    }
    let socket = socket_name(cache, &key, start.environment).ok_or(NotStarted::NoServer)?;
    Ok(place.connect(&socket).map_err(|_| NotStarted::NoServer)?)
}

fn begin(start: &Start<'_>, connection: UnixStream, wish: Wish) -> Result<u8, NotServed> {
    let process = client::ask(connection, wish)?;
    let interpreter = CString::new(start.interpreter.path.as_os_str().as_bytes());
    let interpreter = interpreter.map_err(|error| NotStarted::Silent(error.into()))?;
    let mut arguments = vec![start.name.unwrap_or(&interpreter)];
    arguments.extend_from_slice(&start.command.python_argv);
    let program = Program {
        arguments: &arguments,
        environment: start.environment.strings(),
        target_kind: target_kind(&start.command.target),
        target_index: start.command.target_index as u64,
    };
    let way = if process.was_ready { "from a ready spare" } else { "by a fork" };
    let began = start.began_ns;
    let explains = start.settings.explain;
    let status = process.begin(&program, || {
        if explains {
            explain::served(way, monotonic_ns().saturating_sub(began));
        }
    })?;
    Ok(status)
}

/// Starts a server for a program, or of its preload set, in the background, and waits until it serves.
fn start_server(start: &Start<'_>, arguments: &[&CStr]) -> Result<(), NotServed> {
    if let Some((name, set)) = set(start) {
        return start_server_of_set(start, name, set);
    }
    let arguments = without_program_arguments(arguments);
    server(&[&[c"--"], arguments].concat(), start.environment)
}

fn start_server_of_set(start: &Start<'_>, name: &str, set: &PreloadSet) -> Result<(), NotServed> {
    if let Some(extended) = &set.extends {
        // The server itself may not find the settings, which may lie beside the script.
        let folder = start.settings.cache_dir.as_deref().ok_or(CacheError::NoFolder)?;
        base(start, &Cache::create(folder)?, &extended.0, name)?;
    }
    let python = [b"--python=", start.interpreter.path.as_os_str().as_bytes()].concat();
    let mut options = set.options();
    options.push(format!("--set={name}"));
    let options = options.into_iter().map(String::into_bytes).chain([python]);
    let options: Result<Vec<CString>, _> = options.map(CString::new).collect();
    let options = options.map_err(|error| NotServed::NoServer(error.to_string()))?;
    let mut arguments: Vec<&CStr> = options.iter().map(CString::as_c_str).collect();
    arguments.push(c"--");
    arguments.extend_from_slice(&start.command.python_options);
    server(&arguments, start.environment)
}

/// Starts a server in the background, and waits until it serves. `arguments` are those of `glowplug serve`.
///
/// # Errors
/// Where it does not come to that.
pub fn server(arguments: &[&CStr], environment: &Environment) -> Result<(), NotServed> {
    let failed = |error: io::Error| NotServed::NoServer(error.to_string());
    let (said, says) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(|e| failed(e.into()))?;
    let option = CString::new(OPTION).map_err(|error| failed(error.into()))?;
    let argv = [&[c"glowplug", c"serve", &option], arguments].concat();
    let (environment, handed) = (environment.strings(), [says.as_fd()]);
    detach::spawn(c"/proc/self/exe", &argv, environment, &handed, Priority::Inherited)
        .map_err(failed)?;
    drop(says);
    let mut text = Vec::new();
    File::from(said).read_to_end(&mut text).map_err(failed)?;
    match text == SERVES {
        true => Ok(()),
        false if text.is_empty() => Err(NotServed::NoServer("it has ended".to_owned())),
        false => Err(NotServed::NoServer(String::from_utf8_lossy(&text).into_owned())),
    }
}

/// What a way asks of a server; `None` for ways that need none.
pub fn wish(via: Via) -> Option<Wish> {
    match via {
        Via::Fork => Some(Wish::Fork),
        Via::Pool => Some(Wish::Pool),
        Via::Auto | Via::Thaw | Via::Plain => None,
    }
}
