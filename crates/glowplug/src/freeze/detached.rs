//! The freezer behind a recorded start: started before the program, it waits until the program has ended, and freezes what the
//! record shows.
//!
//! It is an orphan of the lowest priority in a session of its own, so nobody waits for it and no signal of the program's reaches it.

use crate::cache::{Cache, Lock};
use crate::commandline;
use crate::inputs::Record;
use crate::key::Digest;
use crate::runtime::Runtime;
use crate::settings::Environment;
use glowplug_linux::detach;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::MemfdFlags;
use rustix::io::FdFlags;
use rustix::process::{Pid, PidfdFlags, Resource};
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Room for the record of a start, bytes.
const RECORD_LEN: u64 = 4 << 20;

/// How long a file must be allowed to be for a freezer to have a chance: as long as its own record, bytes. Images are seldom shorter.
const FILE_ROOM: u64 = super::subject::RECORD_LEN;

/// How long a program is waited for; one that runs longer has done its leading imports and is frozen beside it.
const PATIENCE: Timespec = Timespec { tv_sec: 20, tv_nsec: 0 };

/// The option of `glowplug freeze` that a detached freezer is started with, and the program's process id behind it.
pub const OPTION: &str = "--detached";

/// The option of a detached freezer that makes an image anew, from what the old one says.
pub const RENEWAL: &str = "--renewal";

/// Starts a freezer for the program that this process is about to become. `arguments` are those of `glowplug run`.
///
/// Returns what the recorder needs in the program's environment. The lock is the freezer's from here on.
///
/// # Errors
/// Where no process or memory can be had; the program starts all the same.
pub fn spawn(
    arguments: &[&CStr],
    environment: &Environment,
    runtime: &Runtime,
    lock: Lock,
) -> io::Result<Vec<CString>> {
    require_room()?;
    let record = rustix::fs::memfd_create("glowplug-record", MemfdFlags::CLOEXEC)?;
    rustix::fs::ftruncate(&record, RECORD_LEN)?;
    start(arguments, environment, &[], &[lock.as_file(), record.as_fd()])?;
    lock.leave();
    recorder_variables(environment, runtime, record)
}

/// Starts a freezer that makes the image anew from which this process is about to be thawed. `arguments` and `lock` as for [`spawn`].
///
/// # Errors
/// Where no process can be had.
pub fn renew(arguments: &[&CStr], environment: &Environment, lock: Lock) -> io::Result<()> {
    require_room()?;
    start(arguments, environment, &[&CString::new(RENEWAL)?], &[lock.as_file()])?;
    lock.leave();
    Ok(())
}

/// Fails where files may not become long enough for a freezer to have a chance.
fn require_room() -> io::Result<()> {
    let limit = rustix::process::getrlimit(Resource::Fsize).current;
    if limit.is_some_and(|limit| limit < FILE_ROOM) {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(())
}

fn start(
    arguments: &[&CStr],
    environment: &Environment,
    options: &[&CStr],
    handed: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let process = CString::new(std::process::id().to_string())?;
    let option = CString::new(OPTION)?;
    let mut argv = vec![c"glowplug", c"freeze", &option, &process];
    argv.extend_from_slice(options);
    argv.push(c"--");
    argv.extend_from_slice(without_program_arguments(arguments));
    let priority = detach::Priority::Lowest;
    detach::spawn(c"/proc/self/exe", &argv, environment.strings(), handed, priority)
}

/// The arguments up to the program's name: what is behind it is the program's business, and would show longer than the program lives.
pub fn without_program_arguments<'a, 's>(arguments: &'s [&'a CStr]) -> &'s [&'a CStr] {
    let behind = commandline::parse(arguments)
        .map_or(0, |command| command.python_argv.len().saturating_sub(command.target_index));
    &arguments[..arguments.len() - behind]
}

/// The variables that put the recorder in front of libc and tell it where to write; the recorder takes them out again.
fn recorder_variables(
    environment: &Environment,
    runtime: &Runtime,
    record: OwnedFd,
) -> io::Result<Vec<CString>> {
    rustix::io::fcntl_setfd(&record, FdFlags::empty())?;
    let number = record.as_raw_fd();
    // The program inherits it, and the recorder closes it.
    std::mem::forget(record);
    let mut variables = runtime.preload(environment)?;
    variables.push(CString::new(format!("GLOWPLUG_RECORD={number},light"))?);
    Ok(variables)
}

/// What a detached freezer was handed.
pub struct Handed {
    lock: Option<OwnedFd>,
    record: Option<File>,
}

impl Handed {
    /// Takes over what [`spawn`] handed. To be called once, first thing in the detached process.
    pub fn take() -> Option<Handed> {
        let mut files = detach::handed(2).into_iter();
        Some(Handed { lock: Some(files.next()?.into()), record: files.next() })
    }

    /// The lock of the key, to be held until the freezer ends.
    pub fn lock(&mut self, cache: &Cache, key: &Digest) -> Option<Lock> {
        self.lock.take().map(|file| cache.adopt_lock(key, file))
    }

    /// Waits for the program's end, and reads the record, if one was made.
    pub fn record(&mut self, program: u32) -> Option<Record> {
        wait_for(program);
        Record::read(self.record.as_ref()?, RECORD_LEN).ok()
    }
}

/// Waits until a process has ended, or long enough.
fn wait_for(program: u32) {
    let Some(pid) = i32::try_from(program).ok().and_then(Pid::from_raw) else { return };
    // Where it has ended already, or the kernel has no such descriptors, there is nothing to wait for.
    let Ok(process) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else { return };
    let mut wait = [PollFd::new(&process, PollFlags::IN)];
    let _ = rustix::event::poll(&mut wait, Some(&PATIENCE));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freezer_is_told_the_program_but_not_its_arguments() {
        let cut = without_program_arguments;
        assert_eq!(
            cut(&[c"--explain", c"-O", c"a.py", c"--token", c"x"]),
            [c"--explain", c"-O", c"a.py"]
        );
        assert_eq!(cut(&[c"-m", c"mod", c"-x"]), [c"-m", c"mod"]);
        assert_eq!(cut(&[c"-Bcpass", c"y"]), [c"-Bcpass"]);
        assert_eq!(cut(&[c"-", c"y"]), [c"-"]);
        assert_eq!(cut(&[c"a.py"]), [c"a.py"]);
    }
}
