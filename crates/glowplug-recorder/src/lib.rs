//! The recorder: a library that is put in front of libc with `LD_PRELOAD` and notes what a process
//! opens, looks up and starts, in a memory file that its starter reads afterwards.
//!
//! It is loaded into the first start of a user's program, so it keeps to a few rules:
//!
//! * A hook calls the real function first wherever it can, hands its result on unchanged, and takes
//!   its notes with system calls of its own: `errno` is whatever the real function left there.
//! * A hook allocates nothing and takes no lock, so it is as safe in a signal handler or after a
//!   fork as the function that it stands for.
//! * Nothing is left in the environment that the program could see or hand to its children.
//!
//! `docs/recorder.md` has the contract with the starter. Linux on x86-64 with glibc only: hooks of
//! variadic functions rely on its calling convention.

// `cargo test` builds every crate for unwinding, which needs std; what ships aborts and has none.
#![cfg_attr(panic = "abort", no_std)]

mod controls;
mod environment;
mod hooks;
mod next;
mod notes;
mod record;
mod start;
mod syscall;

/// Ends the process at once: nothing in this library has a reason to panic.
#[cfg(panic = "abort")]
#[panic_handler]
fn abort(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: `ud2` raises SIGILL and does not return; it touches no memory.
    unsafe { core::arch::asm!("ud2", options(noreturn, nomem, nostack)) }
}
