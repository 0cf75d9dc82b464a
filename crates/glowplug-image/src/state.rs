//! State of a thread and of its process beside memory, and what the restorer tells the process that it becomes.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Where the process goes on. What else the System V ABI preserves over a call lies on its stack there.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Registers {
    /// Stack pointer.
    pub rsp: u64,
    /// Where to go on.
    pub rip: u64,
}

/// What `rt_sigaction` takes and gives.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct SignalAction {
    /// 0 default, 1 ignore, else the handler's address.
    pub handler: u64,
    /// `SA_*`.
    pub flags: u64,
    /// The C library's return trampoline.
    pub restorer: u64,
    /// Signals blocked in the handler.
    pub mask: u64,
}

/// Number of signals; `Context::signals[i]` is signal `i + 1`.
pub const SIGNALS: usize = 64;

/// A function of the vdso that the frozen process may call.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct VdsoSymbol {
    /// Its name, NUL-padded.
    pub name: [u8; 40],
    /// Its address minus that of the vdso.
    pub offset: u64,
}

/// Room for vdso functions; x86-64 kernels export about a dozen.
pub const VDSO_SYMBOLS: usize = 24;

/// The memory layout that the kernel keeps for a process (`struct prctl_mm_map` up to `brk`), addresses.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Layout {
    /// First address of the program's code.
    pub start_code: u64,
    /// End of the program's code.
    pub end_code: u64,
    /// First address of the program's data.
    pub start_data: u64,
    /// End of the program's data.
    pub end_data: u64,
    /// Where the heap begins.
    pub start_brk: u64,
    /// Where the heap ends now.
    pub brk: u64,
}

/// What a frozen process needs beside its memory. Filled by the process that stands still, completed by the freezer.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Context {
    /// Where to go on.
    pub registers: Registers,
    /// Thread pointer.
    pub fs_base: u64,
    /// Address of the C library's copy of the thread id (`struct pthread`'s `tid`).
    pub tid_addr: u64,
    /// Head of the robust futex list.
    pub robust_head: u64,
    /// Its length as the kernel wants it.
    pub robust_len: u64,
    /// Address of the restartable-sequence area, 0 where the C library registered none.
    pub rseq_addr: u64,
    /// Length that was registered.
    pub rseq_len: u64,
    /// Alternate signal stack: address.
    pub altstack_addr: u64,
    /// Alternate signal stack: length in bytes, 0 where there is none.
    pub altstack_len: u64,
    /// Dispositions.
    pub signals: [SignalAction; SIGNALS],
    /// Address of the vdso, 0 where there is none.
    pub vdso_addr: u64,
    /// Length of the vdso in bytes.
    pub vdso_len: u64,
    /// Entries of `vdso_symbols` that are used.
    pub vdso_count: u64,
    /// The functions it exports.
    pub vdso_symbols: [VdsoSymbol; VDSO_SYMBOLS],
    /// The kernel's notion of the layout.
    pub layout: Layout,
    /// Where in the frozen memory the restorer leaves its [`ThawInfo`].
    pub info_addr: u64,
    /// CPU identity.
    pub cpu: crate::cpu::Words,
    /// Soft limit of the stack's size in bytes when the process was frozen; all ones for none.
    pub stack_limit: u64,
    /// One past the last address of the main thread's stack.
    pub stack_top: u64,
    /// Process id of the frozen process; a thaw with the same id would look like no change to code that compares ids.
    pub pid: u64,
    /// Process id of the interpreter that it was forked from, where generators may have been seeded.
    pub parent_pid: u64,
    /// Number of the descriptor that the process opens again after the jump, 0 where there is none: it must be free.
    pub reopened: u64,
    /// Not 0 where the interpreter cannot be told that its main thread's stack is smaller than it was.
    pub stack_fixed: u64,
}

/// What the restorer tells the process that it has become.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ThawInfo {
    /// The stack as the kernel laid it out: argc, argv, environment, auxiliary vector.
    pub kernel_stack: u64,
    /// Number of arguments.
    pub argc: u64,
    /// Number of environment strings, the restorer's own one not counted.
    pub envc: u64,
    /// Bit `n - 1` set: signal `n` was inherited as ignored.
    pub ignored_signals: u64,
    /// `params::TARGET_*`.
    pub target_kind: u64,
    /// Index in argv of the target (the script, the module name, the `-c` code).
    pub target_index: u64,
    /// `CLOCK_MONOTONIC` in nanoseconds just before the jump.
    pub jump_ns: u64,
    /// `params::FLAG_*`.
    pub flags: u64,
    /// Lowest address of the main thread's stack.
    pub stack_start: u64,
    /// One past its last address.
    pub stack_top: u64,
}
