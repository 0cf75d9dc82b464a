//! What the hooks note: names made absolute, results told apart.
//!
//! Paths are noted only after the real function has read them, so that a bad pointer has its usual
//! effect and no other. A note changes nothing that the program can see, `errno` included.
//!
//! Nothing here is inlined: with its many hooks, a small library loads faster.

use core::ffi::{CStr, c_char, c_int};
use core::sync::atomic::{AtomicU8, Ordering};

use crate::record::{Detail, FINDER_IS_LISTING, Op, Record};
use crate::syscall;

const PATH_MAX: usize = libc::PATH_MAX as usize;

/// What a call came to, as far as a record tells.
#[derive(Clone, Copy)]
pub enum Outcome {
    Success,
    NotFound,
    Exists,
    OtherFailure,
}

impl Outcome {
    /// Reads `errno` where the call failed, so this comes directly after the call.
    pub fn of(success: bool) -> Self {
        if success {
            return Self::Success;
        }
        match syscall::errno() {
            libc::ENOENT | libc::ENOTDIR => Self::NotFound,
            libc::EEXIST => Self::Exists,
            _ => Self::OtherFailure,
        }
    }
}

/// Notes a path that a call looked up: `found` where the call succeeded.
///
/// # Safety
/// `path` must be null or the path that the call has read.
#[inline(never)]
pub unsafe fn looked_up(found: Op, success: bool, directory: c_int, path: *const c_char) {
    let Some(record) = Record::of(Detail::Full) else { return };
    let op = match Outcome::of(success) {
        Outcome::Success => found,
        Outcome::NotFound => Op::NotFound,
        Outcome::Exists | Outcome::OtherFailure => return,
    };
    // SAFETY: handed on from our caller; the call succeeded or said that the path leads nowhere,
    // so it has read it.
    unsafe { path_at(&record, op, directory, path) }
}

/// Notes a path that a call created, removed or renamed. One that was there already was only
/// looked at.
///
/// # Safety
/// As for `looked_up`.
#[inline(never)]
pub unsafe fn changed(success: bool, directory: c_int, path: *const c_char) {
    let Some(record) = Record::of(Detail::Full) else { return };
    let op = match Outcome::of(success) {
        Outcome::Success => Op::Write,
        Outcome::Exists => Op::Status,
        Outcome::NotFound => Op::NotFound,
        Outcome::OtherFailure => return,
    };
    // SAFETY: as in `looked_up`.
    unsafe { path_at(&record, op, directory, path) }
}

/// What a file was opened for.
#[derive(Clone, Copy)]
pub struct Access {
    read: bool,
    write: bool,
    /// Only a place in the file system, nothing in it (`O_PATH`).
    place: bool,
}

impl Access {
    /// From the flags of `open`.
    pub fn of_flags(flags: c_int) -> Self {
        let mode = flags & libc::O_ACCMODE;
        let creates = flags & (libc::O_CREAT | libc::O_TRUNC) != 0;
        // There was nothing in it, or nothing is left: what is read there was written first.
        let empty = flags & libc::O_TRUNC != 0
            || flags & (libc::O_CREAT | libc::O_EXCL) == libc::O_CREAT | libc::O_EXCL;
        let place = flags & libc::O_PATH != 0;
        Self {
            read: mode != libc::O_WRONLY && !empty,
            write: mode != libc::O_RDONLY || creates,
            place,
        }
    }

    /// From the mode of `fopen`.
    ///
    /// # Safety
    /// `mode` must be a NUL-ended string.
    pub unsafe fn of_mode(mode: *const c_char) -> Self {
        // SAFETY: handed on from our caller.
        let mode = unsafe { CStr::from_ptr(mode) }.to_bytes();
        let reads = mode.first() == Some(&b'r');
        let updates = mode.contains(&b'+');
        Self { read: reads || updates, write: !reads || updates, place: false }
    }
}

/// Notes a file that was opened, or was not there to be opened.
///
/// # Safety
/// As for `looked_up`.
#[inline(never)]
pub unsafe fn opened(access: Access, success: bool, directory: c_int, path: *const c_char) {
    let Some(record) = Record::of(Detail::Light) else { return };
    let full = Record::of(Detail::Full).is_some();
    match Outcome::of(success) {
        Outcome::Success if full => {
            let ops = match access {
                Access { place: true, .. } => [Some(Op::Status), None],
                Access { read, write, .. } => {
                    [read.then_some(Op::Open), write.then_some(Op::Write)]
                }
            };
            for op in ops.into_iter().flatten() {
                // SAFETY: the call has read the path.
                unsafe { path_at(&record, op, directory, path) };
            }
        }
        Outcome::Success if access.read && !access.write && !access.place => {
            // SAFETY: the call has read the path.
            unsafe { code_at(&record, directory, path) }
        }
        Outcome::NotFound if full => {
            // SAFETY: the call says that the path leads nowhere, so it has read it.
            unsafe { path_at(&record, Op::NotFound, directory, path) }
        }
        _ => {}
    }
}

/// Notes a library that is about to be loaded by an absolute path. Other names are searched for by
/// the loader; the libraries that it finds are mapped, and can be seen there.
///
/// # Safety
/// `path` must be null or a NUL-ended string.
#[inline(never)]
pub unsafe fn loading(path: *const c_char) {
    let Some(record) = Record::of(Detail::Light) else { return };
    // SAFETY: handed on from our caller.
    if path.is_null() || unsafe { *path } as u8 != b'/' {
        return;
    }
    let full = Record::of(Detail::Full).is_some();
    match syscall::access(path, libc::R_OK) {
        // SAFETY: as above.
        0 if full => unsafe { path_at(&record, Op::Open, libc::AT_FDCWD, path) },
        // SAFETY: as above.
        0 => unsafe { code_at(&record, libc::AT_FDCWD, path) },
        error if full && is_not_found(error) => {
            // SAFETY: as above.
            unsafe { path_at(&record, Op::NotFound, libc::AT_FDCWD, path) }
        }
        _ => {}
    }
}

/// Notes a directory that was opened to be listed by its path.
///
/// # Safety
/// As for `looked_up`.
#[inline(never)]
pub unsafe fn listed(success: bool, directory: c_int, path: *const c_char) {
    let Some(record) = Record::of(Detail::Full) else { return };
    // SAFETY: handed on from our caller.
    unsafe { looked_up(listing(&record), success, directory, path) }
}

/// Notes a directory that is going to be listed through a descriptor.
pub fn listed_descriptor(success: bool, descriptor: c_int) {
    let Some(record) = Record::of(Detail::Full) else { return };
    if success {
        with_path_of(descriptor, |path| record.append(listing(&record), &[path]));
    }
}

/// Notes an environment variable that is asked for.
///
/// # Safety
/// `name` must be what the caller of `getenv` passed: a NUL-ended string.
#[inline(never)]
pub unsafe fn asked(name: *const c_char) {
    let Some(record) = Record::of(Detail::Full) else { return };
    if !name.is_null() {
        // SAFETY: handed on from our caller.
        record.append(Op::Environment, &[unsafe { CStr::from_ptr(name) }.to_bytes()]);
    }
}

/// Notes a thing that is known by its name.
#[inline(never)]
pub fn named(op: Op, name: &[u8]) {
    if let Some(record) = Record::of(Detail::Full) {
        record.append(op, &[name]);
    }
}

/// Notes a signal that was sent, by its number.
#[inline(never)]
pub fn signalled(signal: c_int) {
    // Their numbers have two digits at most.
    let digit = |number: c_int| b'0' + number.rem_euclid(10) as u8;
    named(Op::Signal, &[digit(signal / 10), digit(signal)]);
}

/// What changes from one moment, process or machine to the next.
#[derive(Clone, Copy)]
#[repr(u8)]
pub enum Moment {
    /// A clock.
    Time = 1,
    /// The process id.
    ProcessId = 2,
    /// The kernel's random numbers.
    Entropy = 4,
    /// The host's name.
    Host = 8,
    /// The file mode mask.
    Mask = 16,
    /// What the standard streams are: terminals or not, of which size and settings.
    Terminal = 32,
    /// Resource limits and the priority.
    Limits = 64,
}

impl Moment {
    fn name(self) -> &'static [u8] {
        match self {
            Self::Time => b"time",
            Self::ProcessId => b"pid",
            Self::Entropy => b"entropy",
            Self::Host => b"host",
            Self::Mask => b"umask",
            Self::Terminal => b"terminal",
            Self::Limits => b"limits",
        }
    }
}

/// The moments that have been noted for the module that is being imported: one entry each is enough.
static NOTED: AtomicU8 = AtomicU8::new(0);

/// Notes that something of the moment was asked for. What a library's own threads ask for at any
/// time is nothing that an import would do again.
#[inline]
pub fn momentary(what: Moment) {
    if let Some(record) = Record::of(Detail::Full) {
        momentary_in(&record, what);
    }
}

#[inline(never)]
fn momentary_in(record: &Record, what: Moment) {
    let noted = NOTED.load(Ordering::Relaxed) & what as u8 != 0;
    if !noted && syscall::thread_id() == syscall::process_id() {
        NOTED.fetch_or(what as u8, Ordering::Relaxed);
        record.append(Op::Moment, &[what.name()]);
    }
}

/// Notes which module is being imported from here on.
pub fn importing(module: &[u8]) {
    if let Some(record) = Record::of(Detail::Full) {
        NOTED.store(0, Ordering::Relaxed);
        record.append(Op::Module, &[module]);
    }
}

/// Notes a program that was started, by its path or by the name to search for.
///
/// # Safety
/// `program` must be the NUL-ended string that the call has read.
#[inline(never)]
pub unsafe fn ran(program: *const c_char) {
    let Some(record) = Record::of(Detail::Full) else { return };
    // SAFETY: handed on from our caller.
    let name = unsafe { CStr::from_ptr(program) }.to_bytes();
    if name.contains(&b'/') {
        // SAFETY: handed on from our caller.
        unsafe { path_at(&record, Op::Process, libc::AT_FDCWD, program) }
    } else {
        record.append(Op::Process, &[name]);
    }
}

/// Notes a program that is about to take this process over, by its path or by the name to search
/// for; afterwards there is nobody to do so.
///
/// # Safety
/// `program` must be the pointer that is passed to an exec function.
#[inline(never)]
pub unsafe fn running(program: *const c_char) {
    let Some(record) = Record::of(Detail::Full) else { return };
    // The kernel is asked first since it survives a bad pointer.
    let answer = syscall::access(program, libc::F_OK);
    if answer == -libc::EFAULT {
        return;
    }
    // SAFETY: the kernel has read the string.
    let has_slash = unsafe { CStr::from_ptr(program) }.to_bytes().contains(&b'/');
    if has_slash && is_not_found(answer) {
        // SAFETY: as above.
        unsafe { path_at(&record, Op::NotFound, libc::AT_FDCWD, program) }
    } else {
        // SAFETY: as above.
        unsafe { ran(program) }
    }
}

/// Notes a program that is about to take this process over, by its open file.
pub fn running_descriptor(program: c_int) {
    let Some(record) = Record::of(Detail::Full) else { return };
    with_path_of(program, |path| record.append(Op::Process, &[path]));
}

fn is_not_found(error: c_int) -> bool {
    error == -libc::ENOENT || error == -libc::ENOTDIR
}

fn listing(record: &Record) -> Op {
    if record.has(FINDER_IS_LISTING) { Op::FinderDirectory } else { Op::Directory }
}

/// Adds an entry for a file if it holds code, going by its name.
///
/// # Safety
/// `path` must be a NUL-ended string.
unsafe fn code_at(record: &Record, directory: c_int, path: *const c_char) {
    // SAFETY: handed on from our caller.
    if holds_code(unsafe { CStr::from_ptr(path) }.to_bytes()) {
        // SAFETY: handed on from our caller.
        unsafe { path_at(record, Op::Open, directory, path) }
    }
}

fn holds_code(path: &[u8]) -> bool {
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
    let ends = |suffix: &[u8]| name.ends_with(suffix);
    let contains = |part: &[u8]| name.windows(part.len()).any(|window| window == part);
    ends(b".py") || ends(b".pyc") || ends(b".so") || contains(b".so.") || contains(b".cpython-")
}

/// Adds an entry for a path, made absolute but otherwise as the program wrote it. A null or empty
/// path names a descriptor rather than a file: nothing is added.
///
/// # Safety
/// `path` must be null or a NUL-ended string.
#[inline(never)]
unsafe fn path_at(record: &Record, op: Op, directory: c_int, path: *const c_char) {
    if path.is_null() {
        return;
    }
    // SAFETY: handed on from our caller.
    match unsafe { CStr::from_ptr(path) }.to_bytes() {
        [] => {}
        path @ [b'/', ..] => record.append(op, &[path]),
        path => with_path_of(directory, |directory| match directory {
            b"/" => record.append(op, &[b"/", path]),
            directory => record.append(op, &[directory, b"/", path]),
        }),
    }
}

/// Calls `use_path` with the path of an open file, or of the working directory for `AT_FDCWD`; not
/// where it has no absolute path.
// Not inlined, so that only relative paths need this much stack.
#[inline(never)]
fn with_path_of(descriptor: c_int, use_path: impl FnOnce(&[u8])) {
    let mut buffer = [0; PATH_MAX];
    let path = if descriptor == libc::AT_FDCWD {
        syscall::working_directory(&mut buffer)
    } else {
        let mut name = [0; DESCRIPTOR_LINK_MAX];
        descriptor_link(descriptor, &mut name)
            .and_then(|link| syscall::read_link(link, &mut buffer))
    };
    if let Some(path @ [b'/', ..]) = path {
        use_path(path);
    }
}

const DESCRIPTOR_LINKS: &[u8] = b"/proc/self/fd/";
const DESCRIPTOR_LINK_MAX: usize = DESCRIPTOR_LINKS.len() + 11;

/// The path of the link that says what a descriptor has open.
fn descriptor_link(descriptor: c_int, buffer: &mut [u8; DESCRIPTOR_LINK_MAX]) -> Option<&CStr> {
    let mut rest = u32::try_from(descriptor).ok()?;
    let (last, digits) = buffer.split_last_mut()?;
    *last = 0;
    let mut start = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
        start -= 1;
        if rest == 0 {
            break;
        }
    }
    let start = start.checked_sub(DESCRIPTOR_LINKS.len())?;
    buffer.get_mut(start..start + DESCRIPTOR_LINKS.len())?.copy_from_slice(DESCRIPTOR_LINKS);
    CStr::from_bytes_with_nul(buffer.get(start..)?).ok()
}
