//! The functions that come after ours: what the program would have called without the recorder.

use core::arch::global_asm;
use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::syscall;

// glibc moved dlsym to another library, with another version, in 2.34. Asking for the oldest
// version lets one build run with both; weak, since before 2.34 a program may come without it
// (Python never does). The jump keeps this library as the caller, which RTLD_NEXT starts from.
global_asm!(
    ".symver glowplug_recorder_oldest_dlsym, dlsym@GLIBC_2.2.5",
    ".weak glowplug_recorder_oldest_dlsym",
    ".hidden glowplug_recorder_dlsym",
    ".hidden __start_glowplug_next",
    ".hidden __stop_glowplug_next",
    ".globl glowplug_recorder_dlsym",
    ".type glowplug_recorder_dlsym, @function",
    "glowplug_recorder_dlsym:",
    "mov rax, qword ptr [rip + glowplug_recorder_oldest_dlsym@GOTPCREL]",
    "test rax, rax",
    "jz 2f",
    "jmp rax",
    "2: ret",
    ".size glowplug_recorder_dlsym, . - glowplug_recorder_dlsym",
);

/// The next function of a name, as a function pointer of the given type; an `Option`.
macro_rules! next {
    ($name:expr, fn($($kind:ty),*) -> $result:ty) => {{
        #[unsafe(link_section = "glowplug_next")]
        static NEXT: $crate::next::Next = $crate::next::Next::new($name);
        // SAFETY: libc declares the function of this name so; each use copies its declaration.
        NEXT.address().map(|address| unsafe {
            core::mem::transmute::<
                core::ptr::NonNull<core::ffi::c_void>,
                unsafe extern "C" fn($($kind),*) -> $result,
            >(address)
        })
    }};
}
pub(crate) use next;

unsafe extern "C" {
    fn glowplug_recorder_dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    // The linker makes these for the section that all `Next`s lie in.
    static __start_glowplug_next: u8;
    static __stop_glowplug_next: u8;
}

/// One function that lies behind ours. Statics of this type must be in the section `glowplug_next`
/// so that `find_all` sees them; the macros of this crate put them there.
#[repr(C)]
pub struct Next {
    name: &'static CStr,
    address: AtomicPtr<c_void>,
}

impl Next {
    /// Names the function; it is looked up later.
    pub const fn new(name: &'static CStr) -> Self {
        Self { name, address: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Where the function is. `None` if this libc has no such function.
    #[inline]
    pub fn address(&self) -> Option<NonNull<c_void>> {
        NonNull::new(self.address.load(Ordering::Relaxed)).or_else(|| self.find())
    }

    /// Looks the function up. Two threads may do so at once; both find the same.
    #[cold]
    fn find(&self) -> Option<NonNull<c_void>> {
        let errno = syscall::errno();
        let found = look_up(libc::RTLD_NEXT, self.name);
        syscall::set_errno(errno);
        if let Some(found) = found {
            self.address.store(found.as_ptr(), Ordering::Relaxed);
        }
        found
    }
}

/// Looks all functions up, so that none has to be found where dlsym has no place: in a signal
/// handler, in the child of a process with threads, or before dlerror, which it makes forget.
pub fn find_all() {
    let mut missing = false;
    let mut next = (&raw const __start_glowplug_next).cast::<Next>();
    while next < (&raw const __stop_glowplug_next).cast() {
        // SAFETY: the section holds nothing but statics of this type, side by side.
        missing |= unsafe { (*next).address() }.is_none();
        next = next.wrapping_add(1);
    }
    if missing {
        // The program's first dlerror must not report a failed look-up of ours.
        let _ = last_error();
    }
}

/// What dlsym says about a name. `None` if there is no such symbol.
pub fn look_up(handle: *mut c_void, name: &CStr) -> Option<NonNull<c_void>> {
    // SAFETY: the name ends in a NUL, and the handle is RTLD_NEXT, RTLD_DEFAULT or from dlopen.
    NonNull::new(unsafe { glowplug_recorder_dlsym(handle, name.as_ptr()) })
}

/// What dlerror says about the last failure in this thread, which it then forgets. `None` if there
/// was none.
pub fn last_error() -> Option<&'static CStr> {
    let dlerror = next!(c"dlerror", fn() -> *const c_char)?;
    // SAFETY: dlerror has no conditions.
    let message = unsafe { dlerror() };
    // SAFETY: dlerror returns null or a string that lasts until this thread's next failure, and
    // the one caller that reads it does so at once.
    (!message.is_null()).then(|| unsafe { CStr::from_ptr(message) })
}

/// What a hook returns where libc does not have the function.
pub trait Missing {
    /// The value that means failure.
    const VALUE: Self;
}

impl Missing for c_int {
    const VALUE: Self = -1;
}

impl Missing for libc::mode_t {
    const VALUE: Self = libc::mode_t::MAX;
}

impl Missing for isize {
    const VALUE: Self = -1;
}

impl<T> Missing for *mut T {
    const VALUE: Self = ptr::null_mut();
}

/// The answer for a function that does not exist: failure, and `errno` says why.
#[cold]
pub fn missing<T: Missing>() -> T {
    syscall::set_errno(libc::ENOSYS);
    T::VALUE
}
