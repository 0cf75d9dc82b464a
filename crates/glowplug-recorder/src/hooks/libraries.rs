//! Loading libraries.

use core::arch::naked_asm;
use core::ffi::{c_char, c_int, c_void};

use crate::next::{missing, next};
use crate::notes::loading;

type Dlopen = unsafe extern "C" fn(*const c_char, c_int) -> *mut c_void;

/// Stands for `dlopen` of libc, which looks at its return address: where it was called from decides
/// about the RUNPATH to search and the namespace to load into. So it is jumped to, and finds its
/// caller's address on the stack.
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
        "call {before}",
        "add rsp, 8",
        "pop rsi",
        "pop rdi",
        "jmp rax",
        before = sym before_dlopen,
    )
}

/// Takes the note and returns the function to go on with.
unsafe extern "C" fn before_dlopen(path: *const c_char, _flags: c_int) -> Dlopen {
    let real = next!(c"dlopen", fn(*const c_char, c_int) -> *mut c_void);
    // SAFETY: the path is meant for dlopen, which takes null or a NUL-ended string.
    unsafe { loading(path) };
    real.unwrap_or(no_dlopen)
}

/// The answer where no dlopen has been loaded, as can be before glibc 2.34.
unsafe extern "C" fn no_dlopen(_path: *const c_char, _flags: c_int) -> *mut c_void {
    missing()
}
