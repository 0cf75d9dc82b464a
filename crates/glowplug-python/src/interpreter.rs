//! Initialises CPython exactly as its own `main` does, short of running anything and, for a freezer, of importing `site`.

#[cfg(Py_3_13)]
use crate::object::Object;
use pyo3_ffi as ffi;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::MaybeUninit;

/// The place of `no_site` in `sys.flags`, from CPython 3.9 to 3.15 (flags_fields in sysmodule.c).
const NO_SITE: isize = 6;

/// Initialises the interpreter with the command line of `main`, but leaves `site` to be imported: what site and the files that it runs
/// look at has to be noted. Returns whether the program has a site at all; nothing else tells that it was not imported yet.
///
/// # Safety
/// `argc` and `argv` are those of `main`; no interpreter has been initialised.
pub unsafe fn initialise(argc: c_int, argv: *mut *mut c_char) -> Result<bool, String> {
    // SAFETY: by the caller; the configurations are live ones.
    unsafe {
        // Read for that alone: CPython forgets options (`-X warn_default_encoding`) of a configuration that is read twice.
        let has_site = configured(argc, argv, |config| {
            check(ffi::PyConfig_Read(config))?;
            Ok(config.site_import != 0)
        })?;
        configured(argc, argv, |config| {
            config.site_import = 0;
            check(ffi::Py_InitializeFromConfig(config))
        })?;
        if has_site {
            show_site()?;
        }
        Ok(has_site)
    }
}

/// Initialises the interpreter with the command line of `main`, `site` and all.
///
/// # Safety
/// As for [`initialise`].
pub unsafe fn initialise_with_site(argc: c_int, argv: *mut *mut c_char) -> Result<(), String> {
    // SAFETY: by the caller; the configuration is a live one.
    unsafe { configured(argc, argv, |config| check(ffi::Py_InitializeFromConfig(config))) }
}

/// Hands out a configuration that has the command line of `main`, for as long as `with` takes.
///
/// # Safety
/// As for [`initialise`].
unsafe fn configured<T>(
    argc: c_int,
    argv: *mut *mut c_char,
    with: impl FnOnce(&mut ffi::PyConfig) -> Result<T, String>,
) -> Result<T, String> {
    let mut config = MaybeUninit::<ffi::PyConfig>::uninit();
    // SAFETY: PyConfig_InitPythonConfig initialises the whole struct; the extension is built for this CPython minor, so the layouts
    // agree (whoever picks the extension asks the interpreter for its version before).
    unsafe {
        ffi::PyConfig_InitPythonConfig(config.as_mut_ptr());
        let config = config.assume_init_mut();
        let result = check(ffi::PyConfig_SetBytesArgv(config, argc as isize, argv.cast()))
            .and_then(|()| with(config));
        ffi::PyConfig_Clear(config);
        result
    }
}

/// Says everywhere that there is a site: to the program, to C, and to interpreters that are made from this one.
///
/// # Safety
/// The interpreter is initialised; GIL.
unsafe fn show_site() -> Result<(), String> {
    // SAFETY: by the caller; Py_NoSiteFlag is a C int; sys.flags has more than NO_SITE entries.
    unsafe {
        (*config().ok_or("this CPython does not export _Py_GetConfig")?).site_import = 1;
        let flag = libc::dlsym(libc::RTLD_DEFAULT, c"Py_NoSiteFlag".as_ptr()).cast::<c_int>();
        if !flag.is_null() {
            flag.write(0);
        }
        let flags = ffi::PySys_GetObject(c"flags".as_ptr());
        ffi::PyStructSequence_SetItem(flags, NO_SITE, ffi::PyLong_FromLong(0));
    }
    Ok(())
}

/// Gives interpreters that are made from this one the entry of `sys.path` that the program has.
///
/// # Safety
/// The interpreter is initialised; GIL.
#[cfg(Py_3_13)]
pub unsafe fn share_path0(path0: &Object) {
    // SAFETY: GIL by the caller; the field holds memory of PyMem_RawMalloc or NULL, and Py_DecodeLocale gives the former.
    unsafe {
        let text = path0.to_bytes().and_then(|bytes| std::ffi::CString::new(bytes).ok());
        if let (Some(config), Some(text)) = (config(), text) {
            ffi::PyMem_RawFree((*config).sys_path_0.cast());
            (*config).sys_path_0 = ffi::Py_DecodeLocale(text.as_ptr(), std::ptr::null_mut());
        }
    }
}

/// The interpreter's own configuration, `None` where this CPython hides it.
///
/// # Safety
/// The interpreter is initialised; GIL, which keeps others from reading what the caller changes.
unsafe fn config() -> Option<*mut ffi::PyConfig> {
    // SAFETY: CPython 3.9 to 3.15 export `const PyConfig *_Py_GetConfig(void)`, which gives the interpreter's own, writable struct.
    unsafe {
        let get = libc::dlsym(libc::RTLD_DEFAULT, c"_Py_GetConfig".as_ptr());
        if get.is_null() {
            return None;
        }
        type Get = unsafe extern "C" fn() -> *mut ffi::PyConfig;
        Some(std::mem::transmute::<*mut c_void, Get>(get)())
    }
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
