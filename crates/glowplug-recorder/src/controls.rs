//! What the extension calls. It finds these functions with `dlsym`, since a process that was not
//! started with the recorder does not have them.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::notes;
use crate::record::{self, Detail, Record};

/// Sets and clears flags of the record, in this order; nothing where this process does not record.
/// Flag 1 says that the import system's finder is listing.
#[unsafe(no_mangle)]
pub extern "C" fn glowplug_recorder_flags(set: u64, clear: u64) {
    if let Some(record) = Record::of(Detail::Light) {
        record.change_flags(set, clear);
    }
}

/// Says which module is being imported from here on, so that what happens next can be told to be its
/// doing; an empty name for none.
///
/// # Safety
/// `name` must be a NUL-ended string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glowplug_recorder_module(name: *const c_char) {
    if !name.is_null() {
        // SAFETY: handed on from our caller.
        notes::importing(unsafe { CStr::from_ptr(name) }.to_bytes());
    }
}

/// Ends recording in this process for ever and unmaps the record, which also a forked child still
/// has mapped: from then on hooks do nothing of their own.
///
/// # Safety
/// No other thread may be inside a hook: to be called in a process of one thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glowplug_recorder_stop() {
    // SAFETY: handed on from our caller.
    unsafe { record::stop() }
}

/// Begins recording again, in full, in a process in which it has been ended, or in a fork of one. The memory file stays open.
///
/// # Safety
/// No other thread may be inside a hook: to be called in a process of one thread, after [`glowplug_recorder_stop`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glowplug_recorder_again(descriptor: c_int) {
    record::begin(descriptor, Detail::Full);
}

/// 1 if this process records, else 0. A forked child does not.
#[unsafe(no_mangle)]
pub extern "C" fn glowplug_recorder_active() -> c_int {
    c_int::from(Record::of(Detail::Light).is_some())
}

/// Called with a word before a socket is bound or connected.
type AtSocket = unsafe extern "C" fn(*const c_char);

/// An [`AtSocket`], or null.
static AT_SOCKETS: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

/// Has `callback` called before this process binds a socket, or connects one to the network.
#[unsafe(no_mangle)]
pub extern "C" fn glowplug_recorder_at_sockets(callback: AtSocket) {
    AT_SOCKETS.store(callback as *mut c_void, Ordering::Release);
}

/// What is to be called before a socket is used.
pub fn at_sockets() -> Option<AtSocket> {
    let callback = AT_SOCKETS.load(Ordering::Acquire);
    // SAFETY: what is not null was stored as an `AtSocket`.
    (!callback.is_null())
        .then(|| unsafe { core::mem::transmute::<*mut c_void, AtSocket>(callback) })
}
