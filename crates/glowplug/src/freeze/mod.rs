//! Makes images: starts the interpreter, lets it import, looks at it from outside while it stands still, and writes it down.
//!
//! ```text
//! subject    the interpreter that is frozen: its start, and the conversation with it
//! session    a process in a session of its own, which ends with all that it has started
//! report     what it says that the imports did
//! acts       what the imports did that a thaw would not do again
//! lines      lines of a service's own code that keep it out of its image
//! base       a template that another is forked from
//! apart      modules that are imported at each start for that
//! reviewed   the table of what is kept of the moment of an import
//! cpu        limits to a level of the CPU's features
//! examine    what it has that no image can hold: threads, descriptors, children, shared memory
//! regions    which memory goes into the image
//! write      the image file
//! rehearse   thaws it once, and learns which pages a start touches
//! unfinished a file that has no name until it is whole
//! template   the interpreter lives on, and programs are forked from it
//! detached   the freezer that runs behind a recorded start
//! trial      a service up to its first socket, to learn what it imports
//! companions what packages import when they are first used, behind that socket
//! ```

mod acts;
mod apart;
mod base;
pub mod companions;
mod conversation;
pub mod cpu;
pub mod detached;
mod examine;
mod lines;
pub mod plan;
pub mod publish;
mod regions;
mod rehearse;
mod report;
pub mod reviewed;
mod session;
mod subject;
pub mod template;
pub mod trial;
mod unfinished;
mod variables;
mod vdso;
mod write;

pub use apart::{Apart, KeptApart};
pub use base::Base;
pub use lines::Lines;
pub use variables::Needed;
use variables::Secret;

use crate::inputs::{self, InputError, Observed, Tables};
use crate::key::{self, Digest};
use crate::runtime::Runtime;
use crate::settings::Environment;
use glowplug_image::cpu::Level;
use rehearse::{Rehearsal, Touched};
use report::Report;
use std::ffi::{CString, OsString};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use subject::{Look, Subject};

/// Most passes until the variables that imports read are known: each pass may reveal some, whose values let others be read.
const MAX_PASSES: usize = 24;

/// What to freeze.
#[derive(Debug)]
pub struct Recipe {
    /// The interpreter as it is invoked, absolute.
    pub interpreter: PathBuf,
    /// Its options, as the start gives them.
    pub options: Vec<CString>,
    /// Modules to import, in order.
    pub preload: Vec<Preload>,
    /// Modules that are known to be imported at each start, and what is preloaded then.
    pub apart: Vec<KeptApart>,
    /// With these, what is imported in place of `preload`.
    pub roots: Vec<String>,
    /// What the program has as `sys.path[0]`; `None` where the image serves any program.
    pub path0: Option<PathBuf>,
    /// The program's file and how many of its first bytes count.
    pub program: Option<(PathBuf, u64)>,
    /// More files that count: the interpreter itself, `pyvenv.cfg`.
    pub extra_files: Vec<PathBuf>,
    /// The key of the image.
    pub key: Digest,
    /// Variables that count whatever the imports read.
    pub variables: Needed,
    /// Whether modules of the application's own that read variables are imported at each start: what a service is told in variables is
    /// known where it runs, not where it is frozen.
    pub settings_apart: bool,
    /// Python's arguments for a service that may be run up to its first socket.
    pub service: Option<Vec<CString>>,
    /// Modules that are imported at each start because somebody wants it so.
    pub left_out: Vec<String>,
    /// Variables and files that may be in the image although they look like credentials.
    pub allowed_secrets: Vec<String>,
    /// Whether a file whose stamp differs may be told by its size, its time and its contents: layered file systems give files other inode
    /// numbers, and truncate times.
    pub tells_by_contents: bool,
    /// It is for a template: what it reads stays in its memory, where a program would have it as well, and credentials may be there.
    pub stays_in_memory: bool,
    /// The level of CPUs that the image is to run on; `None` for this CPU alone.
    pub cpu: Option<Level>,
    /// What the image is for, for people.
    pub target: String,
    /// The interpreter's version, for people and for the choice of the extension.
    pub version: (u8, u8, u8),
}

/// A module to import before the process stands still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preload {
    /// Dotted name.
    pub module: String,
    /// An `ImportError` is the program's own business.
    pub optional: bool,
}

/// Why no image was made.
#[derive(Debug, thiserror::Error)]
pub enum FreezeError {
    /// The program must not be frozen; the reason names what and why. Its inputs say until when that holds.
    #[error("{}", .0.reason)]
    Refused(Box<Refusal>),
    /// A service does something while it is imported that nobody can decide about for it.
    #[error("{0}")]
    Undecided(Lines),
    /// Something is of the moment: the next freeze may succeed.
    #[error("{0}")]
    Passing(String),
    /// The interpreter could not be started or spoken to.
    #[error("cannot freeze with {}: {source}", interpreter.display())]
    Interpreter {
        /// The interpreter.
        interpreter: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// The image could not be written.
    #[error("cannot write the image: {0}")]
    Write(#[from] io::Error),
    /// The image did not thaw on the machine that made it.
    #[error("the new image does not thaw: {0}")]
    Rehearsal(String),
}

/// A program that must not be frozen.
#[derive(Debug)]
pub struct Refusal {
    /// Why, in words.
    pub reason: String,
    /// What must change before it is tried again.
    pub inputs: Tables,
    /// Variables whose values matter.
    pub names: Needed,
}

/// A process that stands still, with all that is known about it.
pub struct Frozen {
    subject: Subject,
    report: Report,
    tables: Tables,
    names: Needed,
    /// Of the values that the variables of these names had.
    values: Digest,
    apart: Apart,
    notes: Vec<String>,
    regions: Vec<regions::Piece>,
    context: glowplug_image::Context,
}

/// An interpreter that has preloaded, with all that is known about it, and that waits to hear what becomes of it.
struct Preloaded {
    subject: Subject,
    report: Report,
    tables: Tables,
    names: Needed,
    apart: Apart,
    notes: Vec<String>,
}

/// Starts the interpreter, imports, and brings the process to a standstill.
///
/// # Errors
/// See [`FreezeError`].
pub fn freeze(
    recipe: &Recipe,
    runtime: &Runtime,
    environment: &Environment,
) -> Result<Frozen, FreezeError> {
    let broken =
        |source| FreezeError::Interpreter { interpreter: recipe.interpreter.clone(), source };
    let Preloaded { mut subject, report, tables, names, apart, notes } =
        preload(recipe, None, runtime, environment)?;
    subject.let_stand_still().map_err(broken)?;
    let (regions, context) = regions::survey(&subject).map_err(|error| match error {
        regions::SurveyError::Refused(reason) => FreezeError::Refused(Box::new(Refusal {
            reason,
            inputs: tables.clone(),
            names: names.clone(),
        })),
        regions::SurveyError::Io(source) => broken(source),
    })?;
    let values = key::of_values(names.names(), environment);
    Ok(Frozen { subject, report, tables, names, values, apart, notes, regions, context })
}

/// Starts the interpreter, or forks it from a template, and imports what is to be preloaded.
fn preload(
    recipe: &Recipe,
    base: Option<&Base>,
    runtime: &Runtime,
    environment: &Environment,
) -> Result<Preloaded, FreezeError> {
    let broken =
        |source| FreezeError::Interpreter { interpreter: recipe.interpreter.clone(), source };
    let mut names = recipe.variables.clone();
    if let Some(base) = base {
        names.add_all(base.names());
    }
    let mut apart = if recipe.left_out.is_empty() {
        Apart::known(&recipe.apart, recipe.roots.clone())
    } else {
        Apart::left_out(&recipe.left_out)
    };
    // Those that settings read are in no process that is kept.
    let mut read_by_any = names.clone();
    let mut look = Look::Lightly;
    for _ in 0..MAX_PASSES {
        let started = SystemTime::now();
        // What settings need to be read at all is in no process that is kept.
        let trusted = recipe.settings_apart && apart.is_looking();
        let variables = names.select(recipe, environment, trusted);
        let mut subject =
            Subject::begin(recipe, base, runtime, &variables, (&apart, look)).map_err(broken)?;
        let mut report = Report::parse(&subject.hear().map_err(broken)?);
        let mut record = subject.record().map_err(broken)?;
        let withheld = names.learn(recipe, &report, &record, environment);
        read_by_any.add_all(&names);
        let secret = if trusted { None } else { names.secret(recipe, environment) };
        let secret = secret.or_else(|| variables::secret_file(recipe, &record));
        if withheld && secret.is_none() {
            continue;
        }
        let looks_lightly = look == Look::Lightly;
        if secret.is_none()
            && looks_lightly
            && examine::maps_shared_memory(&subject).map_err(broken)?
        {
            // Finding out by which module would slow down every freeze, so that another pass is made for it.
            look = Look::Closely;
            continue;
        }
        let mut acts = {
            let left = examine::leftovers(&subject).map_err(broken)?;
            acts::of_pass(&report, &record, started, &left, recipe.program_argument())
        };
        let asks_for_terminals = recipe.settings_apart && acts::take_terminals(&mut acts);
        if report.refused.is_empty() && apart.learn(&acts, &report, &record) {
            if recipe.settings_apart && !apart.is_looking() {
                names = recipe.variables.clone();
            }
            continue;
        }
        let secret = secret.or_else(|| names.secret(recipe, environment));
        if recipe.settings_apart {
            let read = secret.as_ref().map(Secret::cause);
            let lines = lines::find(recipe, runtime, (environment, &read_by_any), &apart, read);
            if let Some(lines) = lines.map_err(broken)? {
                return Err(FreezeError::Undecided(lines));
            }
        }
        let mut notes = acts::notes(&report, &record);
        notes.extend(cpu::notes(recipe.cpu, &report.modules));
        names.add_words(acts::words(&report));
        if asks_for_terminals {
            names.add(key::TERMINALS);
        }
        apart.add_reads(&mut record, &mut report);
        let observed = observe(recipe, runtime, &report, record, &subject)?;
        let (mut tables, unsound) = tables(&observed, started)?;
        // First the secret, which the imports may have failed for want of.
        let alone = || report.refusal().or_else(|| acts::refusal(&acts, &report, &apart));
        let reason = match secret.map(|secret| secret.to_string()).or_else(alone) {
            Some(reason) => Some(reason),
            None => examine::refusal(&subject, &report).map_err(broken)?.or(unsound),
        };
        if let Some(reason) = reason {
            let refusal = Refusal { reason, inputs: tables, names };
            return Err(FreezeError::Refused(Box::new(refusal)));
        }
        if recipe.tells_by_contents {
            tables.digest_contents().map_err(|error| FreezeError::Passing(error.to_string()))?;
        }
        return Ok(Preloaded { subject, report, tables, names, apart, notes });
    }
    Err(FreezeError::Passing("the imports read other variables each time".to_owned()))
}

/// The inputs, and the reason to refuse where what the imports did is no input that can be checked.
fn tables(
    observed: &Observed,
    started: SystemTime,
) -> Result<(Tables, Option<String>), FreezeError> {
    let passing = |error: InputError| FreezeError::Passing(error.to_string());
    match inputs::build(observed, started) {
        Ok(tables) => Ok((tables, None)),
        Err(error) if error.is_passing() => Err(passing(error)),
        Err(error) => {
            let tables = inputs::build_refusal(observed, started).map_err(passing)?;
            Ok((tables, Some(error.to_string())))
        }
    }
}

fn observe(
    recipe: &Recipe,
    runtime: &Runtime,
    report: &Report,
    record: inputs::Record,
    subject: &Subject,
) -> Result<Observed, FreezeError> {
    let broken =
        |source| FreezeError::Interpreter { interpreter: recipe.interpreter.clone(), source };
    let mapped = subject.process().mappings().map_err(broken)?;
    let mut mapped: Vec<PathBuf> =
        mapped.iter().filter_map(|m| m.path().map(Path::to_owned)).collect();
    mapped.dedup();
    mapped.retain(|path| !path.starts_with("/memfd:"));
    let mut extra_files = recipe.extra_files.clone();
    let own = runtime.files(recipe.version.1);
    extra_files.extend(own.iter().cloned());
    Ok(Observed {
        record,
        lookups: report.lookups.clone(),
        mapped,
        program: recipe.program.clone(),
        extra_files,
        own,
    })
}

impl Recipe {
    /// What the imports find of the program in `sys.argv`: its file, where it has one.
    fn program_argument(&self) -> &[u8] {
        use std::os::unix::ffi::OsStrExt;
        self.program.as_ref().map_or(b"", |(path, _)| path.as_os_str().as_bytes())
    }
}

impl Frozen {
    /// The variables whose values select this image.
    pub fn names(&self) -> &Needed {
        &self.names
    }

    /// Digest of their values.
    pub fn values(&self) -> &Digest {
        &self.values
    }

    /// Upper bound of the image's length, bytes.
    pub fn length(&self) -> u64 {
        write::length(self)
    }

    /// Writes the image to `file`, from its first byte; without what its rehearsal will show to be touched.
    ///
    /// # Errors
    /// Where the disk is full or the process cannot be read.
    pub fn write(&self, recipe: &Recipe, file: &File, touched: Option<&Touched>) -> io::Result<()> {
        write::image(self, recipe, file, touched)
    }

    /// Thaws an image of this process once, and tells which pages a start touches.
    ///
    /// # Errors
    /// Where it does not thaw, which means that it must not be used.
    pub fn rehearse(
        &self,
        recipe: &Recipe,
        runtime: &Runtime,
        environment: &Environment,
        image: &File,
    ) -> Result<Touched, FreezeError> {
        let variables = self.names.select(recipe, environment, false);
        let rehearsal = Rehearsal { recipe, runtime, variables: &variables, environment, image };
        rehearsal.run().map_err(FreezeError::Rehearsal)
    }
}

impl Refusal {
    /// Length of its image, bytes.
    pub fn length(&self, recipe: &Recipe) -> u64 {
        write::refusal_length(self, recipe)
    }

    /// Writes it as an image without regions.
    ///
    /// # Errors
    /// Where the disk is full.
    pub fn write(&self, recipe: &Recipe, file: &File) -> io::Result<()> {
        write::refusal(self, recipe, file)
    }
}

/// The arguments with which the frozen interpreter is started: its options and nothing to run.
fn interpreter_arguments(recipe: &Recipe) -> Vec<OsString> {
    use std::os::unix::ffi::OsStringExt;
    let options = recipe.options.iter().map(|o| OsString::from_vec(o.as_bytes().to_vec()));
    options.chain(["-c".into(), "".into()]).collect()
}
