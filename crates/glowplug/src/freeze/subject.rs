//! The interpreter that is frozen: how it is started, heard and stopped.

use super::conversation::{self, Note};
use super::session::Session;
use super::{Apart, Base, Recipe, cpu, interpreter_arguments};
use crate::inputs::Record;
use crate::interpreter;
use crate::runtime::Runtime;
use glowplug_image::{Context, FORMAT_VERSION};
use glowplug_linux::Process;
use glowplug_server::client::Branch;
use rustix::fs::MemfdFlags;
use rustix::io::FdFlags;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

/// Room for what a freezer's interpreter does with files, bytes.
pub(super) const RECORD_LEN: u64 = 64 << 20;

/// What an interpreter looks for beside what every pass needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Nothing.
    Lightly,
    /// Which module maps shared memory, which takes long.
    Closely,
    /// Which line of the application does what; such an interpreter is of no other use.
    ByLine,
}

/// A preloading interpreter, and after [`Subject::let_stand_still`] its forked child that stands still. Both end with this value, and so
/// does whatever else they have started.
pub struct Subject {
    session: Session,
    socket: UnixStream,
    /// Inode of the interpreter's end of the socket.
    peer: u64,
    record: File,
    output: File,
    still: Option<Still>,
}

/// A template.
#[derive(Debug)]
pub struct Serving {
    /// The process.
    pub pid: u32,
    /// The descriptor that it has opened for itself; 0 for none.
    pub held: u32,
    /// The way to it, on which it is spoken to as `glowplug-wire` says.
    pub socket: UnixStream,
}

/// A process that stands still.
#[derive(Clone, Copy, Debug)]
pub struct Still {
    /// The process.
    pub process: Process,
    /// Address of its `glowplug_image::Context`.
    pub context: u64,
}

impl Subject {
    /// Has an interpreter forked from a template where there is one, or else starts it, and gives it its job.
    pub fn begin(
        recipe: &Recipe,
        base: Option<&Base>,
        runtime: &Runtime,
        variables: &[(OsString, OsString)],
        (apart, look): (&Apart, Look),
    ) -> io::Result<Subject> {
        match base {
            None => Subject::start(recipe, runtime, variables, apart, look),
            Some(base) => Subject::fork(recipe, base, variables, apart, look),
        }
    }

    /// Has an interpreter forked from a template, and gives it its job.
    fn fork(
        recipe: &Recipe,
        base: &Base,
        variables: &[(OsString, OsString)],
        apart: &Apart,
        look: Look,
    ) -> io::Result<Subject> {
        let branch = base.branch().map_err(io::Error::other)?;
        let (socket, theirs) = UnixStream::pair()?;
        let record = memory_file("glowplug-record", RECORD_LEN)?;
        let output = memory_file("glowplug-output", 0)?;
        branch.begin(theirs.as_fd(), record.as_fd(), output.as_fd())?;
        let peer = rustix::fs::fstat(&theirs)?.st_ino;
        let session = Session::Forked(branch);
        let (record, output) = (record.into(), output.into());
        let mut subject = Subject { session, socket, peer, record, output, still: None };
        let entries: Vec<Vec<u8>> = variables
            .iter()
            .map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat())
            .collect();
        let mut job = job(recipe, apart, look);
        job.extend(entries.iter().map(|entry| ("variable", entry.as_slice())));
        conversation::send(&mut subject.socket, &job)?;
        Ok(subject)
    }

    /// The process that another server has forked for this, where one has.
    pub fn branch(&mut self) -> Option<&mut Branch> {
        match &mut self.session {
            Session::Started { .. } => None,
            Session::Forked(branch) => Some(branch),
        }
    }

    /// Starts the interpreter and gives it its job.
    pub fn start(
        recipe: &Recipe,
        runtime: &Runtime,
        variables: &[(OsString, OsString)],
        apart: &Apart,
        look: Look,
    ) -> io::Result<Subject> {
        let (ours, theirs) = UnixStream::pair()?;
        let record = memory_file("glowplug-record", RECORD_LEN)?;
        let output = File::from(memory_file("glowplug-output", 0)?);
        // Nothing else in this process starts programs, so that nobody else inherits the two.
        glowplug_linux::descriptors::hand_on_none();
        rustix::io::fcntl_setfd(&theirs, FdFlags::empty())?;
        rustix::io::fcntl_setfd(&record, FdFlags::empty())?;
        let mut command = interpreter::command(&recipe.interpreter);
        command
            .args(interpreter_arguments(recipe))
            .env_clear()
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .envs(cpu::limits(recipe.cpu))
            .env("LD_PRELOAD", runtime.recorder())
            .env("GLOWPLUG_RECORD", format!("{},full", record.as_raw_fd()))
            .env("GLOWPLUG_MAIN", runtime.extension(recipe.version.1))
            .env("GLOWPLUG_JOB", theirs.as_raw_fd().to_string())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output.try_clone()?);
        let session = Session::start(command)?;
        let peer = rustix::fs::fstat(&theirs)?.st_ino;
        drop(theirs);
        let (socket, record) = (ours, record.into());
        let mut subject = Subject { session, socket, peer, record, output, still: None };
        conversation::send(&mut subject.socket, &job(recipe, apart, look))?;
        Ok(subject)
    }

    /// Waits until the imports are done, and says what the interpreter told.
    pub fn hear(&mut self) -> io::Result<Vec<Note>> {
        conversation::receive(&mut self.socket).map_err(|error| self.with_output(error))
    }

    /// What the recorder noted.
    pub fn record(&mut self) -> io::Result<Record> {
        Record::read(&self.record, RECORD_LEN)
    }

    /// What the imports printed.
    pub fn output(&self) -> io::Result<Vec<u8>> {
        let mut output = &self.output;
        let mut bytes = Vec::new();
        output.rewind()?;
        output.take(64 << 10).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Lets the interpreter fork; its child stands still from here on.
    pub fn let_stand_still(&mut self) -> io::Result<()> {
        self.socket.write_all(b"g")?;
        let notes = self.hear()?;
        let number = |bytes: &[u8]| std::str::from_utf8(bytes).ok()?.parse::<u64>().ok();
        let still = notes.iter().find(|note| note.kind == "still").and_then(|note| {
            let pid = u32::try_from(number(&note.b)?).ok()?;
            Some(Still { process: Process::new(pid), context: number(&note.a)? })
        });
        let ours = [u64::from(FORMAT_VERSION), size_of::<Context>() as u64].map(Some);
        let format = notes.iter().find(|note| note.kind == "format");
        if format.map(|note| [number(&note.a), number(&note.b)]) != Some(ours) {
            return Err(io::Error::other(
                "the extension is of another build; install Glowplug again",
            ));
        }
        // Sending the note was the last thing that it did to its memory.
        self.still = Some(still.ok_or(io::ErrorKind::InvalidData)?);
        Ok(())
    }

    /// Lets the interpreter fork; its child lives on as a template, and the interpreter itself ends.
    pub fn let_serve(&mut self) -> io::Result<Serving> {
        self.socket.write_all(b"s")?;
        let notes = self.hear()?;
        let number = |bytes: &[u8]| std::str::from_utf8(bytes).ok()?.parse::<u32>().ok();
        let told = notes.iter().find(|note| note.kind == "template");
        let told = told.and_then(|note| Some((number(&note.a)?, number(&note.b)?)));
        let (pid, held) = told.ok_or_else(|| {
            io::Error::other("the extension is of another build; install Glowplug again")
        })?;
        self.session.wait()?;
        Ok(Serving { pid, held, socket: self.socket.try_clone()? })
    }

    /// Inode of the interpreter's end of the socket.
    pub fn peer(&self) -> u64 {
        self.peer
    }

    /// The interpreter that preloaded.
    pub fn process(&self) -> Process {
        Process::new(self.session.leader())
    }

    /// Processes that the imports have started and that outlived their parents.
    pub fn orphans(&self) -> io::Result<Vec<u32>> {
        self.session.orphans()
    }

    /// The process that stands still.
    pub fn still(&self) -> io::Result<Still> {
        self.still.ok_or_else(|| io::Error::other("the interpreter does not stand still"))
    }

    fn with_output(&self, error: io::Error) -> io::Error {
        let output = self.output().unwrap_or_default();
        let output = String::from_utf8_lossy(&output);
        // A panic, as for want of memory, ends with a note on how to see more of it.
        let mut lines = output.lines().rev();
        let last = lines.find(|line| !line.is_empty() && !line.starts_with("note: "));
        let last = last.unwrap_or("it ended without a word");
        io::Error::new(error.kind(), last.to_owned())
    }
}

fn memory_file(name: &str, len: u64) -> io::Result<OwnedFd> {
    let file = rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC)?;
    rustix::fs::ftruncate(&file, len)?;
    Ok(file)
}

fn job<'a>(recipe: &'a Recipe, apart: &'a Apart, look: Look) -> Vec<(&'a str, &'a [u8])> {
    let mut job = Vec::new();
    match look {
        Look::Lightly => {}
        Look::Closely => job.push(("closely", &[][..])),
        Look::ByLine => job.push(("lines", &[][..])),
    }
    if let Some(level) = recipe.cpu {
        job.push(("cpu", level.name().as_bytes()));
    }
    if recipe.stays_in_memory {
        job.push(("template", &[][..]));
    }
    if recipe.settings_apart {
        job.push(("settings", &[][..]));
    }
    job.extend(apart.names().map(|name| ("apart", name.as_bytes())));
    if apart.is_blocking() {
        job.push(("blocking", &[][..]));
    }
    if let Some(roots) = apart.roots() {
        job.extend(roots.iter().map(|name| ("preload", name.as_bytes())));
    }
    let named = if apart.roots().is_some() { &[][..] } else { &recipe.preload };
    for preload in named {
        job.push(("preload", preload.module.as_bytes()));
        if preload.optional {
            job.push(("optional", preload.module.as_bytes()));
        }
    }
    if let Some(path0) = &recipe.path0 {
        job.push(("path0", path0.as_os_str().as_bytes()));
    }
    if let Some((program, _)) = &recipe.program {
        job.push(("file", program.as_os_str().as_bytes()));
    }
    job
}
