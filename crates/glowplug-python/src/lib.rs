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
//! | `population.rs` | counts what no image can hold |
//! | `still.rs` | the freeze point and the state beside memory |
//! | `thawed.rs`, `python/mend.py` | after the jump: the outside world |
//! | `program.rs` | runs `__main__` as CPython's `main` would |
//! | `environment.rs` | changes that imports make to the environment of C |
//! | `lazy.rs`, `lazy/` | lazy imports |
//! | `finish.rs`, `finish/` | ends the program without finalising the frozen heap |
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod environment;
mod finish;
mod interpreter;
mod job;
mod lazy;
mod native;
mod object;
mod population;
mod program;
mod still;
mod thawed;

use std::ffi::{c_char, c_int};

/// Exit status of an interpreter that could not be prepared for freezing; the reason has gone to the freezer.
const EXIT_NOT_PREPARED: c_int = 125;

/// Replaces the interpreter's `main` in a freezer.
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
    // SAFETY: the recorder hands over the descriptor that the freezer opened for this process alone.
    let Some(mut freezer) = (unsafe { job::Freezer::at(job) }) else {
        eprintln!("error: the freezer's extension was started without a job");
        return EXIT_NOT_PREPARED;
    };
    let Ok(job) = freezer.receive() else { return EXIT_NOT_PREPARED };
    if job.contains_key(lazy::KIND) {
        drop(freezer);
        // SAFETY: argc and argv are main's.
        return unsafe { lazy::run(&job, argc, argv) };
    }
    still::default_signals();
    // SAFETY: argc and argv are main's.
    if let Err(message) = unsafe { interpreter::initialise(argc, argv) } {
        let _ = freezer.send(&[job::Note::refused(&message)]);
        return EXIT_NOT_PREPARED;
    }
    // SAFETY: the interpreter is initialised and this thread holds the GIL, now and in everything below.
    unsafe { still::prepare_and_stand_still(&mut freezer, &job) }
}
