//! Asking whether files are there and what they are.

use core::ffi::{c_char, c_int, c_uint, c_void};

use libc::AT_FDCWD;

use super::hooks;
use crate::notes::looked_up;
use crate::record::Op::Status;

// Buffers are handed on untouched, so their types do not matter here.
hooks! {
    fn stat(path: *const c_char, buffer: *mut c_void) -> c_int
        => |result| looked_up(Status, result == 0, AT_FDCWD, path);
    fn stat64(path: *const c_char, buffer: *mut c_void) -> c_int
        => |result| looked_up(Status, result == 0, AT_FDCWD, path);
    fn lstat(path: *const c_char, buffer: *mut c_void) -> c_int
        => |result| looked_up(Status, result == 0, AT_FDCWD, path);
    fn lstat64(path: *const c_char, buffer: *mut c_void) -> c_int
        => |result| looked_up(Status, result == 0, AT_FDCWD, path);
    fn fstatat(directory: c_int, path: *const c_char, buffer: *mut c_void, flags: c_int) -> c_int
        => |result| looked_up(Status, result == 0, directory, path);
    fn fstatat64(directory: c_int, path: *const c_char, buffer: *mut c_void, flags: c_int) -> c_int
        => |result| looked_up(Status, result == 0, directory, path);
    // What programs built for glibc before 2.33 call.
    fn __xstat(version: c_int, path: *const c_char, buffer: *mut c_void) -> c_int
        => |result| looked_up(Status, result == 0, AT_FDCWD, path);
    fn __xstat64(version: c_int, path: *const c_char, buffer: *mut c_void) -> c_int
        => |result| looked_up(Status, result == 0, AT_FDCWD, path);
    fn __lxstat(version: c_int, path: *const c_char, buffer: *mut c_void) -> c_int
        => |result| looked_up(Status, result == 0, AT_FDCWD, path);
    fn __lxstat64(version: c_int, path: *const c_char, buffer: *mut c_void) -> c_int
        => |result| looked_up(Status, result == 0, AT_FDCWD, path);
    fn __fxstatat(
        version: c_int,
        directory: c_int,
        path: *const c_char,
        buffer: *mut c_void,
        flags: c_int,
    ) -> c_int
        => |result| looked_up(Status, result == 0, directory, path);
    fn __fxstatat64(
        version: c_int,
        directory: c_int,
        path: *const c_char,
        buffer: *mut c_void,
        flags: c_int,
    ) -> c_int
        => |result| looked_up(Status, result == 0, directory, path);
    fn statx(
        directory: c_int,
        path: *const c_char,
        flags: c_int,
        mask: c_uint,
        buffer: *mut c_void,
    ) -> c_int
        => |result| looked_up(Status, result == 0, directory, path);
    fn access(path: *const c_char, mode: c_int) -> c_int
        => |result| looked_up(Status, result == 0, AT_FDCWD, path);
    fn eaccess(path: *const c_char, mode: c_int) -> c_int
        => |result| looked_up(Status, result == 0, AT_FDCWD, path);
    fn euidaccess(path: *const c_char, mode: c_int) -> c_int
        => |result| looked_up(Status, result == 0, AT_FDCWD, path);
    fn faccessat(directory: c_int, path: *const c_char, mode: c_int, flags: c_int) -> c_int
        => |result| looked_up(Status, result == 0, directory, path);
}
