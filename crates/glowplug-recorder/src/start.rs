//! What happens before the program runs: the constructor, and the program's `main` given to another
//! library where the starter asks for it.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicI32, AtomicPtr, AtomicUsize, Ordering};

use crate::environment::{self, Text};
use crate::next::{self, next};
use crate::{record, syscall};

type Strings = *mut *mut c_char;
type Main = unsafe extern "C" fn(c_int, Strings, Strings) -> c_int;
/// `glowplug_main`: the arguments of `main`, and the descriptor of its job or -1.
type GlowplugMain = unsafe extern "C" fn(c_int, Strings, Strings, c_int) -> c_int;

/// The exit status where the library that should run in place of the program cannot be loaded.
const CANNOT_HAND_OVER: c_int = 125;

unsafe extern "C" {
    /// The environment as libc knows it; null before libc has started.
    static mut environ: Strings;
}

#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn(c_int, Strings, Strings) = constructor;

/// The library to hand `main` to, a mapping of `HANDOVER_LENGTH` bytes, or null.
static HANDOVER: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());
static HANDOVER_LENGTH: AtomicUsize = AtomicUsize::new(0);
/// The descriptor of its job, or -1.
static JOB: AtomicI32 = AtomicI32::new(-1);

/// Runs before the constructors of the program and after those of the libraries that it needs.
extern "C" fn constructor(_argument_count: c_int, _arguments: Strings, environment: Strings) {
    begin(environment);
}

/// Starts from a hook that a constructor of another library called before ours ran.
#[cold]
pub fn early() {
    begin(ptr::null_mut());
}

/// Takes the request from the environment, which the loader may have named, and acts on it.
fn begin(given: Strings) {
    // SAFETY: libc's variable is read by value; this is before the program has threads.
    let known = unsafe { environ };
    let environment = if known.is_null() { given } else { known };
    if environment.is_null() || !record::claim_start() {
        return;
    }
    next::find_all();
    // A second array, or one that has been changed, may share strings with the first.
    let alone = given.is_null() || given == environment;
    // SAFETY: the array is libc's or the loader's; the program, and with it whoever might use the
    // environment at the same time, has not started.
    let request = unsafe { environment::take(environment, alone) };
    if !alone {
        // SAFETY: as above.
        unsafe { environment::take(given, false) };
    }
    if let Some(Text { start, length }) = request.main {
        HANDOVER.store(start.as_ptr(), Ordering::Relaxed);
        HANDOVER_LENGTH.store(length, Ordering::Relaxed);
        JOB.store(request.job.unwrap_or(-1), Ordering::Relaxed);
    }
    if let Some((descriptor, detail)) = request.record {
        record::begin(descriptor, detail);
        syscall::close(descriptor);
    }
}

/// Stands for libc's function that calls `main`, whose two versions (before and since glibc 2.34,
/// where `init` and `fini` became null) take the same arguments.
///
/// # Safety
/// To be called by a program's entry point alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __libc_start_main(
    main: Main,
    argument_count: c_int,
    arguments: Strings,
    init: *mut c_void,
    fini: *mut c_void,
    loader_fini: *mut c_void,
    stack_end: *mut c_void,
) -> c_int {
    let real = next!(
        c"__libc_start_main",
        fn(Main, c_int, Strings, *mut c_void, *mut c_void, *mut c_void, *mut c_void) -> c_int
    );
    let handed_over = !HANDOVER.load(Ordering::Relaxed).is_null();
    let main = if handed_over { handover_main } else { main };
    let Some(real) = real else {
        syscall::complain(
            b"glowplug: this libc has no __libc_start_main to start a program with\n",
        );
        return CANNOT_HAND_OVER;
    };
    // SAFETY: these are the arguments that the program's entry point passed.
    unsafe { real(main, argument_count, arguments, init, fini, loader_fini, stack_end) }
}

/// Runs in place of the program's `main`: loads the library and calls its `glowplug_main`.
unsafe extern "C" fn handover_main(
    count: c_int,
    arguments: Strings,
    environment: Strings,
) -> c_int {
    let path = HANDOVER.swap(ptr::null_mut(), Ordering::Relaxed);
    let Some(path) = NonNull::new(path) else { return CANNOT_HAND_OVER };
    // SAFETY: `begin` stored a string in a mapping of its own, which this call alone took.
    let name = unsafe { CStr::from_ptr(path.as_ptr().cast()) };
    let main = load_main(name);
    if main.is_none() {
        complain_about(name);
    }
    // SAFETY: the string is not used any more.
    unsafe { syscall::unmap(path, HANDOVER_LENGTH.load(Ordering::Relaxed)) };
    match main {
        // SAFETY: `glowplug_main` is declared so and gets what `main` would get.
        Some(main) => unsafe { main(count, arguments, environment, JOB.load(Ordering::Relaxed)) },
        None => CANNOT_HAND_OVER,
    }
}

fn load_main(name: &CStr) -> Option<GlowplugMain> {
    let dlopen = next!(c"dlopen", fn(*const c_char, c_int) -> *mut c_void)?;
    // SAFETY: the name ends in a NUL; the program's libraries have been initialised.
    let library = unsafe { dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    let main = next::look_up(NonNull::new(library)?.as_ptr(), c"glowplug_main")?;
    // SAFETY: the library's contract is that this function is declared so.
    Some(unsafe { core::mem::transmute::<NonNull<c_void>, GlowplugMain>(main) })
}

/// Says why the library could not be loaded, on one line.
fn complain_about(name: &CStr) {
    let reason = next::last_error().unwrap_or(c"the loader gives no reason");
    for part in [b"glowplug: cannot load ", name.to_bytes(), b": ", reason.to_bytes(), b"\n"] {
        syscall::complain(part);
    }
}
