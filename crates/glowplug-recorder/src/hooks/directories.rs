//! Listing directories.

use core::ffi::{c_char, c_int, c_void};

use libc::{AT_FDCWD, DIR};

use super::hooks;
use crate::notes::{listed, listed_descriptor};

hooks! {
    fn opendir(path: *const c_char) -> *mut DIR
        => |stream| listed(!stream.is_null(), AT_FDCWD, path);
    fn fdopendir(directory: c_int) -> *mut DIR
        => |stream| listed_descriptor(!stream.is_null(), directory);
    fn scandir(
        path: *const c_char,
        names: *mut c_void,
        filter: *mut c_void,
        compare: *mut c_void,
    ) -> c_int
        => |count| listed(count >= 0, AT_FDCWD, path);
    fn scandir64(
        path: *const c_char,
        names: *mut c_void,
        filter: *mut c_void,
        compare: *mut c_void,
    ) -> c_int
        => |count| listed(count >= 0, AT_FDCWD, path);
    fn scandirat(
        directory: c_int,
        path: *const c_char,
        names: *mut c_void,
        filter: *mut c_void,
        compare: *mut c_void,
    ) -> c_int
        => |count| listed(count >= 0, directory, path);
    fn scandirat64(
        directory: c_int,
        path: *const c_char,
        names: *mut c_void,
        filter: *mut c_void,
        compare: *mut c_void,
    ) -> c_int
        => |count| listed(count >= 0, directory, path);
}
