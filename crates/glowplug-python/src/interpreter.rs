//! Initialises CPython exactly as its own `main` does, short of running anything.

use pyo3_ffi as ffi;
use std::ffi::{CStr, c_char, c_int};
use std::mem::MaybeUninit;

/// Initialises the interpreter with the command line of `main`.
///
/// # Safety
/// `argc` and `argv` are those of `main`; no interpreter has been initialised.
pub unsafe fn initialise(argc: c_int, argv: *mut *mut c_char) -> Result<(), String> {
    let mut config = MaybeUninit::<ffi::PyConfig>::uninit();
    // SAFETY: PyConfig_InitPythonConfig initialises the whole struct; the extension is built for this CPython minor, so the layouts
    // agree (the freezer asks the interpreter for its version before it picks the extension).
    unsafe {
        ffi::PyConfig_InitPythonConfig(config.as_mut_ptr());
        let config = config.assume_init_mut();
        check(ffi::PyConfig_SetBytesArgv(config, argc as isize, argv.cast()))?;
        check(ffi::Py_InitializeFromConfig(config))?;
        ffi::PyConfig_Clear(config);
    }
    Ok(())
}

/// # Safety
/// `status` comes from an initialisation function.
unsafe fn check(status: ffi::PyStatus) -> Result<(), String> {
    // SAFETY: PyStatus_Exception only reads the struct; err_msg is a static C string or NULL.
    unsafe {
        if ffi::PyStatus_Exception(status) == 0 {
            return Ok(());
        }
        let message = status.err_msg;
        Err(if message.is_null() {
            "the interpreter refuses its command line".to_owned()
        } else {
            CStr::from_ptr(message).to_string_lossy().into_owned()
        })
    }
}
