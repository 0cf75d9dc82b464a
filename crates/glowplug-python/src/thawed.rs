//! After the jump: from the restorer's note to the program.

use crate::object::{self, Object};
use crate::program::{self, Target};
use crate::{finish, hooks, native, still};
use glowplug_image::params;
use glowplug_image::state::ThawInfo;
use pyo3_ffi as ffi;
#[cfg(Py_3_14)]
use std::ffi::c_void;
use std::ffi::{CStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::ptr;

unsafe extern "C" {
    static mut environ: *const *const c_char;
    fn pthread_setattr_default_np(attributes: *const libc::pthread_attr_t) -> std::ffi::c_int;
}

/// The command line and environment as the kernel laid them out for this process.
pub struct CommandLine {
    /// The arguments; a NULL follows the last.
    pub argv: &'static [*const c_char],
    /// The environment; a NULL follows the last string.
    pub envp: *const *const c_char,
    envc: usize,
}

/// What a process has prepared before it was frozen, or before it served as a template.
pub struct Prepared {
    /// Where the embedded Python code lives.
    pub namespace: Object,
    /// What that code calls.
    pub functions: Object,
    /// What its end needs to know.
    pub baseline: finish::Baseline,
    /// Whether `sys.path[0]` is the program's already.
    pub frozen_path0: bool,
}

impl CommandLine {
    /// Of arrays of C strings, each with a NULL behind its last entry, that stay for the life of the process.
    pub fn of_arrays(
        argv: &'static [*const c_char],
        envp: &'static [*const c_char],
    ) -> CommandLine {
        CommandLine { argv: &argv[..argv.len() - 1], envp: envp.as_ptr(), envc: envp.len() - 1 }
    }

    /// # Safety
    /// `info` was filled by the restorer of this process.
    unsafe fn new(info: &ThawInfo) -> CommandLine {
        // SAFETY: by the caller: argc, argv, NULL, environment lie there and stay for the life of the process.
        unsafe {
            let first = (info.kernel_stack as *const *const c_char).add(1);
            let argv = std::slice::from_raw_parts(first, info.argc as usize);
            CommandLine { argv, envp: first.add(argv.len() + 1), envc: info.envc as usize }
        }
    }

    fn argument(&self, index: usize) -> &'static CStr {
        // SAFETY: entries of argv are C strings.
        self.argv.get(index).map_or(c"", |&argument| unsafe { CStr::from_ptr(argument) })
    }

    /// # Safety
    /// GIL.
    unsafe fn argv_list(&self) -> Object {
        // SAFETY: by the caller.
        unsafe {
            object::list(
                (0..self.argv.len()).map(|index| object::bytes(self.argument(index).to_bytes())),
            )
        }
    }

    /// # Safety
    /// GIL.
    unsafe fn environment_list(&self) -> Object {
        // SAFETY: by the caller; envp has envc C strings.
        unsafe {
            object::list(
                (0..self.envc)
                    .map(|index| object::bytes(CStr::from_ptr(*self.envp.add(index)).to_bytes())),
            )
        }
    }
}

/// Mends the process and runs the program. Never returns.
///
/// # Safety
/// Called by the thawed process at the freeze point, with the GIL.
pub unsafe fn go_on(prepared: &Prepared) -> ! {
    // SAFETY: the restorer wrote the note before it jumped; volatile, since no code of this process did.
    unsafe {
        let info = still::INFO.get().read_volatile();
        let command_line = CommandLine::new(&info);
        environ = command_line.envp;
        let mask = hold_signals();
        renew_thread_stacks(still::frozen_stack_limit());
        renew_stack_bounds(&info);
        // A thaw is to libraries what a fork is: they renew locks, generators and caches.
        ffi::PyOS_BeforeFork();
        ffi::PyOS_AfterFork_Child();
        begin(prepared, &info, &command_line, &mask)
    }
}

/// Goes on in a process that was forked from a template whose soft limit of the stack was `stack_limit` bytes.
///
/// # Safety
/// GIL, in the only thread; all signals are blocked until `mask` is set. The environment in `command_line` becomes that of C.
pub unsafe fn go_on_forked(
    prepared: &Prepared,
    info: &ThawInfo,
    command_line: &CommandLine,
    mask: &libc::sigset_t,
    stack_limit: u64,
) -> ! {
    // SAFETY: by the caller.
    unsafe {
        environ = command_line.envp;
        renew_thread_stacks(stack_limit);
        renew_stack_bounds(info);
        begin(prepared, info, command_line, mask)
    }
}

/// Makes the interpreter's idea of the world true, and runs the program: what is the same after a thaw and after a fork.
///
/// # Safety
/// GIL, in the only thread; all signals are blocked until `mask` is set.
unsafe fn begin(
    prepared: &Prepared,
    info: &ThawInfo,
    command_line: &CommandLine,
    mask: &libc::sigset_t,
) -> ! {
    // SAFETY: by the caller.
    unsafe {
        let Prepared { namespace, functions, baseline, frozen_path0 } = prepared;
        let target =
            Target::new(info.target_kind, command_line.argument(info.target_index as usize));
        let start = describe(info, command_line, &target, *frozen_path0);
        let mended = namespace.entry(c"mend").and_then(|mend| mend.call_with(&start, functions));
        if mended.is_none() {
            // Too late for plain Python: say it and fail rather than run a program in a wrong world.
            ffi::PyErr_Print();
            eprintln!("error: the thawed interpreter could not be mended; please report this");
            libc::_exit(70);
        }
        drop((start, mended));
        libc::pthread_sigmask(libc::SIG_SETMASK, mask, ptr::null_mut());
        native::start_held_threads();
        let rehearsal = info.flags & params::FLAG_REHEARSAL != 0;
        // A rehearsal is no start of the program, and hooks may act on the world.
        let interrupted = if rehearsal { None } else { hooks::run(namespace, info, command_line) };
        let outcome = interrupted.unwrap_or_else(|| program::run(&target));
        finish::finish(baseline, functions, outcome, rehearsal)
    }
}

/// Keeps signals waiting until the program can be told of them; returns the mask to set then.
///
/// An interrupt that has come already kills the process, as it does in a plain interpreter that has not installed its handler yet.
///
/// # Safety
/// GIL; no other thread exists.
unsafe fn hold_signals() -> libc::sigset_t {
    // SAFETY: system calls on locals; GIL by the caller.
    unsafe {
        let (mut all, mut mask): (libc::sigset_t, libc::sigset_t) = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut mask);
        if ffi::PyErr_CheckSignals() != 0 {
            if ffi::PyErr_ExceptionMatches(ffi::PyExc_KeyboardInterrupt) != 0 {
                libc::signal(libc::SIGINT, libc::SIG_DFL);
                libc::raise(libc::SIGINT);
                libc::pthread_sigmask(libc::SIG_SETMASK, &mask, ptr::null_mut());
            }
            ffi::PyErr_Clear();
        }
        mask
    }
}

/// The C library sizes the stacks of threads after the stack limit that it saw at its start.
///
/// # Safety
/// No other thread exists.
unsafe fn renew_thread_stacks(frozen: u64) {
    /// glibc's size where there is no limit (`ARCH_STACK_DEFAULT_SIZE` of x86-64).
    const UNLIMITED: u64 = 2 << 20;
    // SAFETY: the attribute object is initialised before it is used, and destroyed after.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_STACK, &mut limit);
        if limit.rlim_cur == frozen {
            return;
        }
        let size = if limit.rlim_cur == libc::RLIM_INFINITY { UNLIMITED } else { limit.rlim_cur };
        let size = (size as usize).max(libc::PTHREAD_STACK_MIN).next_multiple_of(4096);
        let mut attributes: libc::pthread_attr_t = std::mem::zeroed();
        if libc::pthread_attr_init(&mut attributes) == 0 {
            libc::pthread_attr_setstacksize(&mut attributes, size);
            pthread_setattr_default_np(&attributes);
            libc::pthread_attr_destroy(&mut attributes);
        }
    }
}

/// Tells the interpreter its main thread's stack bounds. 3.14 and later compare the stack pointer with them where older versions counted
/// calls: bounds of a larger stack would let a deep recursion run into what lies below.
///
/// # Safety
/// GIL; `info` was filled by the restorer of this process.
#[cfg(Py_3_14)]
unsafe fn renew_stack_bounds(info: &ThawInfo) {
    // SAFETY: by the caller: the restorer has mapped the stack between these addresses.
    unsafe {
        let Some(set) = stack_bounds_setter().filter(|_| info.stack_start != 0) else { return };
        let start = info.stack_start as *mut c_void;
        if set(ffi::PyThreadState_Get(), start, (info.stack_top - info.stack_start) as usize) != 0 {
            ffi::PyErr_Clear();
        }
    }
}

/// Older versions know nothing of the stack's bounds.
///
/// # Safety
/// None.
#[cfg(not(Py_3_14))]
unsafe fn renew_stack_bounds(_: &ThawInfo) {}

/// `PyUnstable_ThreadState_SetStackProtection`.
#[cfg(Py_3_14)]
type StackBoundsSetter =
    unsafe extern "C" fn(*mut ffi::PyThreadState, *mut c_void, usize) -> std::ffi::c_int;

/// The first releases of 3.14 have no such function.
#[cfg(Py_3_14)]
fn stack_bounds_setter() -> Option<StackBoundsSetter> {
    let name = c"PyUnstable_ThreadState_SetStackProtection";
    // SAFETY: dlsym only looks the name up; a function of this name has this type (cpython/pystate.h).
    unsafe {
        let function = libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr());
        (!function.is_null())
            .then(|| std::mem::transmute::<*mut c_void, StackBoundsSetter>(function))
    }
}

/// Whether the interpreter can live with a smaller stack than it was started on.
pub fn can_move_stack_bounds() -> bool {
    #[cfg(Py_3_14)]
    return stack_bounds_setter().is_some();
    #[cfg(not(Py_3_14))]
    true
}

/// # Safety
/// GIL.
unsafe fn describe(
    info: &ThawInfo,
    command_line: &CommandLine,
    target: &Target,
    frozen_path0: bool,
) -> Object {
    // SAFETY: GIL by the caller.
    unsafe {
        let start = object::dict();
        start.set_entry(c"argv", &command_line.argv_list());
        start.set_entry(c"environ", &command_line.environment_list());
        let ignored = (0..64).filter(|bit| info.ignored_signals >> bit & 1 != 0);
        start.set_entry(c"ignored", &object::list(ignored.map(|bit| object::integer(bit + 1))));
        start.set_entry(c"kind", &object::integer(info.target_kind));
        start.set_entry(c"index", &object::integer(info.target_index));
        start.set_entry(c"frozen_path0", &object::integer(u64::from(frozen_path0)));
        let path0 = if safe_path() { object::none() } else { path0(target) };
        start.set_entry(c"path0", &path0);
        #[cfg(Py_3_13)]
        if path0.as_ptr() != object::none().as_ptr() {
            crate::interpreter::share_path0(&path0);
        }
        if let Target::Script(path) = target {
            let file = program::absolute(path);
            start.set_entry(c"script", &object::string(file.to_bytes()));
        }
        start
    }
}

/// Whether `-I` or `-P` keeps the program's folder off sys.path.
///
/// # Safety
/// GIL.
unsafe fn safe_path() -> bool {
    // SAFETY: GIL by the caller; flags that this CPython does not have count as 0.
    unsafe {
        let flags = Object::borrowed(ffi::PySys_GetObject(c"flags".as_ptr()));
        [c"isolated", c"safe_path"].iter().any(|name| {
            flags
                .as_ref()
                .and_then(|flags| flags.attribute(name))
                .is_some_and(|flag| ffi::PyObject_IsTrue(flag.as_ptr()) == 1)
        })
    }
}

/// What CPython's `main` puts in front of sys.path for a target.
///
/// # Safety
/// GIL.
unsafe fn path0(target: &Target) -> Object {
    // SAFETY: GIL by the caller.
    unsafe {
        match target {
            Target::Command(_) | Target::Stdin => object::string(b""),
            Target::Module(_) => match std::env::current_dir() {
                Ok(folder) => object::string(folder.as_os_str().as_bytes()),
                Err(_) => object::none(),
            },
            Target::Script(path) => {
                let given = std::path::Path::new(std::ffi::OsStr::from_bytes(path.to_bytes()));
                let real = std::fs::canonicalize(given).unwrap_or_else(|_| given.to_owned());
                let folder = real.parent().unwrap_or(std::path::Path::new(""));
                object::string(folder.as_os_str().as_bytes())
            }
        }
    }
}
