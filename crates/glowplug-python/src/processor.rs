//! A lesser CPU for what the imports load: `cpuid` traps, and is answered as a CPU of the level would answer it.
//!
//! Libraries that choose their code by asking the CPU cannot be told otherwise by any variable. Many CPUs let the instruction fault, which
//! Linux offers for each thread (`arch_prctl(ARCH_SET_CPUID)`). Threads inherit it, and executing another program ends it.

use crate::object;
use glowplug_image::cpu::Level;
use pyo3_ffi as ffi;
use std::cell::UnsafeCell;
use std::ffi::{c_int, c_long, c_void};
use std::ptr;

/// The instruction.
const CPUID: [u8; 2] = [0x0f, 0xa2];
const ARCH_SET_CPUID: c_long = 0x1012;

/// What is pretended, while it is.
#[derive(Clone, Copy)]
struct Pretence {
    level: Level,
    /// The interpreter's own disposition for faults, which comes next.
    next: libc::sigaction,
}

struct Pretended(UnsafeCell<Option<Pretence>>);

// SAFETY: written before the imports, which may start threads, and again when there is only one left.
unsafe impl Sync for Pretended {}

static PRETENDED: Pretended = Pretended(UnsafeCell::new(None));

/// From now on this process, and every thread that it starts, sees a CPU of `level`. Where the CPU cannot do that nothing happens.
///
/// # Safety
/// The process has one thread.
pub unsafe fn pretend(level: Level) {
    // SAFETY: by the caller; the handler does what a handler may.
    unsafe {
        *PRETENDED.0.get() = Some(Pretence { level, next: disposition() });
        listen();
        if !set_cpuid(false) {
            end();
        }
    }
}

/// Goes on where the interpreter has started: it has taken our handler for one that was inherited, or put its own in front.
///
/// # Safety
/// GIL; the main thread.
pub unsafe fn go_on() {
    // SAFETY: by the caller.
    unsafe {
        let Some(pretence) = &mut *PRETENDED.0.get() else { return };
        let current = disposition();
        if current.sa_sigaction == answer as *const () as usize {
            default_to_python();
        } else {
            pretence.next = current;
        }
        listen();
    }
}

/// Has `signal.getsignal` say what it says in a plain process.
///
/// # Safety
/// GIL; the main thread.
unsafe fn default_to_python() {
    // SAFETY: GIL by the caller.
    unsafe {
        let module = object::loaded_module(c"_signal").or_else(|| object::import(c"_signal"));
        let parts = module
            .as_ref()
            .and_then(|module| module.attribute(c"signal").zip(module.attribute(c"SIG_DFL")));
        if let Some((set, default)) = parts {
            drop(set.call_with(&object::integer(libc::SIGSEGV as u64), &default));
        }
        ffi::PyErr_Clear();
    }
}

/// The disposition for faults.
fn disposition() -> libc::sigaction {
    // SAFETY: the call writes a struct of plain data, for which zeros are valid.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(libc::SIGSEGV, ptr::null(), &mut action);
        action
    }
}

/// Sets the handler.
///
/// # Safety
/// Something is pretended.
unsafe fn listen() {
    // SAFETY: the handler does what a handler may.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = answer as *const () as usize;
        // An import may have a signal stack, and its own handlers may ask the CPU.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER | libc::SA_ONSTACK;
        libc::sigaction(libc::SIGSEGV, &action, ptr::null_mut());
    }
}

/// Shows the CPU as it is again. A handler that the imports have put in place of this one stays.
///
/// # Safety
/// The process has one thread.
pub unsafe fn end() {
    // SAFETY: by the caller; a disposition is read and set.
    unsafe {
        let Some(pretence) = (*PRETENDED.0.get()).take() else { return };
        set_cpuid(true);
        if disposition().sa_sigaction == answer as *const () as usize {
            libc::sigaction(libc::SIGSEGV, &pretence.next, ptr::null_mut());
        }
    }
}

/// Lets the instruction work in this thread, or trap; `false` where it cannot trap.
fn set_cpuid(works: bool) -> bool {
    // SAFETY: sets a flag of the thread; where it traps, the handler is there.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_SET_CPUID, c_long::from(works)) == 0 }
}

/// Answers a trapped `cpuid`. Any other fault happens again under the disposition that comes next.
unsafe extern "C" fn answer(_signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel hands over the context of the thread that faulted and what it knows of the fault.
    unsafe {
        let registers = &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs;
        let register = |number: c_int| number as usize;
        let instruction = registers[register(libc::REG_RIP)];
        let Some(pretence) = &*PRETENDED.0.get() else {
            // A handler of the imports' has kept this one as the one before it.
            libc::signal(libc::SIGSEGV, libc::SIG_DFL);
            return;
        };
        if !is_cpuid(info, instruction) {
            libc::sigaction(libc::SIGSEGV, &pretence.next, ptr::null_mut());
            return;
        }
        let leaf = registers[register(libc::REG_RAX)] as u32;
        let subleaf = registers[register(libc::REG_RCX)] as u32;
        set_cpuid(true);
        let real = std::arch::x86_64::__cpuid_count(leaf, subleaf);
        set_cpuid(false);
        let answer = pretence.level.answer(leaf, subleaf, [real.eax, real.ebx, real.ecx, real.edx]);
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
