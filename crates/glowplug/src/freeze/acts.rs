//! What imports do that a thawed start would not do again, and whose doing it is.

use super::apart::Apart;
use super::examine;
use super::report::Report;
use super::reviewed::{self, Answer, Moment};
use crate::commandline::holds;
use crate::inputs::{self, Deed, Op, Record};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Something that the import of a module does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// The module; empty where it belongs to none.
    pub module: String,
    /// What it does.
    pub cause: Cause,
}

/// Why a module is imported at each start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It writes to standard output or error.
    Prints,
    /// It writes, makes or removes a file.
    Writes(PathBuf),
    /// It starts a process.
    Starts(String),
    /// It opens a device, or a file about another process.
    Opens(PathBuf),
    /// It sends a signal, by its number.
    Signals(String),
    /// It connects to something.
    Connects(String),
    /// It leaves something behind that no image can hold.
    Leaves(&'static str),
    /// It changes something of the process that a thaw does not carry over.
    Changes(&'static str),
    /// It takes the environment as a whole.
    Environment,
    /// It reads variables, and is a module of the application whose settings are known at each start alone.
    Variable(String),
    /// It asks for something that is another thing at each start.
    Moment(Moment),
    /// It reads a file; told of an application's line alone.
    Reads(PathBuf),
    /// It cannot be imported before the program has done something else.
    Fails,
    /// It keeps something of its moment where Glowplug does not know it to.
    Keeps,
    /// It imports a module that is kept apart.
    Needs(String),
    /// An earlier freeze has found out.
    Known(String),
    /// It was asked for.
    LeftOut,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Prints => f.write_str("prints"),
            Cause::Writes(path) => write!(f, "writes {}", path.display()),
            Cause::Starts(program) => write!(f, "starts a process ({program})"),
            Cause::Opens(path) => write!(f, "opens {}", path.display()),
            Cause::Signals(number) => write!(f, "sends signal {number}"),
            Cause::Connects(where_to) => write!(f, "connects ({where_to})"),
            Cause::Leaves(what) => write!(f, "leaves {what}"),
            Cause::Changes(what) => write!(f, "changes {what}"),
            Cause::Environment => f.write_str("reads the whole environment"),
            Cause::Variable(name) => write!(f, "reads the environment variable {name}"),
            Cause::Moment(moment) => write!(f, "uses {moment}"),
            Cause::Reads(path) => write!(f, "reads {}", path.display()),
            Cause::Fails => f.write_str("needs something that the program does before"),
            Cause::Keeps => f.write_str("keeps something of the moment in a way of its own"),
            Cause::Needs(module) => write!(f, "imports {module}"),
            Cause::Known(cause) => f.write_str(cause),
            Cause::LeftOut => f.write_str("does what every start has to do (`--leave-out`)"),
        }
    }
}

/// All acts of a pass that began at `started`; those that the reviewed table answers are left out.
///
/// `left` are the kinds of what was left behind: what was there for a while only, or may vanish, was not. `program` is what the imports
/// find among the program's arguments of the program itself.
pub fn of_pass(
    report: &Report,
    record: &Record,
    started: SystemTime,
    left: &[&'static str],
    program: &[u8],
) -> Vec<Act> {
    let told = report.acts.iter().filter_map(|(module, kind)| {
        if examine::LEFTOVERS.contains(&kind.as_str()) && !left.contains(&kind.as_str()) {
            return None;
        }
        let cause = match kind.as_str() {
            "prints" => Cause::Prints,
            "thread" => Cause::Leaves("a thread"),
            "descriptor" => Cause::Leaves("an open descriptor"),
            "child" => Cause::Leaves("a child process"),
            "shared" => Cause::Leaves("shared, writable memory"),
            "folder" => Cause::Changes("the working directory"),
            "process" => Cause::Changes("limits, timers, masks or the session of the process"),
            "environment" => Cause::Environment,
            "kept" => Cause::Keeps,
            "fails" => Cause::Fails,
            kind if kind.starts_with(VARIABLE) => {
                Cause::Variable(kind[VARIABLE.len()..].to_owned())
            }
            kind if kind.starts_with(READS) => Cause::Reads(kind[READS.len()..].into()),
            _ => Cause::Moment(told_moment(kind)?),
        };
        Some(Act { module: module.clone(), cause })
    });
    let seen = record.deeds.iter().filter_map(|deed| {
        let cause = cause(deed, record, started)?;
        // A hook lets go of the connection and another takes it up again; that it is closed shows by the descriptors.
        let is_let_go = matches!(cause, Cause::Connects(_)) && report.hooked.contains(&deed.module);
        (!is_let_go).then(|| Act { module: deed.module.clone(), cause })
    });
    // Who looks at the mask must find what it was in the program's order.
    let is_looked_at = record.deeds.iter().any(|deed| is_umask(deed) && deed.module != inputs::OWN);
    let masks = report.umasks.iter().filter(|_| is_looked_at);
    let masks = masks.map(|module| Act { module: module.clone(), cause: Cause::Changes(MASK) });
    told.chain(seen).chain(masks).filter(|act| !is_answered(act, program)).collect()
}

/// Takes out that modules ask what the standard streams are; whether one does. For services: where they are frozen no stream is a
/// terminal, and where one is they start plainly.
pub fn take_terminals(acts: &mut Vec<Act>) -> bool {
    let all = acts.len();
    acts.retain(|act| act.cause != Cause::Moment(Moment::Terminal));
    acts.len() < all
}

/// What the preloaded modules looked for in the program's arguments.
pub fn words(report: &Report) -> impl Iterator<Item = &'static [u8]> {
    let looked = report.acts.iter().filter(|(_, kind)| kind == "arguments");
    let words = looked.filter_map(|(module, _)| reviewed::words(module)).flatten();
    words.map(|word| word.as_bytes())
}

/// Why there can be no image: something was done that belongs to no module, so that nothing can be kept apart for it; or by one that
/// is not.
pub fn refusal(acts: &[Act], report: &Report, apart: &Apart) -> Option<String> {
    let folder = std::env::current_dir().unwrap_or_default();
    if report.folder.as_ref().is_some_and(|before| *before != folder) {
        return Some(format!("{START} changes the working directory"));
    }
    let act = acts.iter().find(|act| !apart.has(&act.module))?;
    let who = match act.module.as_str() {
        "" => "an import".to_owned(),
        inputs::STARTING => START.to_owned(),
        module => format!("module `{module}`"),
    };
    Some(format!("{who} {}", act.cause))
}

/// What runs before the imports.
const START: &str = "the start of the interpreter (site, sitecustomize, .pth files)";

/// What the kind of an act begins with that reads a variable.
const VARIABLE: &str = "variable ";

/// What the kind of an act begins with that reads a file.
const READS: &str = "reads ";

const MASK: &str = "the file mode mask";

fn is_umask(deed: &Deed) -> bool {
    deed.op == b'T' && deed.name == "umask"
}

/// What is worth telling people about the modules that were preloaded.
pub fn notes(report: &Report, record: &Record) -> Vec<String> {
    let told = report.acts.iter().filter_map(|(module, kind)| Some((module, told_moment(kind)?)));
    let seen = record.deeds.iter().filter_map(|deed| Some((&deed.module, moment(deed)?)));
    let moments = told.chain(seen).filter_map(|(module, moment)| {
        let answer = reviewed::answer(module, moment)?;
        Some(format!("module `{module}` uses {moment}: {answer}"))
    });
    let mut notes: Vec<String> = moments.collect();
    notes.sort();
    notes.dedup();
    notes
}

fn is_answered(act: &Act, program: &[u8]) -> bool {
    let Cause::Moment(moment) = act.cause else { return false };
    match reviewed::answer(&act.module, moment) {
        None | Some(Answer::KeptApart) => false,
        Some(Answer::Words) => reviewed::words(&act.module)
            .is_some_and(|words| !words.iter().any(|word| holds(program, word.as_bytes()))),
        Some(Answer::Renewed | Answer::NotKept | Answer::Immaterial) => true,
    }
}

/// What the interpreter's reports call what only it sees.
fn told_moment(kind: &str) -> Option<Moment> {
    Some(match kind {
        "random" => Moment::Shared,
        "time" => Moment::Time,
        "pid" => Moment::Pid,
        "host" => Moment::Host,
        "arguments" => Moment::Arguments,
        _ => return None,
    })
}

fn moment(deed: &Deed) -> Option<Moment> {
    let name = deed.name.to_str()?;
    match deed.op {
        b'T' => Moment::from_name(name),
        b'O' | b'D' | b'L' => {
            TELLING.iter().find(|(path, _)| *path == name).map(|(_, moment)| *moment)
        }
        _ => None,
    }
}

/// Whether every interpreter asks for it when it starts: it tries its clocks, draws its hash seed and opens its streams.
fn is_own(deed: &Deed, moment: Moment) -> bool {
    deed.module == inputs::STARTING
        && matches!(moment, Moment::Time | Moment::Entropy | Moment::Terminal)
}

/// Files and links that tell what is another thing at each start.
const TELLING: [(&str, Moment); 10] = [
    ("/dev/hwrng", Moment::Entropy),
    ("/dev/random", Moment::Entropy),
    ("/dev/urandom", Moment::Entropy),
    ("/proc/loadavg", Moment::Time),
    ("/proc/self", Moment::Pid),
    ("/proc/stat", Moment::Time),
    ("/proc/sys/kernel/hostname", Moment::Host),
    ("/proc/sys/kernel/random/uuid", Moment::Entropy),
    ("/proc/thread-self", Moment::Pid),
    ("/proc/uptime", Moment::Time),
];

fn cause(deed: &Deed, record: &Record, started: SystemTime) -> Option<Cause> {
    if deed.module == inputs::OWN {
        return None;
    }
    let path = Path::new(&deed.name);
    match deed.op {
        b'O' | b'W' | b'D' if inputs::is_unrepeatable(path, record.pid) => {
            Some(Cause::Opens(path.to_owned()))
        }
        b'W' if is_bytecode_of_start(deed, path) => None,
        b'W' | b'B' => was_written(path, record, started).then(|| Cause::Writes(path.to_owned())),
        b'X' => {
            let name = Path::new(&deed.name).file_name()?.to_string_lossy().into_owned();
            (!only_answers(&name, deed, record)).then_some(Cause::Starts(name))
        }
        b'C' => Some(Cause::Connects(deed.name.to_string_lossy().into_owned())),
        b'K' => Some(Cause::Signals(deed.name.to_string_lossy().into_owned())),
        b'T' if is_umask(deed) => Some(Cause::Changes(MASK)),
        _ => moment(deed).filter(|moment| !is_own(deed, *moment)).map(Cause::Moment),
    }
}

/// Programs that answer from the dynamic loader's cache, which is an input, or from what the kernel is.
const ANSWERING: [&str; 2] = ["ldconfig", "uname"];

/// What `ctypes.util.find_library` asks after `ldconfig`. What they make they remove.
const ANSWERING_AFTER_LDCONFIG: [&str; 5] = ["gcc", "cc", "ld", "objdump", "dash"];

/// Whether a program is only asked for something that does not change while the inputs are the same.
fn only_answers(name: &str, deed: &Deed, record: &Record) -> bool {
    let asked = |deed: &Deed, name: &str| {
        deed.op == b'X' && Path::new(&deed.name).file_name().is_some_and(|file| file == name)
    };
    let after_ldconfig = || {
        record
            .deeds
            .iter()
            .take_while(|other| *other != deed)
            .any(|other| other.module == deed.module && asked(other, "ldconfig"))
    };
    ANSWERING.contains(&name) || (ANSWERING_AFTER_LDCONFIG.contains(&name) && after_ldconfig())
}

/// Whether a path that was opened for writing, made, renamed or removed is another one now. What was made and removed again is as
/// it was.
fn was_written(path: &Path, record: &Record, started: SystemTime) -> bool {
    if !path.is_absolute() || is_pseudo(path) || is_bytecode_folder(path) {
        return false;
    }
    match std::fs::symlink_metadata(path) {
        Ok(status) => changed_since(&status, started),
        Err(_) => record
            .paths
            .get(path)
            .is_some_and(|seen| matches!(seen.first(), Op::Read | Op::Stat | Op::List)),
    }
}

fn changed_since(status: &std::fs::Metadata, started: SystemTime) -> bool {
    use std::os::unix::fs::MetadataExt;
    let started = started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let granularity = std::time::Duration::from_millis(10);
    let cutoff = started.saturating_sub(granularity).as_nanos();
    let since = |seconds: i64, nanoseconds: i64| {
        let seconds = u128::try_from(seconds).unwrap_or(0);
        seconds * 1_000_000_000 + u128::try_from(nanoseconds).unwrap_or(0) >= cutoff
    };
    since(status.mtime(), status.mtime_nsec()) || since(status.ctime(), status.ctime_nsec())
}

/// Ordinary files lie in `/dev/shm`.
fn is_pseudo(path: &Path) -> bool {
    ["/dev", "/proc", "/sys"].iter().any(|top| path.starts_with(top))
        && !path.starts_with("/dev/shm")
}

/// Bytecode that Python writes before it is kept from doing so: the import system's own doing.
fn is_bytecode_of_start(deed: &Deed, path: &Path) -> bool {
    deed.module == inputs::STARTING && path.parent().is_some_and(is_bytecode_folder)
}

/// Python makes it for the bytecode that it writes down.
fn is_bytecode_folder(path: &Path) -> bool {
    path.as_os_str().as_bytes().ends_with(b"/__pycache__")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deed(op: u8, name: &str) -> Deed {
        Deed { module: "m".to_owned(), op, name: name.into() }
    }

    fn causes(deeds: &[Deed]) -> Vec<String> {
        let record = Record { deeds: deeds.to_vec(), ..Record::default() };
        let acts = of_pass(&Report::default(), &record, SystemTime::now(), &[], b"");
        acts.into_iter().map(|act| act.cause.to_string()).collect()
    }

    #[test]
    fn programs_that_only_answer_are_no_acts() {
        assert!(causes(&[deed(b'X', "/sbin/ldconfig"), deed(b'X', "/usr/bin/gcc")]).is_empty());
        assert_eq!(causes(&[deed(b'X', "/usr/bin/gcc")]), ["starts a process (gcc)"]);
        assert_eq!(causes(&[deed(b'X', "fork")]), ["starts a process (fork)"]);
    }

    #[test]
    fn only_what_is_another_thing_now_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made");
        std::fs::write(&path, "").unwrap();
        let made = path.to_str().unwrap();
        assert_eq!(causes(&[deed(b'W', made)]), [format!("writes {made}")]);
        assert!(causes(&[deed(b'W', "/dev/null")]).is_empty());
        assert!(causes(&[deed(b'W', "/nowhere/made/and/removed")]).is_empty());
    }
}
