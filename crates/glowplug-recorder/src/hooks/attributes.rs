//! Changing what is known about a file: mode, owner, times, length, attributes; and making nodes that
//! are no files.

use core::ffi::{c_char, c_int, c_void};

use libc::{AT_FDCWD, dev_t, gid_t, mode_t, off_t, size_t, uid_t};

use super::hooks;
use crate::notes::changed;

// Buffers are handed on untouched, so their types do not matter here.
hooks! {
    fn chmod(path: *const c_char, mode: mode_t) -> c_int
        => |result| changed(result == 0, AT_FDCWD, path);
    fn fchmodat(directory: c_int, path: *const c_char, mode: mode_t, flags: c_int) -> c_int
        => |result| changed(result == 0, directory, path);
    fn chown(path: *const c_char, owner: uid_t, group: gid_t) -> c_int
        => |result| changed(result == 0, AT_FDCWD, path);
    fn lchown(path: *const c_char, owner: uid_t, group: gid_t) -> c_int
        => |result| changed(result == 0, AT_FDCWD, path);
    fn fchownat(
        directory: c_int,
        path: *const c_char,
        owner: uid_t,
        group: gid_t,
        flags: c_int,
    ) -> c_int
        => |result| changed(result == 0, directory, path);
    fn utime(path: *const c_char, times: *const c_void) -> c_int
        => |result| changed(result == 0, AT_FDCWD, path);
    fn utimes(path: *const c_char, times: *const c_void) -> c_int
        => |result| changed(result == 0, AT_FDCWD, path);
    fn utimensat(
        directory: c_int,
        path: *const c_char,
        times: *const c_void,
        flags: c_int,
    ) -> c_int
        => |result| changed(result == 0, directory, path);
    fn truncate(path: *const c_char, length: off_t) -> c_int
        => |result| changed(result == 0, AT_FDCWD, path);
    fn truncate64(path: *const c_char, length: off_t) -> c_int
        => |result| changed(result == 0, AT_FDCWD, path);
    fn setxattr(
        path: *const c_char,
        name: *const c_char,
        value: *const c_void,
        size: size_t,
        flags: c_int,
    ) -> c_int
        => |result| changed(result == 0, AT_FDCWD, path);
    fn removexattr(path: *const c_char, name: *const c_char) -> c_int
        => |result| changed(result == 0, AT_FDCWD, path);
    fn mkfifo(path: *const c_char, mode: mode_t) -> c_int
        => |result| changed(result == 0, AT_FDCWD, path);
    fn mkfifoat(directory: c_int, path: *const c_char, mode: mode_t) -> c_int
        => |result| changed(result == 0, directory, path);
    fn mknod(path: *const c_char, mode: mode_t, device: dev_t) -> c_int
        => |result| changed(result == 0, AT_FDCWD, path);
    fn mknodat(directory: c_int, path: *const c_char, mode: mode_t, device: dev_t) -> c_int
        => |result| changed(result == 0, directory, path);
}
