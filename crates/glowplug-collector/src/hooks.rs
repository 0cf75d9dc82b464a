//! What stands in front of functions of libc and of Python's allocators: counts, and notes the end of the process.
//!
//! Arguments are handed on as they came; the safety contracts are those of the functions that these stand for.

use crate::api::{Allocator, Api, Calloc, Malloc, Realloc};
use crate::counters::{self, counters};
use crate::environment;
use crate::next::next;
use crate::snapshot::clocks;
use crate::start::{Ending, note_end};
use crate::trace::{self, Kind};
use core::arch::naked_asm;
use core::cell::UnsafeCell;
use core::ffi::{CStr, c_char, c_int, c_void};
use core::mem::MaybeUninit;
use core::ptr;
use libc::{FILE, mode_t, off_t, ssize_t};

/// The answer where libc lacks a function.
trait Failure {
    const VALUE: Self;
}

impl Failure for c_int {
    const VALUE: Self = -1;
}

impl Failure for ssize_t {
    const VALUE: Self = -1;
}

impl<T> Failure for *mut T {
    const VALUE: Self = ptr::null_mut();
}

/// Defines functions that call the real one and then count.
macro_rules! counted {
    ($(fn $name:ident($($argument:ident: $kind:ty),*) -> $result:ty => |$outcome:ident, $counters:ident| $count:expr;)*) => {$(
        #[doc = concat!("Stands for `", stringify!($name), "` of libc.")]
        ///
        /// # Safety
        /// That of the function it stands for.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($argument: $kind),*) -> $result {
            const NAME: &CStr = c_name(concat!(stringify!($name), "\0"));
            let Some(real) = next!(NAME, fn($($kind),*) -> $result) else {
                return Failure::VALUE;
            };
            // SAFETY: the arguments are our caller's, who means them for this very function.
            let $outcome = unsafe { real($($argument),*) };
            counters::add(|$counters| $count);
            $outcome
        }
    )*};
}

const fn c_name(name: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(name.as_bytes()) {
        Ok(name) => name,
        Err(_) => c"",
    }
}

// `open` and `openat` are variadic: with the calling convention of x86-64, the mode is in the register where a third or fourth
// parameter is, or there is garbage that nobody looks at.
counted! {
    fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int
        => |file, counters| counters.files_opened += u64::from(file >= 0);
    fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int
        => |file, counters| counters.files_opened += u64::from(file >= 0);
    fn openat(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int
        => |file, counters| counters.files_opened += u64::from(file >= 0);
    fn openat64(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int
        => |file, counters| counters.files_opened += u64::from(file >= 0);
    fn fopen(path: *const c_char, mode: *const c_char) -> *mut FILE
        => |file, counters| counters.files_opened += u64::from(!file.is_null());
    fn fopen64(path: *const c_char, mode: *const c_char) -> *mut FILE
        => |file, counters| counters.files_opened += u64::from(!file.is_null());
    fn read(file: c_int, to: *mut c_void, length: usize) -> ssize_t
        => |got, counters| counters.bytes_read += u64::try_from(got).unwrap_or(0);
    fn pread(file: c_int, to: *mut c_void, length: usize, at: off_t) -> ssize_t
        => |got, counters| counters.bytes_read += u64::try_from(got).unwrap_or(0);
    fn pread64(file: c_int, to: *mut c_void, length: usize, at: off_t) -> ssize_t
        => |got, counters| counters.bytes_read += u64::try_from(got).unwrap_or(0);
    fn readv(file: c_int, parts: *const libc::iovec, count: c_int) -> ssize_t
        => |got, counters| counters.bytes_read += u64::try_from(got).unwrap_or(0);
}

// SAFETY: that of `dlopen`: null or a NUL-ended path, and the library's constructors are run.
type Dlopen = unsafe extern "C" fn(*const c_char, c_int) -> *mut c_void;

/// Stands for `dlopen`, which looks at its return address: where it was called from decides about the RUNPATH to search. A path
/// needs no search, so its load is timed; for the rest the real function is jumped to.
///
/// # Safety
/// That of `dlopen`.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void {
    // Both arguments are kept, and 8 bytes more bring the stack to the alignment that calls need.
    naked_asm!(
        "push rdi",
        "push rsi",
        "sub rsp, 8",
        "call {choose}",
        "add rsp, 8",
        "pop rsi",
        "pop rdi",
        "jmp rax",
        choose = sym choose_dlopen,
    )
}

// SAFETY: `dlopen` alone calls it, with its own arguments.
unsafe extern "C" fn choose_dlopen(path: *const c_char, _flags: c_int) -> Dlopen {
    // SAFETY: dlopen takes null or a NUL-ended string.
    let is_path = !path.is_null() && unsafe { CStr::from_ptr(path) }.to_bytes().contains(&b'/');
    if is_path {
        return timed_dlopen;
    }
    next!(c"dlopen", fn(*const c_char, c_int) -> *mut c_void).unwrap_or(no_dlopen)
}

// SAFETY: as for `Dlopen`.
unsafe extern "C" fn timed_dlopen(path: *const c_char, flags: c_int) -> *mut c_void {
    let real = next!(c"dlopen", fn(*const c_char, c_int) -> *mut c_void).unwrap_or(no_dlopen);
    let begin = clocks();
    counters::add(|counters| counters.dlopens += 1);
    // SAFETY: the arguments are our caller's.
    let library = unsafe { real(path, flags) };
    let spent = clocks().since(begin);
    counters::add(|counters| counters.dlopens -= 1);
    // A constructor may load libraries itself: what counts is the outermost call.
    if counters::read().dlopens == 0 {
        trace::note(Kind::Dlopen, 0, 0, &[&spent]);
    }
    library
}

// SAFETY: it uses neither argument.
unsafe extern "C" fn no_dlopen(_path: *const c_char, _flags: c_int) -> *mut c_void {
    ptr::null_mut()
}

/// Stands for `_exit`.
///
/// # Safety
/// That of `_exit`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn _exit(status: c_int) -> ! {
    note_end(Ending::Exit);
    if let Some(real) = next!(c"_exit", fn(c_int) -> ()) {
        // SAFETY: it has no conditions.
        unsafe { real(status) };
    }
    // SAFETY: as above; the real function does not return.
    unsafe { libc::syscall(libc::SYS_exit_group, status) };
    unreachable!("the process has ended")
}

type Strings = *const *mut c_char;

/// Defines functions that replace the process by another program and take an environment.
macro_rules! replacing {
    ($(fn $name:ident($first:ident: $kind:ty);)*) => {$(
        #[doc = concat!("Stands for `", stringify!($name), "` of libc.")]
        ///
        /// # Safety
        /// That of the function it stands for.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($first: $kind, arguments: Strings, environment: Strings) -> c_int {
            const NAME: &CStr = c_name(concat!(stringify!($name), "\0"));
            let Some(real) = next!(NAME, fn($kind, Strings, Strings) -> c_int) else { return -1 };
            note_replaced();
            // SAFETY: the environment is our caller's; so are the arguments, meant for this very function.
            unsafe {
                let passed = environment::with_request(environment);
                let given = passed.as_ref().map_or(environment, |passed| passed.0);
                let outcome = real($first, arguments, given);
                if let Some(passed) = passed {
                    let errno = *libc::__errno_location();
                    passed.release();
                    *libc::__errno_location() = errno;
                }
                outcome
            }
        }
    )*};
}

replacing! {
    fn execve(path: *const c_char);
    fn execvpe(program: *const c_char);
    fn fexecve(program: c_int);
}

unsafe extern "C" {
    static environ: Strings;
}

/// Stands for `execv`.
///
/// # Safety
/// That of `execv`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn execv(path: *const c_char, arguments: Strings) -> c_int {
    // SAFETY: this is what execv does.
    unsafe { execve(path, arguments, environ) }
}

/// Stands for `execvp`.
///
/// # Safety
/// That of `execvp`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn execvp(program: *const c_char, arguments: Strings) -> c_int {
    // SAFETY: this is what execvp does.
    unsafe { execvpe(program, arguments, environ) }
}

/// Notes that this process becomes another program; not in the child of a vfork, which shares its memory and its thread's notes
/// with the process that goes on.
fn note_replaced() {
    // SAFETY: system calls without conditions.
    let process = unsafe { libc::syscall(libc::SYS_getpid) };
    if trace::owner() == process {
        note_end(Ending::Replaced);
    }
}

/// Defines functions that start another program.
macro_rules! starting {
    ($(fn $name:ident;)*) => {$(
        #[doc = concat!("Stands for `", stringify!($name), "` of libc.")]
        ///
        /// # Safety
        /// That of the function it stands for.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(
            process: *mut libc::pid_t,
            program: *const c_char,
            actions: *const c_void,
            attributes: *const c_void,
            arguments: Strings,
            environment: Strings,
        ) -> c_int {
            const NAME: &CStr = c_name(concat!(stringify!($name), "\0"));
            let real = next!(
                NAME,
                fn(*mut libc::pid_t, *const c_char, *const c_void, *const c_void, Strings, Strings) -> c_int
            );
            let Some(real) = real else { return libc::ENOSYS };
            // SAFETY: as for the functions that replace the process.
            unsafe {
                let passed = environment::with_request(environment);
                let given = passed.as_ref().map_or(environment, |passed| passed.0);
                let error = real(process, program, actions, attributes, arguments, given);
                if let Some(passed) = passed {
                    passed.release();
                }
                error
            }
        }
    )*};
}

starting! {
    fn posix_spawn;
    fn posix_spawnp;
}

/// Python's allocators before they were counted: of its memory, and of its objects. Written once, before they are used; read at
/// every allocation, so without any synchronisation.
struct Real(UnsafeCell<MaybeUninit<Allocator>>);

// SAFETY: written by `count_allocations` alone, before Python learns of the functions that read it.
unsafe impl Sync for Real {}

static REAL: [Real; 2] = [const { Real(UnsafeCell::new(MaybeUninit::uninit())) }; 2];

/// Counts what Python allocates. Freeing is left as it is. To be called once.
pub fn count_allocations(api: &Api) {
    let ours: [(Malloc, Calloc, Realloc); 2] =
        [(malloc::<0>, calloc::<0>, realloc::<0>), (malloc::<1>, calloc::<1>, realloc::<1>)];
    for (index, (malloc, calloc, realloc)) in ours.into_iter().enumerate() {
        // PYMEM_DOMAIN_MEM and PYMEM_DOMAIN_OBJ.
        let domain = index as c_int + 1;
        // SAFETY: called once and with the GIL; nothing reads the structure yet; Python copies the ones that it is given.
        unsafe {
            let known = Allocator::in_force(api, domain);
            if known.malloc.is_none() || known.calloc.is_none() || known.realloc.is_none() {
                continue;
            }
            (*REAL[index].0.get()).write(known);
            let counted = Allocator {
                malloc: Some(malloc),
                calloc: Some(calloc),
                realloc: Some(realloc),
                ..known
            };
            (api.PyMem_SetAllocator)(domain, &raw const counted);
        }
    }
}

/// The allocator of a domain that has been replaced.
#[inline]
fn real(domain: usize) -> &'static Allocator {
    // SAFETY: `count_allocations` has written it before it gave Python the functions that ask for it, and nobody writes it again.
    unsafe { (*REAL[domain].0.get()).assume_init_ref() }
}

/// Counts an allocation.
#[inline]
pub fn allocated(bytes: usize) {
    // SAFETY: this thread's own counters.
    unsafe {
        let counters = counters();
        (*counters).allocations += 1;
        (*counters).allocated_bytes += bytes as u64;
    }
}

unsafe extern "C" fn malloc<const DOMAIN: usize>(context: *mut c_void, size: usize) -> *mut c_void {
    allocated(size);
    match real(DOMAIN).malloc {
        // SAFETY: the arguments are Python's, and meant for this very function.
        Some(real) => unsafe { real(context, size) },
        None => ptr::null_mut(),
    }
}

unsafe extern "C" fn calloc<const DOMAIN: usize>(
    context: *mut c_void,
    count: usize,
    size: usize,
) -> *mut c_void {
    allocated(count.saturating_mul(size));
    match real(DOMAIN).calloc {
        // SAFETY: as above.
        Some(real) => unsafe { real(context, count, size) },
        None => ptr::null_mut(),
    }
}

unsafe extern "C" fn realloc<const DOMAIN: usize>(
    context: *mut c_void,
    old: *mut c_void,
    size: usize,
) -> *mut c_void {
    allocated(size);
    match real(DOMAIN).realloc {
        // SAFETY: as above.
        Some(real) => unsafe { real(context, old, size) },
        None => ptr::null_mut(),
    }
}
