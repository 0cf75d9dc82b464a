//! Opening files, and making temporary ones.

use core::ffi::{c_char, c_int};

use libc::{AT_FDCWD, FILE, mode_t};

use super::hooks;
use crate::notes::{Access, changed, opened};

// `open` and `openat` are variadic: with the calling convention of x86-64, the mode is in the
// register where a third or fourth parameter is, or there is garbage that nobody looks at.
hooks! {
    fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int
        => |file| opened(Access::of_flags(flags), file >= 0, AT_FDCWD, path);
    fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int
        => |file| opened(Access::of_flags(flags), file >= 0, AT_FDCWD, path);
    fn openat(directory: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int
        => |file| opened(Access::of_flags(flags), file >= 0, directory, path);
    fn openat64(directory: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int
        => |file| opened(Access::of_flags(flags), file >= 0, directory, path);
    fn __open_2(path: *const c_char, flags: c_int) -> c_int
        => |file| opened(Access::of_flags(flags), file >= 0, AT_FDCWD, path);
    fn __open64_2(path: *const c_char, flags: c_int) -> c_int
        => |file| opened(Access::of_flags(flags), file >= 0, AT_FDCWD, path);
    fn __openat_2(directory: c_int, path: *const c_char, flags: c_int) -> c_int
        => |file| opened(Access::of_flags(flags), file >= 0, directory, path);
    fn __openat64_2(directory: c_int, path: *const c_char, flags: c_int) -> c_int
        => |file| opened(Access::of_flags(flags), file >= 0, directory, path);
    fn creat(path: *const c_char, mode: mode_t) -> c_int
        => |file| opened(Access::of_flags(CREAT), file >= 0, AT_FDCWD, path);
    fn creat64(path: *const c_char, mode: mode_t) -> c_int
        => |file| opened(Access::of_flags(CREAT), file >= 0, AT_FDCWD, path);
    fn fopen(path: *const c_char, mode: *const c_char) -> *mut FILE
        => |file| opened(Access::of_mode(mode), !file.is_null(), AT_FDCWD, path);
    fn fopen64(path: *const c_char, mode: *const c_char) -> *mut FILE
        => |file| opened(Access::of_mode(mode), !file.is_null(), AT_FDCWD, path);
    fn freopen(path: *const c_char, mode: *const c_char, stream: *mut FILE) -> *mut FILE
        => |file| opened(Access::of_mode(mode), !file.is_null(), AT_FDCWD, path);
    fn freopen64(path: *const c_char, mode: *const c_char, stream: *mut FILE) -> *mut FILE
        => |file| opened(Access::of_mode(mode), !file.is_null(), AT_FDCWD, path);
    fn mkstemp(template: *mut c_char) -> c_int
        => |file| changed(file >= 0, AT_FDCWD, template);
    fn mkstemp64(template: *mut c_char) -> c_int
        => |file| changed(file >= 0, AT_FDCWD, template);
    fn mkostemp(template: *mut c_char, flags: c_int) -> c_int
        => |file| changed(file >= 0, AT_FDCWD, template);
    fn mkostemp64(template: *mut c_char, flags: c_int) -> c_int
        => |file| changed(file >= 0, AT_FDCWD, template);
    fn mkstemps(template: *mut c_char, suffix: c_int) -> c_int
        => |file| changed(file >= 0, AT_FDCWD, template);
    fn mkstemps64(template: *mut c_char, suffix: c_int) -> c_int
        => |file| changed(file >= 0, AT_FDCWD, template);
    fn mkdtemp(template: *mut c_char) -> *mut c_char
        => |path| changed(!path.is_null(), AT_FDCWD, template);
}

/// What `creat` stands for.
const CREAT: c_int = libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC;
