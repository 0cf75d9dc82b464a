//! Starting threads, in a freezer's interpreter.
//!
//! A process is frozen with one thread. Most libraries do without the threads that their import started, or start them again;
//! one that serves requests for as long as the process lives must be there after a thaw as well. The threads of
//! `SERVING` are held back before their first instruction, and run from there in each thawed process.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use crate::next::{missing, next};
use crate::record::{Detail, Record};

type Routine = extern "C" fn(*mut c_void) -> *mut c_void;

/// A thread that is held back: it is the first that its library starts.
struct Serving {
    /// How the library's file name begins.
    library: &'static [u8],
    /// 0 before the thread is started, [`HELD`] from then on.
    state: AtomicU32,
    routine: AtomicPtr<c_void>,
    argument: AtomicPtr<c_void>,
}

const HELD: u32 = 1;

/// polars' cleaner deletes the files that queries spill to disk, and those of processes that have died.
static SERVING: [Serving; 1] = [Serving::new(b"_polars_runtime")];

/// What a thread that is held back is called, for whoever examines the process.
const NAME: &CStr = c"glowplug-held";

impl Serving {
    const fn new(library: &'static [u8]) -> Self {
        Self {
            library,
            state: AtomicU32::new(0),
            routine: AtomicPtr::new(ptr::null_mut()),
            argument: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Takes the thread, if it is the one.
    fn hold(&self, library: &[u8], routine: Routine, argument: *mut c_void) -> bool {
        if !library.starts_with(self.library) || self.state.swap(HELD, Ordering::Relaxed) == HELD {
            return false;
        }
        self.argument.store(argument, Ordering::Relaxed);
        self.routine.store(routine as *mut c_void, Ordering::Release);
        true
    }
}

/// Stands for `pthread_create` of libc.
///
/// # Safety
/// That of `pthread_create`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pthread_create(
    thread: *mut libc::pthread_t,
    attributes: *const c_void,
    routine: Routine,
    argument: *mut c_void,
) -> c_int {
    let Some(real) = next!(
        c"pthread_create",
        fn(*mut libc::pthread_t, *const c_void, Routine, *mut c_void) -> c_int
    ) else {
        return libc::EAGAIN;
    };
    let hold = Record::of(Detail::Full).is_some() && is_held_back(routine, argument);
    let (routine, argument) =
        if hold { (wait as Routine, ptr::null_mut()) } else { (routine, argument) };
    // SAFETY: the arguments are our caller's; a thread that waits instead needs none.
    unsafe { real(thread, attributes, routine, argument) }
}

fn is_held_back(routine: Routine, argument: *mut c_void) -> bool {
    let Some(library) = library_of(routine) else { return false };
    let name = library.to_bytes().rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    SERVING.iter().any(|serving| serving.hold(name, routine, argument))
}

/// The path of the library whose code `routine` is.
fn library_of(routine: Routine) -> Option<&'static CStr> {
    let dladdr = next!(c"dladdr", fn(*const c_void, *mut libc::Dl_info) -> c_int)?;
    let mut info = MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: dladdr fills the structure, whose path belongs to a library that is not unloaded while its thread is started; all
    // zeros is a valid value of it.
    let (found, info) =
        unsafe { (dladdr(routine as *const c_void, info.as_mut_ptr()), info.assume_init()) };
    let path: *const c_char = info.dli_fname;
    // SAFETY: dladdr gives null or a NUL-ended string.
    (found != 0 && !path.is_null()).then(|| unsafe { CStr::from_ptr(path) })
}

/// What a thread that is held back does in the freezer's interpreter, which it ends with.
extern "C" fn wait(_: *mut c_void) -> *mut c_void {
    // SAFETY: system calls that touch no memory but the name.
    unsafe {
        libc::prctl(libc::PR_SET_NAME, NAME.as_ptr());
        loop {
            libc::pause();
        }
    }
}

/// Starts the threads that were held back: to be called once in each thawed process, by the extension. Nothing waits for their
/// ends.
///
/// # Safety
/// The process was frozen with the threads held back, and its C library works again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glowplug_recorder_start_threads() -> c_int {
    let (Some(create), Some(detach)) = (
        next!(
            c"pthread_create",
            fn(*mut libc::pthread_t, *const c_void, *mut c_void, *mut c_void) -> c_int
        ),
        next!(c"pthread_detach", fn(libc::pthread_t) -> c_int),
    ) else {
        return missing();
    };
    let mut error = 0;
    for serving in &SERVING {
        let routine = serving.routine.swap(ptr::null_mut(), Ordering::Acquire);
        if routine.is_null() {
            continue;
        }
        let mut thread: libc::pthread_t = 0;
        let argument = serving.argument.load(Ordering::Relaxed);
        // SAFETY: routine and argument are those of a `pthread_create` that has not run them yet.
        unsafe {
            match create(&raw mut thread, ptr::null(), routine, argument) {
                0 => _ = detach(thread),
                failed => error = failed,
            }
        }
    }
    error
}
