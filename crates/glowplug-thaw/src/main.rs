//! The restorer: becomes the process that an image holds.
//!
//! A static program without C library, heap or unwinding. It is linked at an address where the kernel puts nothing by itself and
//! runs on a stack of its own, so that nothing of it stands where a region of the image belongs. Its work is cut into numbered
//! stages (`stages.rs`); until the last one, every failure ends in `execve` of the plain interpreter (`fallback.rs`).
//!
//! The only contract with the freezer is the crate `glowplug-image`.
#![no_std]
#![no_main]

mod fallback;
mod runtime;
mod stack;
mod stages;
mod syscall;
mod vdso;

use stack::KernelStack;

/// Called by the entry code with the stack as the kernel laid it out.
///
/// # Safety
/// `sp` is the stack pointer at process entry.
#[unsafe(no_mangle)]
unsafe extern "C" fn restorer_main(sp: *mut u64) -> ! {
    // SAFETY: the entry code passes the kernel's stack pointer, which is what `KernelStack` asks for.
    let mut stack = unsafe { KernelStack::new(sp) };
    let Some(start) = stages::read_parameters(&mut stack) else {
        fallback::say(&[b"glowplug-thaw: this program is started by `glowplug run`\n"]);
        syscall::exit(2);
    };
    match stages::run(&mut stack, &start) {
        Err(stages::Obstacle::Layout) if start.may_retry() => {
            fallback::again(&mut stack, &start);
        }
        Err(obstacle) => fallback::plain(&mut stack, &start, &obstacle),
        Ok(never) => match never {},
    }
}
