//! What the process inherited, as it was before Rust's runtime touched it.
//!
//! Before `main`, Rust's runtime sets SIGPIPE to be ignored and opens `/dev/null` on standard descriptors that were closed. A
//! launcher must hand on what it was given, so this module looks first: a constructor runs before the runtime does.
//!
//! It also sets SIGXFSZ to be ignored: where files may not grow, writing one is to fail with an error instead of ending the process.

use std::ffi::{CStr, c_char, c_int};
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU8, Ordering};

static ARGC: AtomicI32 = AtomicI32::new(0);
static ARGV: AtomicPtr<*const c_char> = AtomicPtr::new(std::ptr::null_mut());
static ENVIRONMENT: AtomicPtr<*const c_char> = AtomicPtr::new(std::ptr::null_mut());
/// Bit `n`: descriptor `n` (0 to 2) was closed.
static CLOSED: AtomicU8 = AtomicU8::new(0);
/// 1 where SIGPIPE was inherited as ignored.
static PIPE_IGNORED: AtomicU8 = AtomicU8::new(0);
/// 1 where SIGXFSZ was.
static FILE_SIZE_IGNORED: AtomicU8 = AtomicU8::new(0);

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
compile_error!("only glibc hands argc, argv and environ to constructors");

#[used]
// SAFETY: the section is an array of constructors with exactly this signature; the one here needs nothing that Rust's runtime
// would have to set up first.
#[unsafe(link_section = ".init_array")]
static CAPTURE: extern "C" fn(c_int, *mut *const c_char, *mut *const c_char) = capture;

extern "C" fn capture(argc: c_int, argv: *mut *const c_char, environment: *mut *const c_char) {
    ARGC.store(argc, Ordering::Relaxed);
    ARGV.store(argv, Ordering::Relaxed);
    ENVIRONMENT.store(environment, Ordering::Relaxed);
    let mut closed = 0;
    for descriptor in 0..3 {
        // SAFETY: F_GETFD takes any number and changes nothing.
        if unsafe { libc::fcntl(descriptor, libc::F_GETFD) } == -1 {
            closed |= 1 << descriptor;
        }
    }
    CLOSED.store(closed, Ordering::Relaxed);
    PIPE_IGNORED.store(u8::from(is_ignored(libc::SIGPIPE)), Ordering::Relaxed);
    FILE_SIZE_IGNORED.store(u8::from(is_ignored(libc::SIGXFSZ)), Ordering::Relaxed);
    // SAFETY: ignoring a signal runs no code of this process.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

fn is_ignored(signal: c_int) -> bool {
    // The kernel's own struct: handler, flags, restorer, mask. libc's function tells nothing of the two signals that libc uses itself,
    // which its posix_spawn leaves ignored.
    let mut action = [0usize; 4];
    let none = std::ptr::null::<usize>();
    // SAFETY: asking for a disposition changes nothing, and the kernel writes no more than those four words.
    unsafe {
        libc::syscall(libc::SYS_rt_sigaction, signal, none, action.as_mut_ptr(), 8) == 0
            && action[0] == libc::SIG_IGN
    }
}

/// The process's arguments, from its own name on, exactly as they were given.
pub fn arguments() -> Vec<&'static CStr> {
    let count = usize::try_from(ARGC.load(Ordering::Relaxed)).unwrap_or(0);
    strings(ARGV.load(Ordering::Relaxed), count)
}

/// The environment at the start, exactly as it was given: in order, with duplicates and strings that hold no `=`.
pub fn environment() -> Vec<&'static CStr> {
    strings(ENVIRONMENT.load(Ordering::Relaxed), usize::MAX)
}

/// The strings of a vector that ends with a null pointer, at most `limit` of them.
fn strings(vector: *mut *const c_char, limit: usize) -> Vec<&'static CStr> {
    let mut found = Vec::with_capacity(if limit == usize::MAX { 64 } else { limit });
    if vector.is_null() {
        return found;
    }
    while found.len() < limit {
        // SAFETY: `vector` is argv or the initial environ that the kernel put on the main thread's stack. Both end with a null
        // pointer, at which this loop stops, and stay mapped and unchanged as long as the process lives: nothing in a process
        // that links this crate writes to them (`setenv` replaces the vector instead of the strings).
        let string = unsafe {
            let string = *vector.add(found.len());
            if string.is_null() {
                break;
            }
            CStr::from_ptr(string)
        };
        found.push(string);
    }
    found
}

/// Whether this process was started with a signal ignored.
pub fn was_ignored(signal: i32) -> bool {
    match signal {
        libc::SIGPIPE => PIPE_IGNORED.load(Ordering::Relaxed) != 0,
        libc::SIGXFSZ => FILE_SIZE_IGNORED.load(Ordering::Relaxed) != 0,
        signal => is_ignored(signal),
    }
}

/// Whether standard descriptor `n` (0 to 2) was closed when the process started.
pub fn was_closed(n: u8) -> bool {
    n < 3 && CLOSED.load(Ordering::Relaxed) & (1 << n) != 0
}

/// Undoes what Rust's runtime and this module did before `main`, as the last step before another program is executed.
///
/// SIGPIPE and SIGXFSZ get back the dispositions that were inherited, and standard descriptors that were closed close on `exec`.
pub fn restore_inherited() {
    for (signal, ignored) in [(libc::SIGPIPE, &PIPE_IGNORED), (libc::SIGXFSZ, &FILE_SIZE_IGNORED)] {
        let disposition = match ignored.load(Ordering::Relaxed) {
            0 => libc::SIG_DFL,
            _ => libc::SIG_IGN,
        };
        // SAFETY: both dispositions are valid for any signal and run no code of this process.
        unsafe { libc::signal(signal, disposition) };
    }
    for descriptor in 0..3u8 {
        if was_closed(descriptor) {
            // SAFETY: the number is open or not; setting a flag on it gives no access to memory. Whatever the runtime or this
            // process put there was not inherited and must not reach the next program.
            unsafe { libc::fcntl(c_int::from(descriptor), libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
}

/// Whether the kernel runs this process securely (`AT_SECURE`): it has more rights than the user who started it.
pub fn is_secure() -> bool {
    // SAFETY: only asks for an entry of the auxiliary vector, 0 where there is none.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn arguments_and_environment_are_those_of_the_process() {
        let arguments: Vec<Vec<u8>> = arguments().iter().map(|a| a.to_bytes().to_vec()).collect();
        let expected: Vec<Vec<u8>> = std::env::args_os().map(|a| a.as_bytes().to_vec()).collect();
        assert_eq!(arguments, expected);
        let path = std::env::var_os("PATH").expect("a test runs with a PATH");
        let entry = [b"PATH=", path.as_bytes()].concat();
        assert!(environment().iter().any(|e| e.to_bytes() == entry));
    }
}
