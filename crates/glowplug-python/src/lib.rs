//! The extension: starts the interpreter that is frozen, lets it stand still, and mends it after the jump.
//!
//! It is no module that a program can import. The recorder hands the program's `main` over to [`glowplug_main`], so that no Python
//! frame is on the stack when the process stands still, and none shows below the program's frames after a thaw.
//!
//! | file | what |
//! |---|---|
//! | `interpreter.rs` | initialises CPython as its own `main` would |
//! | `job.rs` | what the freezer asks for, and what it is told |
//! | `python/preload.py` | imports and notes what was read |
//! | `python/apart.py`, `watch.rs` | whose import does what, and whether what is kept apart can be done later |
//! | `python/arguments.py` | whose import looks at the program's arguments |
//! | `processor.rs` | shows the imports a lesser CPU |
//! | `population.rs` | counts what no image can hold |
//! | `still.rs` | the freeze point and the state beside memory |
//! | `thawed.rs`, `python/mend.py` | after the jump: the outside world |
//! | `serve.rs`, `serve/` | the template of a fork server: forks, and what a forked process takes over from a client |
//! | `hooks.rs`, `python/hooks.py` | what modules want done before the freeze and after the thaw |
//! | `program.rs` | runs `__main__` as CPython's `main` would |
//! | `trial.rs`, `python/trial.py` | a service up to its first socket |
//! | `collector.rs` | what `gc` tells of preloaded objects |
//! | `listening.rs` | listeners in front of built-in functions while imports are recorded |
//! | `method.rs` | the definitions of built-in functions |
//! | `descriptor.rs` | the descriptor that libffi keeps on itself |
//! | `environment.rs` | changes that imports make to the environment of C |
//! | `lazy.rs`, `lazy/` | lazy imports |
//! | `finish.rs`, `finish/` | ends the program without finalising the frozen heap |
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
// What both freezing and lazy imports use has functions that only freezing needs.
#![cfg_attr(not(feature = "freeze"), allow(dead_code))]

#[cfg(feature = "freeze")]
mod collector;
#[cfg(feature = "freeze")]
mod descriptor;
#[cfg(feature = "freeze")]
mod environment;
#[cfg(feature = "freeze")]
mod finish;
#[cfg(feature = "freeze")]
mod hooks;
mod interpreter;
mod job;
mod lazy;
#[cfg(feature = "freeze")]
mod listening;
#[cfg(feature = "freeze")]
mod method;
#[cfg(feature = "freeze")]
mod native;
mod object;
#[cfg(feature = "freeze")]
mod population;
#[cfg(feature = "freeze")]
mod processor;
#[cfg(feature = "freeze")]
mod program;
#[cfg(feature = "freeze")]
mod serve;
#[cfg(feature = "freeze")]
mod still;
#[cfg(feature = "freeze")]
mod thawed;
#[cfg(feature = "freeze")]
mod trial;
#[cfg(feature = "freeze")]
mod watch;

#[cfg(feature = "freeze")]
use glowplug_image::cpu::Level;
use std::ffi::{c_char, c_int};

/// Exit status of an interpreter that could not be prepared; the reason has gone to the freezer, or to standard error.
const EXIT_NOT_PREPARED: c_int = 125;

/// Replaces the interpreter's `main` in a freezer, and where a program runs with lazy imports.
///
/// # Safety
/// Called once by the recorder, in the main thread, with what the C library would have given to `main`, and with the
/// descriptor of the job, or -1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glowplug_main(
    argc: c_int,
    argv: *mut *mut c_char,
    _envp: *mut *mut c_char,
    job: c_int,
) -> c_int {
    // SAFETY: the recorder hands over the descriptor that was opened for this process alone.
    let Some(mut freezer) = (unsafe { job::Freezer::at(job) }) else {
        eprintln!("error: the extension was started without a job");
        return EXIT_NOT_PREPARED;
    };
    let Ok(job) = freezer.receive() else { return EXIT_NOT_PREPARED };
    if job.contains_key(lazy::KIND) {
        drop(freezer);
        // SAFETY: argc and argv are main's.
        return unsafe { lazy::run(&job, argc, argv) };
    }
    #[cfg(feature = "freeze")]
    if job.contains_key(trial::KIND) {
        // SAFETY: argc and argv are main's.
        return unsafe { trial::run(freezer, &job, argc, argv) };
    }
    // SAFETY: argc and argv are main's.
    unsafe { freeze(freezer, &job, argc, argv) }
}

/// Prepares the interpreter that a freezer asks for, and lets it stand still.
///
/// # Safety
/// As for [`glowplug_main`].
#[cfg(feature = "freeze")]
unsafe fn freeze(
    mut freezer: job::Freezer,
    job: &job::Job,
    argc: c_int,
    argv: *mut *mut c_char,
) -> c_int {
    still::default_signals();
    let level = job.get(b"cpu".as_slice()).and_then(|levels| levels.first());
    let level = level.and_then(|name| Level::from_name(std::str::from_utf8(name).ok()?));
    if let Some(level) = level {
        // SAFETY: the program's `main` has not begun, and nothing that it is linked to starts threads.
        unsafe { processor::pretend(level) };
    }
    let environment = environment::Snapshot::take();
    // Until preload.py listens, the import system alone lists folders: it looks for `encodings`.
    native::change_recorder_flags(native::FINDER_LISTS, 0);
    // SAFETY: no interpreter has been initialised, by the caller.
    let gathered = job.contains_key(serve::KIND).then(|| unsafe { serve::Gathered::begin() });
    // SAFETY: by the caller.
    let has_site = match unsafe { interpreter::initialise(argc, argv) } {
        Ok(has_site) => has_site,
        Err(message) => {
            let _ = freezer.send(&[job::Note::refused(&message)]);
            return EXIT_NOT_PREPARED;
        }
    };
    if !has_site {
        let _ = freezer.send(&[job::Note::refused("the interpreter runs without site")]);
        return EXIT_NOT_PREPARED;
    }
    // SAFETY: the interpreter is initialised and this thread holds the GIL, now and in everything below.
    unsafe {
        processor::go_on();
        still::prepare_and_stand_still(freezer, job, &environment, gathered)
    }
}

/// Nothing is frozen on this minor.
///
/// # Safety
/// None is needed; the other build's function has this shape.
#[cfg(not(feature = "freeze"))]
unsafe fn freeze(
    mut freezer: job::Freezer,
    _job: &job::Job,
    _argc: c_int,
    _argv: *mut *mut c_char,
) -> c_int {
    let _ = freezer.send(&[job::Note::refused("programs cannot be frozen on this Python")]);
    EXIT_NOT_PREPARED
}
