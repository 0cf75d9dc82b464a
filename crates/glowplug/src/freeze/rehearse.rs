//! Thaws a new image once, before anybody else does.
//!
//! An image that does not thaw on the machine that made it is never used. The page map of the thawed process then tells which pages of the
//! image it has touched. Those that it has written to are populated before the jump of every later start, which is cheaper than a page
//! fault each; all of them are read ahead where the image is not in memory yet.
//!
//! A service is rehearsed with its own command, up to the first socket that it is about to bind or to connect to the network, where it
//! stands still: as far as its trial went. Where that cannot be done, and for every other program, nothing is run: the process stops
//! itself when its empty program has ended.

use super::session::Session;
use super::{Recipe, trial};
use crate::commandline;
use crate::launch::thaw::target_kind;
use crate::runtime::Runtime;
use crate::settings::Environment;
use glowplug_image::{HotRange, params};
use glowplug_linux::Process;
use glowplug_linux::halt::{self, Call, Halts};
use glowplug_linux::process::PAGE;
use rustix::fs::{Advice, MemfdFlags};
use rustix::io::FdFlags;
use rustix::net::{AddressFamily, RawAddressFamily};
use rustix::process::{Pid, WaitOptions};
use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Hot pages that are this close to each other become one range, pages.
const GAP: u64 = 2;

/// Warm pages that are this close to each other become one range, pages: a disk reads what lies between in less time than it takes to
/// be asked twice.
const WARM_GAP: u64 = 8;

/// What a rehearsed start touched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Written to.
    pub hot: Vec<HotRange>,
    /// Read or written to.
    pub warm: Vec<HotRange>,
}

/// A new image, and what is needed to thaw it.
#[derive(Clone, Copy)]
pub struct Rehearsal<'a> {
    /// What it was made for.
    pub recipe: &'a Recipe,
    /// Glowplug's own files.
    pub runtime: &'a Runtime,
    /// Those variables alone that the imports had.
    pub variables: &'a [(OsString, OsString)],
    /// All variables, for a service.
    pub environment: &'a Environment,
    /// The image.
    pub image: &'a File,
}

impl Rehearsal<'_> {
    /// Thaws the image, and returns what was touched; `Err` says in words what went wrong.
    pub fn run(self) -> Result<Touched, String> {
        if let Some(service) = &self.recipe.service
            && let Ok(touched) = self.until_a_socket(service)
        {
            return Ok(touched);
        }
        self.of_nothing()
    }

    /// Runs a service, as far as its trial went.
    fn until_a_socket(self, service: &[CString]) -> io::Result<Touched> {
        let words: Vec<&CStr> = service.iter().map(CString::as_c_str).collect();
        let parsed = commandline::parse(&words).map_err(io::Error::other)?;
        forget(self.image);
        let mut command = self.command(
            &parsed.python_argv,
            (target_kind(&parsed.target), parsed.target_index),
            params::FLAG_FORCED,
        );
        for (name, value) in self.environment.variables() {
            command.env(OsStr::from_bytes(name), OsStr::from_bytes(value));
        }
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let halting = halt::halt_at(&mut command, &[halt::BIND, halt::CONNECT])?;
        let session = self.start(command)?;
        let halts = halting.started(session.leader())?;
        let call = at_a_socket(&halts)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        touched_pages(Process::new(call.thread))
    }

    /// Runs an empty program.
    fn of_nothing(self) -> Result<Touched, String> {
        forget(self.image);
        // In memory: what a program prints is not to be written to a disk.
        let output = rustix::fs::memfd_create("glowplug-output", MemfdFlags::CLOEXEC);
        let mut output = File::from(output.map_err(|error| error.to_string())?);
        let touched = self.try_nothing(&output);
        touched.map_err(|what| {
            let mut said = String::new();
            let _ = output.rewind().and_then(|()| output.read_to_string(&mut said));
            format!("{what}: {}", said.trim())
        })
    }

    fn try_nothing(self, output: &File) -> Result<Touched, String> {
        let words = |error: io::Error| error.to_string();
        let mut arguments: Vec<&CStr> = self.recipe.options.iter().map(CString::as_c_str).collect();
        arguments.extend([c"-c", c"pass"]);
        let target = (params::TARGET_COMMAND, arguments.len());
        let flags = params::FLAG_REHEARSAL | params::FLAG_FORCED;
        let mut command = self.command(&arguments, target, flags);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdout(output.try_clone().map_err(words)?);
        command.stderr(output.try_clone().map_err(words)?);
        let mut session = self.start(command).map_err(words)?;
        stopped_by_itself(&mut session)
    }

    /// The restorer, without an environment, for python's arguments and its target: of which kind, and which of them.
    fn command(self, arguments: &[&CStr], target: (u64, usize), flags: u64) -> Command {
        let parameters = params::Params {
            tries: 0,
            image_fd: self.image.as_raw_fd() as u64,
            target_kind: target.0,
            target_index: target.1 as u64,
            flags,
            start_ns: 0,
            python: b"",
        };
        let mut parameter = parameters.to_string().into_bytes();
        parameter.extend_from_slice(self.recipe.interpreter.as_os_str().as_bytes());
        let (name, value) = parameter.split_at(params::NAME.len());
        let name = OsString::from_vec(name[..name.len() - 1].to_vec());
        let mut command = Command::new(self.runtime.restorer());
        command.arg0(&self.recipe.interpreter);
        command.args(arguments.iter().map(|argument| OsStr::from_bytes(argument.to_bytes())));
        command.env_clear().env(name, OsStr::from_bytes(value)).stdin(Stdio::null());
        command
    }

    /// Starts it, with the image as it is in the parameters.
    fn start(self, command: Command) -> io::Result<Session> {
        rustix::io::fcntl_setfd(self.image, FdFlags::empty())?;
        let session = Session::start(command);
        rustix::io::fcntl_setfd(self.image, FdFlags::CLOEXEC)?;
        session
    }
}

/// Waits until a service is about to bind a socket, or to connect to the network; other calls are let go.
fn at_a_socket(halts: &Halts) -> io::Result<Option<Call>> {
    loop {
        let call = halts.next(trial::LIMIT)?;
        match call {
            Some(call) if !ends_a_trial(&call)? => halts.let_go(&call)?,
            _ => return Ok(call),
        }
    }
}

/// Whether a trial ends with a call of `bind` or `connect`.
fn ends_a_trial(call: &Call) -> io::Result<bool> {
    let mut family = [0; size_of::<RawAddressFamily>()];
    let [_, address, length, ..] = call.arguments;
    if length < family.len() as u64 {
        return Ok(false);
    }
    // An address that cannot be read is the program's own mistake.
    if Process::new(call.thread).memory()?.read_exact_at(&mut family, address).is_err() {
        return Ok(false);
    }
    Ok(match AddressFamily::from_raw(RawAddressFamily::from_ne_bytes(family)) {
        AddressFamily::INET | AddressFamily::INET6 => true,
        AddressFamily::UNIX => call.number == halt::BIND,
        _ => false,
    })
}

/// Has the kernel forget the contents of a new image, and read each page of it by itself when it is touched: it would otherwise map
/// what lies around it as well, and every page of a new file is still in memory. Where it cannot, more pages seem to be touched.
fn forget(image: &File) {
    let _ = image.sync_data();
    let _ = rustix::fs::fadvise(image, 0, None, Advice::DontNeed);
    let _ = rustix::fs::fadvise(image, 0, None, Advice::Random);
}

/// Waits until the process stops itself, and reads its page map.
fn stopped_by_itself(session: &mut Session) -> Result<Touched, String> {
    let leader = session.leader();
    let pid = i32::try_from(leader).ok().and_then(Pid::from_raw).ok_or("no process id")?;
    let status = rustix::process::waitpid(Some(pid), WaitOptions::UNTRACED)
        .map_err(|error| error.to_string())?;
    let stopped = status.is_some_and(|(_, status)| status.stopped());
    if !stopped {
        return Err(match status {
            Some((_, status)) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => format!("it ended with status {code}"),
                (_, Some(signal)) => format!("it died by signal {signal}"),
                _ => "it ended".to_owned(),
            },
            None => "it vanished".to_owned(),
        });
    }
    touched_pages(Process::new(leader)).map_err(|error| error.to_string())
}

fn touched_pages(process: Process) -> std::io::Result<Touched> {
    let mut touched = Touched::default();
    for mapping in process.mappings()?.iter().filter(|m| m.is_file() && !m.shared) {
        let pages = process.pages(mapping.start, mapping.end)?;
        for (page, addr) in pages.into_iter().zip((mapping.start..).step_by(PAGE as usize)) {
            if page.is_present() {
                add(&mut touched.warm, addr, mapping.start, WARM_GAP);
                if mapping.write && !page.is_of_file() {
                    add(&mut touched.hot, addr, mapping.start, GAP);
                }
            }
        }
    }
    Ok(touched)
}

/// Adds a page behind all others: to the last range of its mapping where that ends at most `gap` pages before it.
fn add(ranges: &mut Vec<HotRange>, addr: u64, mapping: u64, gap: u64) {
    match ranges.last_mut() {
        Some(last) if last.addr >= mapping && addr - (last.addr + last.len) <= gap * PAGE => {
            last.len = addr + PAGE - last.addr;
        }
        _ => ranges.push(HotRange { addr, len: PAGE }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_pages_of_one_mapping_become_one_range() {
        let mut ranges = Vec::new();
        for (page, mapping) in [(0, 0), (1, 0), (4, 0), (8, 0), (9, 9)] {
            add(&mut ranges, page * PAGE, mapping * PAGE, GAP);
        }
        let pages: Vec<_> = ranges.iter().map(|r| (r.addr / PAGE, r.len / PAGE)).collect();
        assert_eq!(pages, [(0, 5), (8, 1), (9, 1)]);
    }
}
