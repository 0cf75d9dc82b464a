//! Runs `__main__` as CPython's own `main` does (Modules/main.c, Python/pythonrun.c), short of finalising.

mod command;

use crate::object::{self, Object};
use glowplug_image::params;
use pyo3_ffi as ffi;
use std::ffi::{CStr, c_int};
use std::os::unix::ffi::OsStrExt;
use std::ptr;

/// Whether modules have a `__cached__`, which 3.15 gave up.
const HAS_CACHED: bool = cfg!(not(Py_3_15));

/// What `python` is told to run.
pub enum Target {
    /// A file.
    Script(&'static CStr),
    /// `-m`.
    Module(&'static CStr),
    /// `-c`.
    Command(&'static CStr),
    /// `-`.
    Stdin,
}

impl Target {
    /// From the restorer's note.
    pub fn new(kind: u64, argument: &'static CStr) -> Target {
        match kind {
            params::TARGET_MODULE => Target::Module(argument),
            params::TARGET_COMMAND => Target::Command(argument),
            params::TARGET_STDIN => Target::Stdin,
            _ => Target::Script(argument),
        }
    }
}

/// How the program ended.
pub struct Outcome {
    /// Exit status, before what finishing may change.
    pub status: c_int,
    /// Ended by a `KeyboardInterrupt` that nobody caught: the process dies by SIGINT.
    pub interrupted: bool,
}

/// Runs the target in `__main__`.
///
/// # Safety
/// GIL; no Python frame is active.
pub unsafe fn run(target: &Target) -> Outcome {
    // SAFETY: GIL by the caller.
    unsafe {
        let Some(main) = object::loaded_module(c"__main__") else {
            return Outcome { status: 1, interrupted: false };
        };
        let Some(globals) = Object::borrowed(ffi::PyModule_GetDict(main.as_ptr())) else {
            return Outcome { status: 1, interrupted: false };
        };
        let result = match target {
            Target::Script(path) => match run_script(path, &globals) {
                Ok(result) => result,
                Err(status) => return Outcome { status, interrupted: false },
            },
            Target::Stdin => {
                let file = c_stdin();
                run_file(file, c"<stdin>", false, &globals)
            }
            Target::Module(name) => run_module(name),
            Target::Command(code) => command::run(code, &globals),
        };
        match result {
            Some(_) => Outcome { status: 0, interrupted: false },
            None => report_exception(),
        }
    }
}

/// # Safety
/// GIL.
unsafe fn run_script(path: &CStr, globals: &Object) -> Result<Option<Object>, c_int> {
    let absolute = absolute(path);
    // SAFETY: GIL by the caller; the file is closed by PyRun_FileExFlags.
    unsafe {
        let file = libc::fopen(absolute.as_ptr(), c"rb".as_ptr());
        if file.is_null() {
            let error = std::io::Error::last_os_error();
            let program = std::env::args_os().next().unwrap_or_default();
            let number = error.raw_os_error().unwrap_or(0);
            let text = CStr::from_ptr(libc::strerror(number)).to_string_lossy();
            let shown = ffi::PyObject_Repr(object::string(absolute.to_bytes()).as_ptr());
            let shown = Object::owned(shown).and_then(|s| s.to_bytes()).unwrap_or_default();
            eprintln!(
                "{}: can't open file {}: [Errno {number}] {text}",
                program.to_string_lossy(),
                String::from_utf8_lossy(&shown),
            );
            return Err(2);
        }
        Ok(run_file(file, &absolute, true, globals))
    }
}

/// CPython makes a script's path absolute without resolving anything but a leading `./`… which it keeps.
pub fn absolute(path: &CStr) -> std::ffi::CString {
    let bytes = path.to_bytes();
    if bytes.first() == Some(&b'/') {
        return path.to_owned();
    }
    let Ok(folder) = std::env::current_dir() else { return path.to_owned() };
    let mut joined = folder.as_os_str().as_bytes().to_vec();
    joined.push(b'/');
    joined.extend_from_slice(bytes);
    std::ffi::CString::new(joined).unwrap_or_else(|_| path.to_owned())
}

/// # Safety
/// GIL; `file` is open.
unsafe fn run_file(
    file: *mut libc::FILE,
    name: &CStr,
    is_script: bool,
    globals: &Object,
) -> Option<Object> {
    // SAFETY: GIL by the caller.
    unsafe {
        let shown = object::string(name.to_bytes());
        let set_file = globals.entry(c"__file__").is_none();
        if set_file {
            globals.set_entry(c"__file__", &shown);
            if HAS_CACHED {
                globals.set_entry(c"__cached__", &object::none());
            }
        }
        if is_script {
            let external = object::import(c"_frozen_importlib_external")?;
            let loader = external.attribute(c"SourceFileLoader")?;
            let loader = loader.call_with(&object::string(b"__main__"), &shown)?;
            globals.set_entry(c"__loader__", &loader);
        }
        let mut flags = compiler_flags(0);
        let globals_ptr = globals.as_ptr();
        let close = c_int::from(is_script);
        let result = Object::owned(ffi::PyRun_FileExFlags(
            file,
            name.as_ptr(),
            ffi::Py_file_input,
            globals_ptr,
            globals_ptr,
            close,
            &mut flags,
        ));
        if set_file {
            let pending = PendingException::take();
            for entry in [Some(c"__file__"), HAS_CACHED.then_some(c"__cached__")].iter().flatten() {
                if ffi::PyDict_DelItemString(globals_ptr, entry.as_ptr()) != 0 {
                    ffi::PyErr_Clear();
                }
            }
            pending.restore();
        }
        result
    }
}

/// # Safety
/// GIL.
unsafe fn run_module(name: &CStr) -> Option<Object> {
    // SAFETY: GIL by the caller.
    unsafe {
        let runpy = object::import(c"runpy")?;
        let run = runpy.attribute(c"_run_module_as_main")?;
        run.call_with(&object::string(name.to_bytes()), &object::integer(1))
    }
}

/// The minor version of the running CPython.
///
/// # Safety
/// GIL.
unsafe fn minor_version() -> c_int {
    // SAFETY: GIL by the caller; sys.hexversion is an int.
    unsafe {
        let version = ffi::PySys_GetObject(c"hexversion".as_ptr());
        (ffi::PyLong_AsLong(version) >> 16 & 0xff) as c_int
    }
}

/// # Safety
/// GIL.
unsafe fn compiler_flags(flags: c_int) -> ffi::PyCompilerFlags {
    // SAFETY: GIL by the caller; the struct is two ints, for which zero is valid.
    unsafe {
        let mut result: ffi::PyCompilerFlags = std::mem::zeroed();
        result.cf_flags = flags;
        result.cf_feature_version = minor_version();
        result
    }
}

fn c_stdin() -> *mut libc::FILE {
    unsafe extern "C" {
        static stdin: *mut libc::FILE;
    }
    // SAFETY: the C library's stdin, which nothing has read from yet.
    unsafe { stdin }
}

/// Prints the exception that ended the program, as `main` does, and gives the exit status.
///
/// # Safety
/// GIL; an exception is set.
pub unsafe fn report_exception() -> Outcome {
    // SAFETY: GIL by the caller.
    unsafe {
        if ffi::PyErr_ExceptionMatches(ffi::PyExc_SystemExit) != 0 {
            return Outcome { status: system_exit(), interrupted: false };
        }
        let interrupted = ffi::PyErr_Occurred() == ffi::PyExc_KeyboardInterrupt;
        ffi::PyErr_Print();
        Outcome { status: 1, interrupted }
    }
}

/// # Safety
/// GIL; a SystemExit is set.
#[allow(deprecated)] // The successors of PyErr_Fetch came with 3.12; 3.10 and 3.11 are built from the same lines.
unsafe fn system_exit() -> c_int {
    // SAFETY: GIL by the caller; the fetched references are owned from there on.
    unsafe {
        libc::fflush(ptr::null_mut());
        let (mut kind, mut value, mut trace) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        ffi::PyErr_Fetch(&mut kind, &mut value, &mut trace);
        ffi::PyErr_NormalizeException(&mut kind, &mut value, &mut trace);
        let (_kind, value, _trace) =
            (Object::owned(kind), Object::owned(value), Object::owned(trace));
        let Some(code) = value.and_then(|value| value.attribute(c"code")) else { return 0 };
        if code.as_ptr() == ffi::Py_None() {
            return 0;
        }
        if ffi::PyLong_Check(code.as_ptr()) != 0 {
            let status = ffi::PyLong_AsLong(code.as_ptr());
            ffi::PyErr_Clear();
            return status as c_int;
        }
        let stderr = ffi::PySys_GetObject(c"stderr".as_ptr());
        if !stderr.is_null() && stderr != ffi::Py_None() {
            ffi::PyFile_WriteObject(code.as_ptr(), stderr, ffi::Py_PRINT_RAW);
            ffi::PyErr_Clear();
        }
        ffi::PySys_WriteStderr(c"\n".as_ptr());
        1
    }
}

/// An exception set aside while something else runs.
struct PendingException([*mut ffi::PyObject; 3]);

#[allow(deprecated)] // As in `system_exit`.
impl PendingException {
    /// # Safety
    /// GIL.
    unsafe fn take() -> PendingException {
        let mut parts = [ptr::null_mut(); 3];
        let [kind, value, trace] = &mut parts;
        // SAFETY: GIL by the caller; three places to write to.
        unsafe { ffi::PyErr_Fetch(kind, value, trace) };
        PendingException(parts)
    }

    /// # Safety
    /// GIL.
    unsafe fn restore(self) {
        let [kind, value, trace] = self.0;
        // SAFETY: GIL by the caller; the references are given back.
        unsafe { ffi::PyErr_Restore(kind, value, trace) };
    }
}
