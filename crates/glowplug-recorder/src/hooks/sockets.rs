//! Connecting and binding sockets.

use core::ffi::{CStr, c_int, c_void};

use libc::{sa_family_t, sockaddr, socklen_t};

use super::hooks;
use crate::controls;
use crate::notes::named;
use crate::record::Op::{self, Binding, Connection};
use crate::syscall;

hooks! {
    fn connect(socket: c_int, address: *const sockaddr, length: socklen_t) -> c_int,
        before about_to(Connection, address.cast(), length) => |result| reached(Connection, result == 0, address.cast(), length);
    fn bind(socket: c_int, address: *const sockaddr, length: socklen_t) -> c_int,
        before about_to(Binding, address.cast(), length) => |result| reached(Binding, result == 0, address.cast(), length);
}

/// Tells whoever has asked for it that a socket is about to be bound, or connected to the network.
///
/// # Safety
/// `address` must be what the real function is given, and be readable as far as `length` says: only
/// a trial run asks, and ends with what it is told.
unsafe fn about_to(op: Op, address: *const c_void, length: socklen_t) {
    let Some(tell) = controls::at_sockets() else { return };
    if (length as usize) < size_of::<sa_family_t>() || address.is_null() {
        return;
    }
    // SAFETY: by the caller; it need not be aligned for us.
    let family = unsafe { address.cast::<sa_family_t>().read_unaligned() };
    let what = match (op, c_int::from(family)) {
        (Binding, libc::AF_INET | libc::AF_INET6 | libc::AF_UNIX) => c"binding a socket",
        (Connection, libc::AF_INET | libc::AF_INET6) => c"connecting to the network",
        _ => return,
    };
    // SAFETY: it takes a C string.
    unsafe { tell(what.as_ptr()) };
}

/// Notes the kind of the address, and the path of a local one. A connection that failed or is still
/// being made has been tried all the same.
///
/// # Safety
/// `address` must be what the real function was given, of `length` bytes unless the kernel refused.
unsafe fn reached(op: Op, success: bool, address: *const c_void, length: socklen_t) {
    let refused = [libc::EFAULT, libc::EINVAL, libc::EBADF, libc::ENOTSOCK];
    let length = length as usize;
    if !success && refused.contains(&syscall::errno()) || length < size_of::<sa_family_t>() {
        return;
    }
    // SAFETY: the kernel has read the address, which is long enough for a family; it need not be
    // aligned for us.
    let family = unsafe { address.cast::<sa_family_t>().read_unaligned() };
    match c_int::from(family) {
        libc::AF_INET => named(op, b"inet"),
        libc::AF_INET6 => named(op, b"inet6"),
        libc::AF_NETLINK => named(op, b"netlink"),
        libc::AF_UNIX => {
            let name = address.cast::<u8>().wrapping_add(size_of::<sa_family_t>());
            // SAFETY: the kernel has read `length` bytes from the address.
            let name =
                unsafe { core::slice::from_raw_parts(name, length - size_of::<sa_family_t>()) };
            named(op, local_name(name));
        }
        _ => named(op, b"other"),
    }
}

/// The path of a local socket, as the program wrote it. Abstract ones have names of any bytes.
fn local_name(name: &[u8]) -> &[u8] {
    match name {
        [] | [0, ..] => b"abstract",
        path => CStr::from_bytes_until_nul(path).map_or(path, CStr::to_bytes),
    }
}
