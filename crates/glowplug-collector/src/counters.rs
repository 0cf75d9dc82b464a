//! Counters of the calling thread: what it allocated, opened and read so far.
//!
//! They lie in the static part of thread-local storage, which a library that is loaded at the start may use: counting an
//! allocation is then two additions and no call. `#[thread_local]` with this model is not stable Rust, hence the assembly.

use core::arch::{asm, global_asm};

global_asm!(
    ".section .tbss,\"awT\",@nobits",
    ".p2align 3",
    ".hidden glowplug_collector_counters",
    ".globl glowplug_collector_counters",
    ".type glowplug_collector_counters, @object",
    ".size glowplug_collector_counters, 64",
    "glowplug_collector_counters:",
    ".zero 64",
    ".text",
);

/// The counters of a thread.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Counters {
    /// Blocks asked of Python's allocators.
    pub allocations: u64,
    /// Their bytes.
    pub allocated_bytes: u64,
    /// Files opened.
    pub files_opened: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// Nanoseconds of CPU time in garbage collections.
    pub gc_ns: u64,
    /// How many dlopens are running.
    pub dlopens: u64,
    _unused: [u64; 2],
}

/// The calling thread's counters; zero at its start.
#[inline]
pub fn counters() -> *mut Counters {
    let address: *mut Counters;
    // SAFETY: reads the thread pointer and the variable's offset from it, which the loader has fixed; touches nothing else.
    unsafe {
        asm!(
            "mov {0}, qword ptr fs:[0]",
            "add {0}, qword ptr [rip + glowplug_collector_counters@GOTTPOFF]",
            out(reg) address,
            options(nostack, readonly),
        );
    }
    address
}

/// The calling thread's counters as they are now.
#[inline]
pub fn read() -> Counters {
    // SAFETY: the address is that of this thread's own variable, which nobody else writes.
    unsafe { *counters() }
}

/// Changes the calling thread's counters.
#[inline]
pub fn add(change: impl FnOnce(&mut Counters)) {
    // SAFETY: as in `read`; a signal handler of this thread that comes between can at worst lose one of two additions.
    change(unsafe { &mut *counters() });
}
