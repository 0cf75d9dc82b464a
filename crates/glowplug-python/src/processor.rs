//! A lesser CPU for what the imports load: `cpuid` traps, and is answered as a CPU of the level would answer it.
//!
//! Libraries that choose their code by asking the CPU cannot be told otherwise by any variable. Many CPUs let the instruction fault, which
//! Linux offers for each thread (`arch_prctl(ARCH_SET_CPUID)`). Threads inherit it, and executing another program ends it.

use glowplug_image::cpu::Level;
use std::cell::UnsafeCell;
use std::ffi::{c_int, c_long, c_void};
use std::ptr;

/// The instruction.
const CPUID: [u8; 2] = [0x0f, 0xa2];
const ARCH_SET_CPUID: c_long = 0x1012;

/// The level that is pretended, while it is.
struct Pretended(UnsafeCell<Option<Level>>);

// SAFETY: written before there is a second thread, and again when there is only one left.
unsafe impl Sync for Pretended {}

static PRETENDED: Pretended = Pretended(UnsafeCell::new(None));

/// From now on this process, and every thread that it starts, sees a CPU of `level`. Where the CPU cannot do that nothing happens.
///
/// # Safety
/// The process has one thread.
pub unsafe fn pretend(level: Level) {
    // SAFETY: by the caller; the handler does what a handler may.
    unsafe {
        *PRETENDED.0.get() = Some(level);
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = answer as *const () as usize;
        // An import may have a signal stack, and its own handlers may ask the CPU.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER | libc::SA_ONSTACK;
        libc::sigaction(libc::SIGSEGV, &action, ptr::null_mut());
        if !set_cpuid(false) {
            end();
        }
    }
}

/// Shows the CPU as it is again. A handler that the imports have put in place of this one stays.
///
/// # Safety
/// The process has one thread.
pub unsafe fn end() {
    // SAFETY: by the caller; a disposition is read and set.
    unsafe {
        if (*PRETENDED.0.get()).take().is_none() {
            return;
        }
        set_cpuid(true);
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(libc::SIGSEGV, ptr::null(), &mut action);
        if action.sa_sigaction == answer as *const () as usize {
            libc::signal(libc::SIGSEGV, libc::SIG_DFL);
        }
    }
}

/// Lets the instruction work in this thread, or trap; `false` where it cannot trap.
fn set_cpuid(works: bool) -> bool {
    // SAFETY: sets a flag of the thread; where it traps, the handler is there.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_SET_CPUID, c_long::from(works)) == 0 }
}

/// Answers a trapped `cpuid`. Any other fault is let happen again without this handler, and ends the process.
unsafe extern "C" fn answer(_signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel hands over the context of the thread that faulted and what it knows of the fault.
    unsafe {
        let registers = &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs;
        let register = |number: c_int| number as usize;
        let instruction = registers[register(libc::REG_RIP)];
        let level = *PRETENDED.0.get();
        let Some(level) = level.filter(|_| is_cpuid(info, instruction)) else {
            libc::signal(libc::SIGSEGV, libc::SIG_DFL);
            return;
        };
        let leaf = registers[register(libc::REG_RAX)] as u32;
        let subleaf = registers[register(libc::REG_RCX)] as u32;
        set_cpuid(true);
        let real = std::arch::x86_64::__cpuid_count(leaf, subleaf);
        set_cpuid(false);
        let answer = level.answer(leaf, subleaf, [real.eax, real.ebx, real.ecx, real.edx]);
        let places = [libc::REG_RAX, libc::REG_RBX, libc::REG_RCX, libc::REG_RDX];
        for (place, value) in places.into_iter().zip(answer) {
            registers[register(place)] = i64::from(value);
        }
        registers[register(libc::REG_RIP)] += CPUID.len() as i64;
    }
}

/// Whether a fault is that of the instruction at `address` being forbidden, and that instruction is `cpuid`.
///
/// # Safety
/// `info` is what the kernel told of the fault that happened there.
unsafe fn is_cpuid(info: *const libc::siginfo_t, address: i64) -> bool {
    const SI_KERNEL: c_int = 0x80;
    // SAFETY: by the caller. A forbidden instruction was fetched, so its bytes can be read; with this first byte it has a second one.
    unsafe {
        let instruction = address as *const u8;
        (*info).si_code == SI_KERNEL
            && instruction.read() == CPUID[0]
            && instruction.add(1).read() == CPUID[1]
    }
}
