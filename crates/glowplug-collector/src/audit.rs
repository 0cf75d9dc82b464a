//! Python's audit events, by which this library gets a say before the first import.
//!
//! The hook is added before Python is initialised, which is allowed, and takes itself out of Python's list as soon as the steps are
//! installed: while there is a hook, each event's arguments are made for it, such as a copy of all bytes that are unmarshalled. Where
//! that cannot be done it stays. Python keeps it in a block of its raw allocator, and at its end frees the blocks of its list by the
//! allocator that is in force by then: another one under `-X dev` and `PYTHONMALLOC=debug`, which would take the block for a damaged
//! one. So the block is this library's own, and where it has stayed the allocator is told at the end to leave it alone.

use crate::api::{self, Allocator, Api, Ref, api};
use crate::install;
use crate::snapshot::Timed;
use crate::start::{Ending, note_end};
use core::cell::UnsafeCell;
use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr;
use std::sync::OnceLock;

/// `PYMEM_DOMAIN_RAW`.
const RAW: c_int = 0;

/// Room for CPython's `_Py_AuditHookEntry`: three pointers, of which the first leads to the next entry.
#[repr(align(16))]
struct Block(UnsafeCell<[*mut c_void; 8]>);

// SAFETY: only CPython uses the block, as it uses memory from its allocator.
unsafe impl Sync for Block {}

static BLOCK: Block = Block(UnsafeCell::new([ptr::null_mut(); 8]));

/// The raw allocator at the end of the process.
static LAST: OnceLock<Allocator> = OnceLock::new();

/// Adds the hook. To be called before Python is initialised.
pub fn listen(api: &Api) {
    // SAFETY: Python's raw allocator may be changed before Python is initialised, and so may hooks be added; the process has one
    // thread, and what is changed here is changed back.
    unsafe {
        let known = Allocator::in_force(api, RAW);
        let ours = Allocator { malloc: Some(give_block), ..known };
        (api.PyMem_SetAllocator)(RAW, &raw const ours);
        (api.PySys_AddAuditHook)(hook, ptr::null_mut());
        (api.PyMem_SetAllocator)(RAW, &raw const known);
    }
}

// SAFETY: Python alone calls it, as the allocator that it is given; nothing is done with the context.
unsafe extern "C" fn give_block(_: *mut c_void, size: usize) -> *mut c_void {
    if size <= size_of::<Block>() { BLOCK.0.get().cast() } else { ptr::null_mut() }
}

/// Takes the hook out of Python's list, if that can be done; then the end of the interpreter is noted by `Py_AtExit`.
fn stop_listening(api: &Api) {
    let Some(head) = head_of_list() else { return };
    // SAFETY: the hook is being called, so its thread holds the GIL; whoever goes through the list goes on from the block, which is
    // never freed. Hooks that are added later come behind the last of the list.
    unsafe {
        if (api.Py_AtExit)(finalized) == 0 {
            head.write((*BLOCK.0.get())[0]);
        }
    }
}

/// Where Python keeps the address of its first audit hook: the one word of its state that leads to the block. `None` where another
/// hook comes first, or the state is not where this CPython says it is.
fn head_of_list() -> Option<*mut *mut c_void> {
    /// In all versions the list comes before what is large.
    const FAR: usize = 1 << 16;
    let state: *mut *mut c_void = api::symbol("_PyRuntime\0")?.cast();
    let words = api::bytes_behind(state.cast()).min(FAR) / size_of::<usize>();
    // SAFETY: the words are mapped as data of Python's library, and no other thread runs yet that would write to them.
    let found = unsafe { core::slice::from_raw_parts(state, words) }
        .iter()
        .position(|&word| word == BLOCK.0.get().cast())?;
    // SAFETY: as above.
    Some(unsafe { state.add(found) })
}

unsafe extern "C" fn finalized() {
    note_end(Ending::Finalized);
}

/// Keeps the block from being freed.
fn keep_block(api: &Api) {
    // SAFETY: called with the GIL, by the thread that takes the interpreter down.
    unsafe {
        let known = Allocator::in_force(api, RAW);
        if known.free.is_some() && LAST.set(known).is_ok() {
            let ours = Allocator { free: Some(free), ..known };
            (api.PyMem_SetAllocator)(RAW, &raw const ours);
        }
    }
}

// SAFETY: Python alone calls it, with what it was given with it and a block of the allocator that it stands for.
unsafe extern "C" fn free(context: *mut c_void, block: *mut c_void) {
    if block == BLOCK.0.get().cast() {
        return;
    }
    if let Some(free) = LAST.get().and_then(|last| last.free) {
        // SAFETY: the arguments are Python's, and meant for this very function.
        unsafe { free(context, block) };
    }
}

/// Called by Python for each of its audit events; those that matter are few.
unsafe extern "C" fn hook(event: *const c_char, _arguments: Ref, _data: *mut c_void) -> c_int {
    // SAFETY: events have NUL-ended names.
    let event = unsafe { CStr::from_ptr(event) }.to_bytes();
    match event {
        b"import" if !install::is_done() => Timed::whole(|| {
            if install::when_ready(api()) {
                stop_listening(api());
            }
        }),
        b"cpython._PySys_ClearAuditHooks" => {
            note_end(Ending::Finalized);
            keep_block(api());
        }
        _ => {}
    }
    0
}
