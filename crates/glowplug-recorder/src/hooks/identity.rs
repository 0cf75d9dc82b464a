//! The process id, as libraries in a freezer's interpreter see it.
//!
//! Generators of random numbers notice by the process id that they were forked: OpenSSL's does, also where another library holds a copy
//! of OpenSSL. An image is thawed under other ids as a rule. But in a container ids repeat at every start, and a thawed program, or
//! one of its children, may well have that of the interpreter that was frozen. It would go on with the frozen generator, and draw what
//! every other such process draws. So libraries are told an id there that no process has: whatever they keep of it differs from the
//! id of each thaw.
//!
//! Python itself is told the truth: programs look themselves up by it in `/proc`.

use core::arch::naked_asm;
use core::ffi::{c_int, c_void};
use core::ptr::NonNull;

use libc::{Dl_info, pid_t};

use crate::next::{look_up, next};
use crate::notes::{Moment, momentary};
use crate::{record, syscall};

/// Ids of processes are below 2^22 (`PID_MAX_LIMIT`).
const NOBODYS: pid_t = 1 << 30;

/// Stands for `getpid` of libc. Who asks is told by the address to which it returns.
///
/// # Safety
/// That of `getpid`, which has no conditions.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn getpid() -> pid_t {
    naked_asm!(
        "mov rdi, qword ptr [rsp]",
        "jmp {told}",
        told = sym told,
    )
}

extern "C" fn told(asker: *const c_void) -> pid_t {
    momentary(Moment::ProcessId);
    let id = syscall::process_id();
    if record::is_in_freezer() && !is_python(asker) { id | NOBODYS } else { id }
}

/// Whether an address is in the library, or program, that holds Python.
fn is_python(address: *const c_void) -> bool {
    let errno = syscall::errno();
    let python = look_up(libc::RTLD_DEFAULT, c"Py_IsInitialized").and_then(base_of);
    let asker = NonNull::new(address.cast_mut()).and_then(base_of);
    syscall::set_errno(errno);
    // Where it cannot be told, the truth.
    python.is_none() || asker.is_none() || asker == python
}

/// Where the library begins that an address is in.
fn base_of(address: NonNull<c_void>) -> Option<NonNull<c_void>> {
    let dladdr = next!(c"dladdr", fn(*const c_void, *mut Dl_info) -> c_int)?;
    // SAFETY: `Dl_info` is plain data for which all zeros is a value.
    let mut info: Dl_info = unsafe { core::mem::zeroed() };
    // SAFETY: dladdr takes any address, and `info` is its to fill.
    let found = unsafe { dladdr(address.as_ptr(), &raw mut info) };
    if found == 0 { None } else { NonNull::new(info.dli_fbase) }
}
