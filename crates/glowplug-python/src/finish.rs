//! Ends the program: what `Py_FinalizeEx` does that anybody can see, without touching every page of the frozen heap.
//!
//! In this order, as CPython does: threads are joined, atexit handlers run, streams are flushed, signals get their defaults, modules go
//! (so that finalizers run and open files are flushed), and the process exits. What the program made is let go of for real; what was
//! frozen stays where it is, so objects that frozen modules hold have their finalizers called where they stand.

mod finalizers;
mod modules;
#[cfg(all(Py_3_11, not(Py_3_15)))]
mod table;

use crate::object::{self, Object};
use crate::program::Outcome;
use crate::serve;
use pyo3_ffi as ffi;
use std::ffi::{CStr, c_char, c_int};
use std::ptr;

/// Exit status where the streams could not be flushed, as CPython's.
const EXIT_FLUSH: c_int = 120;

/// What the process had when it was frozen, as far as its end needs to know.
pub struct Baseline {
    modules: modules::Frozen,
    finalizers: finalizers::Frozen,
}

impl Baseline {
    /// Looks at the process just before its objects are frozen.
    ///
    /// # Safety
    /// GIL.
    pub unsafe fn take() -> Baseline {
        // SAFETY: GIL by the caller.
        unsafe {
            Baseline { modules: modules::Frozen::take(), finalizers: finalizers::Frozen::take() }
        }
    }

    /// Looks once more, just before what has been made since `older` is frozen as well.
    ///
    /// # Safety
    /// GIL.
    pub unsafe fn take_after(older: &Baseline) -> Baseline {
        // SAFETY: GIL by the caller.
        unsafe {
            let mut baseline = Baseline::take();
            baseline.finalizers.add_older(&older.finalizers);
            baseline
        }
    }
}

/// Ends the process. In a freezer's rehearsal it stops itself first, so that its pages can be looked at.
///
/// # Safety
/// GIL; no Python frame is active.
pub unsafe fn finish(
    baseline: &Baseline,
    functions: &Object,
    outcome: Outcome,
    rehearsal: bool,
) -> ! {
    // SAFETY: GIL by the caller.
    unsafe {
        let mut status = outcome.status;
        join_threads();
        run_exit_functions();
        if let Some(is_finalizing) = functions.entry(c"is_finalizing") {
            ffi::PySys_SetObject(c"is_finalizing".as_ptr(), is_finalizing.as_ptr());
        }
        if !flush_streams(true) {
            status = EXIT_FLUSH;
        }
        default_signals();
        end_modules(baseline);
        libc::fflush(ptr::null_mut());
        if outcome.interrupted {
            libc::signal(libc::SIGINT, libc::SIG_DFL);
            libc::kill(libc::getpid(), libc::SIGINT);
            status = 128 + libc::SIGINT;
        }
        if rehearsal {
            libc::raise(libc::SIGSTOP);
        }
        serve::tell_end(status);
        libc::_exit(status)
    }
}

/// Lets modules and their objects go.
///
/// # Safety
/// GIL; no Python frame is active.
unsafe fn end_modules(baseline: &Baseline) {
    // SAFETY: GIL by the caller.
    unsafe {
        let originals = [c"__stdout__", c"__stderr__"]
            .map(|name| Object::borrowed(ffi::PySys_GetObject(name.as_ptr())));
        let tools = finalizers::Tools::new();
        let alone = !other_threads();
        let order = finalizers::Order::take(&tools);
        ffi::PyGC_Collect();
        modules::forget_paths();
        let left = modules::remove(&baseline.modules);
        modules::restore_builtins(&baseline.modules);
        tools.collect();
        // A thread that still runs keeps what it uses from ending, and nobody can tell what that is: modules alone are let go of.
        if !alone && let Some(objects) = finalizers::unfinished(&tools) {
            modules::forget_values(&left, &objects);
        }
        let held = finalizers::Held::NotByTheInterpreter;
        let later = alone && finalizers::call(&baseline.finalizers, &tools, &order, held);
        modules::clear(left);
        flush_streams(false);
        modules::lose_streams();
        if later {
            finalizers::call(&baseline.finalizers, &tools, &order, finalizers::Held::ByAnything);
        }
        finalizers::flush_files(&tools);
        // The original streams end last, even if the program put others in their place: that flushes them without a word.
        for stream in originals.iter().flatten() {
            if stream.as_ptr() != ffi::Py_None() && call_method(stream, c"flush").is_none() {
                ffi::PyErr_Clear();
            }
        }
        // Freeing the rest would only cost time.
        std::mem::forget((originals, tools));
    }
}

/// Whether daemon threads still run Python code.
///
/// # Safety
/// GIL.
unsafe fn other_threads() -> bool {
    // SAFETY: GIL by the caller; the states of an interpreter form a list that changes only under the GIL.
    unsafe {
        let first = ffi::PyInterpreterState_ThreadHead(ffi::PyInterpreterState_Get());
        !first.is_null() && !ffi::PyThreadState_Next(first).is_null()
    }
}

/// Signals that the program handles get their defaults back, so that their handlers hold nothing any more.
///
/// # Safety
/// GIL; main thread.
unsafe fn default_signals() {
    // SAFETY: GIL by the caller; the argument lists end with NULL.
    unsafe {
        let Some(signal) = object::loaded_module(c"_signal").or_else(|| object::import(c"_signal"))
        else {
            return ffi::PyErr_Clear();
        };
        let functions = signal.attribute(c"getsignal").zip(signal.attribute(c"signal"));
        let Some(((get, set), default)) = functions.zip(signal.attribute(c"SIG_DFL")) else {
            return;
        };
        let end = ptr::null_mut::<ffi::PyObject>();
        for number in 1..=libc::SIGRTMAX() {
            if !is_handled(number) {
                continue;
            }
            let number = object::integer(number as u64);
            let handler = ffi::PyObject_CallFunctionObjArgs(get.as_ptr(), number.as_ptr(), end);
            let handler = Object::owned(handler);
            if handler.is_some_and(|handler| ffi::PyCallable_Check(handler.as_ptr()) == 1) {
                drop(set.call_with(&number, &default));
            }
        }
        ffi::PyErr_Clear();
    }
}

/// Whether the kernel calls a function for a signal.
fn is_handled(signal: c_int) -> bool {
    // SAFETY: the call writes a struct of plain data.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, ptr::null(), &mut action) == 0
            && action.sa_sigaction != libc::SIG_DFL
            && action.sa_sigaction != libc::SIG_IGN
    }
}

/// # Safety
/// GIL.
unsafe fn join_threads() {
    // SAFETY: GIL by the caller.
    unsafe {
        let Some(threading) = object::loaded_module(c"threading") else { return };
        let shutdown = threading.attribute(c"_shutdown");
        if shutdown.and_then(|shutdown| shutdown.call()).is_none() {
            ffi::PyErr_WriteUnraisable(threading.as_ptr());
        }
    }
}

/// # Safety
/// GIL.
unsafe fn run_exit_functions() {
    // SAFETY: GIL by the caller.
    unsafe {
        let run = object::import(c"atexit").and_then(|m| m.attribute(c"_run_exitfuncs"));
        if run.and_then(|run| run.call()).is_none() {
            ffi::PyErr_Clear();
        }
    }
}

/// Flushes sys.stdout and sys.stderr; `false` where that failed, which `report` says on standard error.
///
/// # Safety
/// GIL.
unsafe fn flush_streams(report: bool) -> bool {
    // SAFETY: GIL by the caller.
    unsafe {
        let mut flushed = true;
        for (name, report) in [(c"stdout", report), (c"stderr", false)] {
            let stream = Object::borrowed(ffi::PySys_GetObject(name.as_ptr()));
            let Some(stream) = stream.filter(|s| s.as_ptr() != ffi::Py_None()) else { continue };
            let closed = stream.attribute(c"closed");
            if closed.is_some_and(|closed| ffi::PyObject_IsTrue(closed.as_ptr()) == 1) {
                continue;
            }
            if call_method(&stream, c"flush").is_none() {
                if report {
                    report_unflushed(&stream);
                }
                ffi::PyErr_Clear();
                flushed = false;
            }
        }
        flushed
    }
}

/// What CPython says of a standard output that cannot be flushed, from 3.13 on.
const UNFLUSHED: &CStr = if cfg!(Py_3_14) {
    c"Exception ignored while flushing sys.stdout"
} else {
    c"Exception ignored on flushing sys.stdout"
};

/// Says that a stream could not be flushed, in the words of this CPython.
///
/// # Safety
/// GIL; an exception is set.
unsafe fn report_unflushed(stream: &Object) {
    // SAFETY: GIL by the caller; CPython 3.13 and later export `void PyErr_FormatUnraisable(const char *, ...)`, and the format takes
    // nothing.
    unsafe {
        let format = libc::dlsym(libc::RTLD_DEFAULT, c"PyErr_FormatUnraisable".as_ptr());
        if format.is_null() {
            return ffi::PyErr_WriteUnraisable(stream.as_ptr());
        }
        let format: unsafe extern "C" fn(*const c_char, ...) = std::mem::transmute(format);
        format(UNFLUSHED.as_ptr());
    }
}

/// # Safety
/// GIL.
unsafe fn call_method(object: &Object, name: &CStr) -> Option<Object> {
    // SAFETY: GIL by the caller; a missing method leaves its exception.
    unsafe {
        Object::owned(ffi::PyObject_GetAttrString(object.as_ptr(), name.as_ptr()))
            .and_then(|method| method.call())
    }
}
