//! The constructor: reads the request, opens the file, and waits for Python.

use crate::api;
use crate::audit;
use crate::environment;
use crate::intern;
use crate::snapshot::{self, Timed, clock, read_clocks};
use crate::trace::{self, Kind};
use crate::usage;
use core::ffi::{CStr, c_char, c_int};

unsafe extern "C" {
    static mut environ: *mut *mut c_char;
}

/// Nanoseconds that the loader needs for this library before it runs. An estimate, from runs of `/bin/true` with the library and
/// without: nothing in the process can measure it.
const LOADED_NS: u64 = 60_000;

#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn(c_int, *mut *mut c_char, *mut *mut c_char) = constructor;

extern "C" fn constructor(count: c_int, arguments: *mut *mut c_char, given: *mut *mut c_char) {
    // SAFETY: libc's variable is read by value; this is before the program has threads.
    let known = unsafe { environ };
    let array = if known.is_null() { given } else { known };
    if array.is_null() {
        return;
    }
    // SAFETY: the array is libc's or the loader's, and the program has not started.
    let Some(request) = (unsafe { environment::take(array) }) else { return };
    let Ok(()) = environment::REQUESTED.set(request) else { return };
    snapshot::add(LOADED_NS);
    Timed::whole(|| {
        if let (Some(api), Some(request)) = (api::find(), environment::REQUESTED.get())
            && trace::open(&request.file)
        {
            begin(api, count, arguments);
        }
    });
}

fn begin(api: &api::Api, count: c_int, arguments: *mut *mut c_char) {
    note_process(0);
    for index in 0..usize::try_from(count).unwrap_or(0) {
        // SAFETY: the loader passes as many NUL-ended strings as it says.
        let argument = unsafe { CStr::from_ptr(*arguments.add(index)) };
        trace::note(Kind::Argument, 0, intern::text(argument.to_bytes()), &[]);
    }
    // SAFETY: the version is a constant string, which may be asked for before Python is initialised; the handler is a function of this
    // library, which is never unloaded.
    unsafe {
        let version = CStr::from_ptr((api.Py_GetVersion)()).to_bytes();
        let version = version.split(|&byte| byte == b' ').next().unwrap_or_default();
        trace::note(Kind::Python, 0, intern::text(version), &[]);
        libc::pthread_atfork(None, None, Some(forked));
    }
    audit::listen(api);
}

/// `how`: 0 for a program that starts, 1 for the child of a fork.
fn note_process(how: u8) {
    // SAFETY: a system call without conditions.
    let parent = unsafe { libc::getppid() } as u64;
    // A child's CPU time has begun anew.
    let clocks = read_clocks();
    let process = clock(libc::CLOCK_PROCESS_CPUTIME_ID);
    trace::note(Kind::Process, how, 0, &[&[parent, clocks.wall_ns, clocks.cpu_ns, process]]);
}

unsafe extern "C" fn forked() {
    trace::forked();
    note_process(1);
}

/// How a process ended, as [`Kind::End`] says it.
#[derive(Clone, Copy)]
#[repr(u32)]
pub enum Ending {
    /// The interpreter was taken down.
    Finalized = 1,
    /// `_exit` was called.
    Exit = 2,
    /// The process became another program.
    Replaced = 3,
}

/// Notes the end.
pub fn note_end(how: Ending) {
    if !trace::is_open() {
        return;
    }
    usage::end();
    let end = snapshot::snapshot();
    trace::note(Kind::End, 0, how as u32, &[&end, &snapshot::collected()]);
}
