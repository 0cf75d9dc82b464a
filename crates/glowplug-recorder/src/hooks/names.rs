//! Changing what is in a directory: names made, moved and removed.

use core::ffi::{c_char, c_int, c_uint};

use libc::{AT_FDCWD, mode_t};

use super::hooks;
use crate::notes::changed;

hooks! {
    fn unlink(path: *const c_char) -> c_int
        => |result| changed(result == 0, AT_FDCWD, path);
    fn unlinkat(directory: c_int, path: *const c_char, flags: c_int) -> c_int
        => |result| changed(result == 0, directory, path);
    fn rmdir(path: *const c_char) -> c_int
        => |result| changed(result == 0, AT_FDCWD, path);
    fn remove(path: *const c_char) -> c_int
        => |result| changed(result == 0, AT_FDCWD, path);
    fn rename(old: *const c_char, new: *const c_char) -> c_int
        => |result| moved(result, (AT_FDCWD, old), (AT_FDCWD, new));
    fn renameat(
        old_directory: c_int,
        old: *const c_char,
        new_directory: c_int,
        new: *const c_char,
    ) -> c_int
        => |result| moved(result, (old_directory, old), (new_directory, new));
    fn renameat2(
        old_directory: c_int,
        old: *const c_char,
        new_directory: c_int,
        new: *const c_char,
        flags: c_uint,
    ) -> c_int
        => |result| moved(result, (old_directory, old), (new_directory, new));
    fn mkdir(path: *const c_char, mode: mode_t) -> c_int
        => |result| changed(result == 0, AT_FDCWD, path);
    fn mkdirat(directory: c_int, path: *const c_char, mode: mode_t) -> c_int
        => |result| changed(result == 0, directory, path);
    fn symlink(target: *const c_char, path: *const c_char) -> c_int
        => |result| changed(result == 0, AT_FDCWD, path);
    fn symlinkat(target: *const c_char, directory: c_int, path: *const c_char) -> c_int
        => |result| changed(result == 0, directory, path);
    fn link(old: *const c_char, new: *const c_char) -> c_int
        => |result| made(result, AT_FDCWD, new);
    fn linkat(
        old_directory: c_int,
        old: *const c_char,
        new_directory: c_int,
        new: *const c_char,
        flags: c_int,
    ) -> c_int
        => |result| made(result, new_directory, new);
}

/// A move changes both names. A failed one does not say which of them it is about.
///
/// # Safety
/// The paths must be those that the real function has read.
unsafe fn moved(result: c_int, old: (c_int, *const c_char), new: (c_int, *const c_char)) {
    // SAFETY: handed on from our caller.
    unsafe {
        made(result, old.0, old.1);
        made(result, new.0, new.1);
    }
}

/// A name that was made, if it was.
///
/// # Safety
/// As for `moved`.
unsafe fn made(result: c_int, directory: c_int, path: *const c_char) {
    if result == 0 {
        // SAFETY: handed on from our caller.
        unsafe { changed(true, directory, path) }
    }
}
