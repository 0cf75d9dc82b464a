//! Reading symbolic links.

use core::ffi::{c_char, c_int};

use libc::{AT_FDCWD, size_t, ssize_t};

use super::hooks;
use crate::notes::looked_up;
use crate::record::Op;

hooks! {
    fn readlink(path: *const c_char, buffer: *mut c_char, size: size_t) -> ssize_t
        => |length| looked_up(Op::Link, length >= 0, AT_FDCWD, path);
    fn readlinkat(
        directory: c_int,
        path: *const c_char,
        buffer: *mut c_char,
        size: size_t,
    ) -> ssize_t
        => |length| looked_up(Op::Link, length >= 0, directory, path);
    fn __readlink_chk(
        path: *const c_char,
        buffer: *mut c_char,
        size: size_t,
        room: size_t,
    ) -> ssize_t
        => |length| looked_up(Op::Link, length >= 0, AT_FDCWD, path);
    fn __readlinkat_chk(
        directory: c_int,
        path: *const c_char,
        buffer: *mut c_char,
        size: size_t,
        room: size_t,
    ) -> ssize_t
        => |length| looked_up(Op::Link, length >= 0, directory, path);
    fn realpath(path: *const c_char, buffer: *mut c_char) -> *mut c_char
        => |resolved| resolved_path(path, resolved);
    fn __realpath_chk(path: *const c_char, buffer: *mut c_char, room: size_t) -> *mut c_char
        => |resolved| resolved_path(path, resolved);
    fn canonicalize_file_name(path: *const c_char) -> *mut c_char
        => |resolved| resolved_path(path, resolved);
}

/// libc looks the steps of the path up by itself: what is known are its two ends.
///
/// # Safety
/// `path` must be what the real function has read, `resolved` what it returned.
unsafe fn resolved_path(path: *const c_char, resolved: *mut c_char) {
    let found = !resolved.is_null();
    // SAFETY: handed on from our caller.
    unsafe { looked_up(Op::Link, found, AT_FDCWD, path) };
    // SAFETY: the result is a NUL-ended string or null, of which no note is taken.
    unsafe { looked_up(Op::Status, true, AT_FDCWD, resolved) };
}
