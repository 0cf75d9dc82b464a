//! The freeze point: the process prepares itself, forks, and the child stands still while the freezer reads its memory.

use crate::environment::Snapshot;
use crate::job::{Calling, Freezer, Job, Note};
use crate::object::{self, Object};
use crate::thawed::Prepared;
use crate::{
    EXIT_NOT_PREPARED, collector, descriptor, environment, finish, native, processor, serve, thawed,
};
use glowplug_image::cpu;
use glowplug_image::state::{Context, Registers, SIGNALS, SignalAction, ThawInfo};
use pyo3_ffi as ffi;
use std::cell::UnsafeCell;
use std::ffi::{c_int, c_long, c_void};
use std::ptr;

const PRELOAD: &str = include_str!("python/preload.py");
const MEND: &str = include_str!("python/mend.py");
const APART: &str = include_str!("python/apart.py");
const LINES: &str = include_str!("python/lines.py");
const ARGUMENTS: &str = include_str!("python/arguments.py");
const RENEW: &str = include_str!("python/renew.py");
const HOOKS: &str = include_str!("python/hooks.py");

/// The job's name for `NAME=VALUE`, a variable of the environment of a process that was forked from a template.
const VARIABLE: &str = "variable";

/// Memory that the freezer and the restorer read and write while no code of this process runs.
pub struct Shared<T>(UnsafeCell<T>);

// SAFETY: the main thread alone uses these cells, and only around the freeze point.
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// The cell's address.
    pub fn get(&self) -> *mut T {
        self.0.get()
    }
}

/// What the restorer leaves for the thawed process.
pub static INFO: Shared<ThawInfo> = Shared(UnsafeCell::new(ThawInfo {
    kernel_stack: 0,
    argc: 0,
    envc: 0,
    ignored_signals: 0,
    target_kind: 0,
    target_index: 0,
    jump_ns: 0,
    flags: 0,
    stack_start: 0,
    stack_top: 0,
}));

/// What the freezer reads beside memory. All zeros is a valid value: it is plain data.
static CONTEXT: Shared<std::mem::MaybeUninit<Context>> =
    Shared(UnsafeCell::new(std::mem::MaybeUninit::zeroed()));

unsafe extern "C" {
    /// Saves what the ABI preserves on the stack and where to go on in `registers`, and calls `stand_still`, which does not return
    /// in the process that is frozen. Returns 1 in a thawed process.
    fn glowplug_freeze_point(
        registers: *mut Registers,
        stand_still: unsafe extern "C" fn(*mut c_void),
        argument: *mut c_void,
    ) -> u64;
}

std::arch::global_asm!(
    ".globl glowplug_freeze_point",
    ".hidden glowplug_freeze_point",
    "glowplug_freeze_point:",
    "    push rbx",
    "    push rbp",
    "    push r12",
    "    push r13",
    "    push r14",
    "    push r15",
    "    sub rsp, 8",
    "    stmxcsr [rsp]",
    "    fnstcw [rsp + 4]",
    "    mov [rdi], rsp",
    "    lea rax, [rip + 2f]",
    "    mov [rdi + 8], rax",
    "    mov rdi, rdx",
    "    call rsi",
    "    xor eax, eax",
    "2:",
    "    ldmxcsr [rsp]",
    "    fldcw [rsp + 4]",
    "    add rsp, 8",
    "    pop r15",
    "    pop r14",
    "    pop r13",
    "    pop r12",
    "    pop rbp",
    "    pop rbx",
    "    ret",
);

/// Imports what the job names, notes what has changed in the `environment` of its start, tells the freezer, and stands still in a forked
/// child, or serves there. In a thawed process it goes on with the program.
///
/// # Safety
/// The interpreter is initialised, the caller holds the GIL, and no Python frame is active.
pub unsafe fn prepare_and_stand_still(
    mut freezer: Freezer,
    job: &Job,
    environment: &Snapshot,
    gathered: Option<serve::Gathered>,
) -> c_int {
    // SAFETY: GIL by the caller.
    unsafe {
        let namespace = object::dict();
        let functions = native::functions();
        if let Err(reason) = load_own_code(&namespace) {
            let _ = freezer.send(&[Note::refused(reason)]);
            return EXIT_NOT_PREPARED;
        }
        let begun = Begun { namespace, functions, gathered };
        prepare(freezer, job, environment, begun, None)
    }
}

/// In a fork of a template: imports what the job names beside what that has imported, and goes on as [`prepare_and_stand_still`] does.
///
/// # Safety
/// GIL, in the only thread; no Python frame is active.
pub unsafe fn prepare_more(freezer: Freezer, job: &Job, template: &Prepared) -> c_int {
    // SAFETY: by the caller.
    unsafe {
        let variables = job.get(VARIABLE.as_bytes()).map_or(&[][..], Vec::as_slice);
        let environment = Snapshot::of(variables);
        let gathered = Some(serve::Gathered::begin());
        let (namespace, functions) = (template.namespace.again(), template.functions.again());
        let grow = namespace.entry(c"grow");
        if grow.and_then(|grow| grow.call_with(&environment.to_dict(), &functions)).is_none() {
            ffi::PyErr_Print();
            return EXIT_NOT_PREPARED;
        }
        let begun = Begun { namespace, functions, gathered };
        prepare(freezer, job, &environment, begun, Some(template))
    }
}

/// What is there before anything is imported.
struct Begun {
    /// Those of our own Python code.
    namespace: Object,
    functions: Object,
    /// Where objects lie, of a template.
    gathered: Option<serve::Gathered>,
}

/// With `template`, this process was forked from that.
///
/// # Safety
/// As for [`prepare_and_stand_still`].
unsafe fn prepare(
    mut freezer: Freezer,
    job: &Job,
    environment: &Snapshot,
    Begun { namespace, functions, gathered }: Begun,
    template: Option<&Prepared>,
) -> c_int {
    // SAFETY: GIL by the caller.
    unsafe {
        let notes = match preload(&namespace, &functions, job, environment) {
            Ok(notes) => notes,
            Err(reason) => vec![Note::refused(reason)],
        };
        let refused = notes.iter().any(|note| note.kind == b"refused");
        if freezer.send(&notes).is_err() || refused {
            return EXIT_NOT_PREPARED;
        }
        let Some(calling) = freezer.calling() else { return EXIT_NOT_PREPARED };
        native::stop_recorder();
        let held = descriptor::Held::find();
        let baseline = settle(template);
        let frozen_path0 = job.contains_key(b"path0".as_slice());
        let prepared = Prepared { namespace, functions, baseline, frozen_path0 };
        let interpreter = libc::getpid();
        ffi::PyOS_BeforeFork();
        let child = libc::fork();
        if child != 0 {
            ffi::PyOS_AfterFork_Parent();
            return match calling {
                // The freezer becomes the template's parent.
                Calling::Template => libc::_exit(0),
                Calling::Image => wait_for(child),
            };
        }
        ffi::PyOS_AfterFork_Child();
        processor::end();
        let held_number = held.as_ref().map_or(0, |held| held.number());
        if calling == Calling::Template {
            serve::serve(freezer, &prepared, held.as_ref(), serve::Origin { interpreter, gathered })
        }
        (*CONTEXT.get().cast::<Context>()).reopened = held_number;
        let registers = ptr::addr_of_mut!((*CONTEXT.get().cast::<Context>()).registers);
        if glowplug_freeze_point(registers, stand_still, ptr::from_mut(&mut freezer).cast()) == 0 {
            libc::_exit(EXIT_NOT_PREPARED)
        }
        if let Some(held) = &held {
            held.reopen();
        }
        thawed::go_on(&prepared)
    }
}

/// Waits for the process that stands still to be killed.
fn wait_for(child: libc::pid_t) -> c_int {
    let mut status = 0;
    // SAFETY: the status is this function's own.
    while child > 0 && unsafe { libc::waitpid(child, &mut status, 0) } < 0 {}
    if child > 0 { 0 } else { EXIT_NOT_PREPARED }
}

/// # Safety
/// GIL.
unsafe fn load_own_code(namespace: &Object) -> Result<(), &'static str> {
    // SAFETY: GIL by the caller.
    unsafe {
        namespace.set_entry(c"__builtins__", &object::import(c"builtins").ok_or("no builtins")?);
        if [PRELOAD, APART, LINES, ARGUMENTS, MEND, RENEW, HOOKS]
            .iter()
            .all(|code| native::run_code(code, namespace))
        {
            return Ok(());
        }
        ffi::PyErr_Print();
        Err("Glowplug's own Python code does not run here")
    }
}

/// # Safety
/// GIL.
unsafe fn preload(
    namespace: &Object,
    functions: &Object,
    job: &Job,
    environment: &Snapshot,
) -> Result<Vec<Note>, &'static str> {
    // SAFETY: GIL by the caller.
    unsafe {
        let asked = object::dict();
        for (name, values) in job {
            let values = object::list(values.iter().map(|value| object::string(value)));
            ffi::PyDict_SetItem(asked.as_ptr(), object::string(name).as_ptr(), values.as_ptr());
        }
        let preload = namespace.entry(c"preload").ok_or("no preload")?;
        namespace.set_entry(c"environment", &environment.to_dict());
        let Some(report) = preload.call_with(&asked, functions) else {
            ffi::PyErr_Print();
            return Err("preloading failed");
        };
        namespace.set_entry(c"environ_changes", &environment::changes_since(environment));
        // What extension modules printed: the freezer looks at the output next.
        libc::fflush(ptr::null_mut());
        Ok(notes(&report))
    }
}

/// # Safety
/// GIL; `report` is a list of 3-tuples of str.
unsafe fn notes(report: &Object) -> Vec<Note> {
    // SAFETY: GIL and types by the caller; a wrong type gives NULL, which becomes an empty value.
    unsafe {
        (0..ffi::PyList_Size(report.as_ptr()))
            .filter_map(|i| Object::borrowed(ffi::PyList_GetItem(report.as_ptr(), i)))
            .map(|note| {
                let value = |i| {
                    Object::borrowed(ffi::PyTuple_GetItem(note.as_ptr(), i))
                        .and_then(|value| value.to_bytes())
                        .unwrap_or_default()
                };
                Note { kind: value(0), a: value(1), b: value(2) }
            })
            .collect()
    }
}

/// Collects garbage, moves what is left out of the collector's sight, and flushes.
///
/// # Safety
/// GIL.
unsafe fn settle(template: Option<&Prepared>) -> finish::Baseline {
    // SAFETY: GIL by the caller.
    unsafe {
        ffi::PyGC_Collect();
        let baseline = match template {
            None => finish::Baseline::take(),
            Some(template) => finish::Baseline::take_after(&template.baseline),
        };
        collector::hide();
        unfreeze_main();
        libc::fflush(ptr::null_mut());
        baseline
    }
}

/// Brings `__main__` and its namespace back into the collector's sight: they are the program's, and end with it.
///
/// # Safety
/// GIL.
unsafe fn unfreeze_main() {
    // SAFETY: GIL by the caller; modules and dicts are the collector's objects, and tracked ones are taken out before they are put in.
    unsafe {
        let Some(main) = object::loaded_module(c"__main__") else { return };
        for object in [main.as_ptr(), ffi::PyModule_GetDict(main.as_ptr())] {
            ffi::PyObject_GC_UnTrack(object.cast());
            ffi::PyObject_GC_Track(object.cast());
        }
    }
}

/// Fills in the context, tells the freezer where it is, and waits to be read and killed.
///
/// # Safety
/// `argument` is the `Freezer`; called by `glowplug_freeze_point` in the forked child.
unsafe extern "C" fn stand_still(argument: *mut c_void) {
    // SAFETY: by the caller; the child has one thread.
    unsafe {
        let freezer = &mut *argument.cast::<Freezer>();
        let context = &mut *CONTEXT.get().cast::<Context>();
        fill(context);
        let address = ptr::from_mut(context) as u64;
        let note = Note {
            kind: b"still".to_vec(),
            a: address.to_string().into_bytes(),
            b: libc::getpid().to_string().into_bytes(),
        };
        let format = Note {
            kind: b"format".to_vec(),
            a: glowplug_image::FORMAT_VERSION.to_string().into_bytes(),
            b: size_of::<Context>().to_string().into_bytes(),
        };
        freezer.send_and_stand_still(vec![note, format]);
    }
}

/// # Safety
/// Called in the main and only thread.
unsafe fn fill(context: &mut Context) {
    // SAFETY: system calls that write into locals or into `context`.
    unsafe {
        let mut fs_base = 0u64;
        libc::syscall(libc::SYS_arch_prctl, 0x1003, &mut fs_base);
        context.fs_base = fs_base;
        context.tid_addr = tid_address(fs_base);
        let (mut head, mut len) = (0u64, 0u64);
        libc::syscall(libc::SYS_get_robust_list, 0, &mut head, &mut len);
        (context.robust_head, context.robust_len) = (head, len);
        (context.rseq_addr, context.rseq_len) = rseq(fs_base);
        let mut stack: libc::stack_t = std::mem::zeroed();
        libc::sigaltstack(ptr::null(), &mut stack);
        if stack.ss_flags & libc::SS_DISABLE == 0 {
            (context.altstack_addr, context.altstack_len) =
                (stack.ss_sp as u64, stack.ss_size as u64);
        }
        for (index, action) in context.signals.iter_mut().enumerate().take(SIGNALS) {
            let signal = index as c_long + 1;
            let none = ptr::null::<SignalAction>();
            libc::syscall(libc::SYS_rt_sigaction, signal, none, ptr::from_mut(action), 8);
        }
        context.layout.brk = libc::sbrk(0) as u64;
        let mut limit: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_STACK, &mut limit);
        context.stack_limit = limit.rlim_cur;
        context.stack_fixed = u64::from(!thawed::can_move_stack_bounds());
        context.pid = libc::getpid() as u64;
        context.parent_pid = libc::getppid() as u64;
        context.cpu = cpu::words();
        context.info_addr = INFO.get() as u64;
    }
}

/// The soft limit of the stack, bytes, that this process was frozen under.
///
/// # Safety
/// Called in a thawed process.
pub unsafe fn frozen_stack_limit() -> u64 {
    // SAFETY: `fill` wrote the context before the process was frozen.
    unsafe { (*CONTEXT.get().cast::<Context>()).stack_limit }
}

/// Gives every ignored signal its default disposition, before the interpreter looks at them: what the freezer's starter ignores (and what
/// glibc's `posix_spawn` makes of its own two signals) is nothing to the programs that are thawed.
pub fn default_signals() {
    for signal in 1..=SIGNALS as c_long {
        let mut action = SignalAction::default();
        let none = ptr::null_mut::<SignalAction>();
        let current = ptr::from_mut(&mut action);
        // SAFETY: system calls on four words; no handler is set.
        unsafe {
            libc::syscall(libc::SYS_rt_sigaction, signal, none, current, 8);
            if action.handler == 1 {
                action.handler = 0;
                libc::syscall(libc::SYS_rt_sigaction, signal, current, none, 8);
            }
        }
    }
}

/// Address of `tid` in glibc's `struct pthread`, 0 where it is not found. glibc tells debuggers its place (`nptl_db`).
///
/// # Safety
/// `fs_base` is this thread's pointer.
unsafe fn tid_address(fs_base: u64) -> u64 {
    // SAFETY: the symbol is an array of three words: size in bits, count, offset in bytes; the thread's block is readable.
    unsafe {
        let name = c"_thread_db_pthread_tid".as_ptr();
        let libc = libc::dlopen(c"libc.so.6".as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD);
        let field = libc::dlvsym(libc, name, c"GLIBC_PRIVATE".as_ptr()).cast::<u32>();
        if field.is_null() {
            return 0;
        }
        let address = fs_base + u64::from(*field.add(2));
        let tid = libc::syscall(libc::SYS_gettid);
        if c_long::from(*(address as *const c_int)) == tid { address } else { 0 }
    }
}

/// Address and length of the restartable-sequence area that glibc (2.35+) registered.
///
/// # Safety
/// `fs_base` is this thread's pointer.
unsafe fn rseq(fs_base: u64) -> (u64, u64) {
    // SAFETY: glibc exports a ptrdiff_t and an unsigned int of these names.
    unsafe {
        let offset = libc::dlsym(libc::RTLD_DEFAULT, c"__rseq_offset".as_ptr()).cast::<isize>();
        let size = libc::dlsym(libc::RTLD_DEFAULT, c"__rseq_size".as_ptr()).cast::<u32>();
        if offset.is_null() || size.is_null() || *size == 0 {
            return (0, 0);
        }
        // The kernel takes 32 bytes at the least; newer glibc reports only the bytes in use.
        (
            fs_base.wrapping_add_signed(*offset as i64),
            u64::from((*size).max(32).next_multiple_of(32)),
        )
    }
}
