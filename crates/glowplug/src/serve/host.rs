//! Being a server.

use super::start::SERVES;
use super::{place, socket_name};
use crate::cache::{Cache, CacheError, OpenImage};
use crate::freeze::template::{Template, template};
use crate::freeze::{Base, FreezeError, Recipe};
use crate::inputs::{self, Caches, Changed, Watch};
use crate::runtime::Runtime;
use crate::settings::Environment;
use glowplug_server::Place;
use glowplug_server::client;
use glowplug_server::server::{self, Inputs, Server};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

/// What a server is to be.
#[derive(Debug)]
pub struct Hosting<'a> {
    /// What its template preloads, and for what.
    pub recipe: &'a Recipe,
    /// What its template is forked from.
    pub base: Option<&'a Base>,
    /// Where Glowplug's own parts lie.
    pub runtime: &'a Runtime,
    /// The environment of the starts that it is for.
    pub environment: &'a Environment,
    /// The cache, for its socket.
    pub cache: &'a Cache,
    /// How it serves.
    pub settings: server::Settings,
}

/// Why a process does not become a server.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// There is one already.
    #[error("there is a server for this already (process {0}); see `glowplug status`")]
    Already(u32),
    /// There can be no template.
    #[error(transparent)]
    Freeze(#[from] FreezeError),
    /// The folder of the sockets cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// Something else fails.
    #[error("cannot serve: {0}")]
    Io(#[from] io::Error),
}

/// How long after a watch was given up another one is set up: where something changes all the time, comparing is cheaper.
const PAUSE: Duration = Duration::from_secs(1);

/// The inputs of a template.
struct TemplateInputs {
    /// Their tables: those of the template itself, and of those that it was forked from.
    images: Vec<OpenImage>,
    /// `None` where everything has to be compared.
    watch: Option<Watch>,
    /// When the last watch was set up, or tried.
    tried: Option<Instant>,
}

impl TemplateInputs {
    fn new(images: Vec<OpenImage>) -> TemplateInputs {
        TemplateInputs { images, watch: None, tried: None }
    }

    fn compare(&self) -> Result<(), Changed> {
        let mut images = self.images.iter();
        images.try_for_each(|image| inputs::check(image.head(), image.bytes(), Caches::Warm))
    }
}

impl Inputs for TemplateInputs {
    fn unchanged(&mut self) -> Result<(), String> {
        let compared = match &self.watch {
            Some(watch) if watch.is_quiet() => {
                let mut images = self.images.iter();
                images.try_for_each(|image| inputs::check_contents(image.head(), image.bytes()))
            }
            _ => {
                // There may be more to watch now than there was.
                self.watch = None;
                self.compare()
            }
        };
        compared.map_err(|changed| changed.to_string())
    }

    fn at_rest(&mut self) -> Result<(), String> {
        let is_due = self.tried.is_none_or(|tried| tried.elapsed() >= PAUSE);
        if self.watch.is_some() || !is_due {
            return Ok(());
        }
        self.tried = Some(Instant::now());
        let paths: Result<Vec<_>, _> =
            self.images.iter().map(|image| inputs::paths(image.head(), image.bytes())).collect();
        self.watch = paths.ok().and_then(|paths| Watch::over(&paths.concat()).ok());
        // What has changed before it was watched.
        self.compare().map_err(|changed| changed.to_string())
    }

    fn watched(&self) -> Option<BorrowedFd<'_>> {
        self.watch.as_ref().map(Watch::as_fd)
    }

    fn files(&self) -> Vec<BorrowedFd<'_>> {
        self.images.iter().map(OpenImage::file).collect()
    }
}

/// A socket that clients can connect to, and the name under which they find it.
struct Socket {
    place: Place,
    name: String,
    inode: Option<u64>,
    listener: UnixListener,
}

/// Becomes a server, and returns when it has ended. `serves` is called when clients can connect.
///
/// # Errors
/// See [`HostError`].
pub fn host(hosting: &Hosting<'_>, serves: impl FnOnce()) -> Result<(), HostError> {
    let Hosting { recipe, base, runtime, environment, cache, settings } = hosting;
    // Whoever waits for the lock finds the server that its holder has become.
    let lock = cache.wait_for_server_lock(&recipe.key)?;
    let place = place(cache)?;
    if let Some(pid) = running(cache, &place, recipe, environment) {
        return Err(HostError::Already(pid));
    }
    let Template { serving, names, inputs, guardian, life } =
        template(recipe, *base, runtime, environment)?;
    cache.write_server_selector(&recipe.key, names.names())?;
    let socket = listen(cache, place, recipe, environment)?;
    let mut template = server::Template::new(serving.pid, serving.held, serving.socket);
    if let Some(guardian) = guardian {
        template = template.of_branch(guardian);
    }
    let Socket { place, name, inode, listener } = socket;
    let server = Server::new(settings.clone(), TemplateInputs::new(inputs), template, listener)?;
    drop(lock);
    // Nobody's working directory is kept busy.
    std::env::set_current_dir("/")?;
    serves();
    server.run(|| {
        // Another one may have taken its place.
        if place.inode(&name) == inode {
            place.remove(&name);
        }
    })?;
    drop(life);
    Ok(())
}

/// The process of the server that there is already.
fn running(
    cache: &Cache,
    place: &Place,
    recipe: &Recipe,
    environment: &Environment,
) -> Option<u32> {
    let name = socket_name(cache, &recipe.key, environment)?;
    let report = client::status(place.connect(&name).ok()?).ok()?;
    report.ending.is_none().then_some(report.server)
}

fn listen(
    cache: &Cache,
    place: Place,
    recipe: &Recipe,
    environment: &Environment,
) -> io::Result<Socket> {
    let name = socket_name(cache, &recipe.key, environment).ok_or(io::ErrorKind::NotFound)?;
    let listener = place.listen(&name)?;
    let inode = place.inode(&name);
    Ok(Socket { place, name, inode, listener })
}

/// Tells whoever has started this server on demand how it went.
pub fn tell(starter: &mut Option<File>, text: &str) {
    if let Some(mut starter) = starter.take() {
        let _ = starter.write_all(text.as_bytes());
    }
}

/// Tells whoever has started this server on demand that it serves.
pub fn tell_served(starter: &mut Option<File>) {
    tell(starter, &String::from_utf8_lossy(SERVES));
}
