//! Sockets that carry messages of fixed length, and descriptors with them.

use super::linux;
use std::ffi::{c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::ptr;

/// Most descriptors that one message carries: the kernel's limit is 253.
const MOST: usize = 253;

/// Room for the control message of `MOST` descriptors, in words, for its alignment.
const CONTROL_WORDS: usize = 2 + (MOST * size_of::<c_int>()).div_ceil(8) + 1;

/// Reads as many bytes as `bytes` has, and the descriptors that come with them, which are closed on exec. `false` at the end of the
/// stream.
pub fn receive(socket: RawFd, bytes: &mut [u8], descriptors: &mut Vec<RawFd>) -> io::Result<bool> {
    let mut done = 0;
    while done < bytes.len() {
        match receive_some(socket, &mut bytes[done..], descriptors) {
            Ok(0) if done == 0 => return Ok(false),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

fn receive_some(
    socket: RawFd,
    bytes: &mut [u8],
    descriptors: &mut Vec<RawFd>,
) -> io::Result<usize> {
    let mut control = [MaybeUninit::<u64>::uninit(); CONTROL_WORDS];
    let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: the header is plain data and points at buffers that outlive the call, with their true lengths; the kernel fills in the
    // control messages, which the macros walk.
    unsafe {
        let mut header: libc::msghdr = std::mem::zeroed();
        header.msg_iov = &raw mut part;
        header.msg_iovlen = 1;
        header.msg_control = control.as_mut_ptr().cast::<c_void>();
        header.msg_controllen = size_of_val(&control);
        let count = libc::recvmsg(socket, &raw mut header, linux::CLOSED_ON_EXEC);
        if count < 0 {
            return Err(io::Error::last_os_error());
        }
        let mut message = libc::CMSG_FIRSTHDR(&raw const header);
        while !message.is_null() {
            if (*message).cmsg_level == libc::SOL_SOCKET && (*message).cmsg_type == libc::SCM_RIGHTS
            {
                let len = (*message).cmsg_len - libc::CMSG_LEN(0) as usize;
                let data = libc::CMSG_DATA(message).cast::<c_int>();
                descriptors
                    .extend((0..len / size_of::<c_int>()).map(|i| data.add(i).read_unaligned()));
            }
            message = libc::CMSG_NXTHDR(&raw const header, message);
        }
        Ok(count as usize)
    }
}

/// Sends bytes, and a descriptor with them. `false` where the other end is gone.
pub fn send(socket: RawFd, bytes: &[u8], descriptor: Option<RawFd>) -> bool {
    let mut control = [0u64; 3];
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: as in `receive_some`; the control buffer has room for one descriptor (CMSG_SPACE(4) is 24).
    unsafe {
        let mut header: libc::msghdr = std::mem::zeroed();
        header.msg_iov = &raw mut part;
        header.msg_iovlen = 1;
        if let Some(descriptor) = descriptor {
            header.msg_control = control.as_mut_ptr().cast::<c_void>();
            header.msg_controllen = libc::CMSG_SPACE(size_of::<c_int>() as u32) as usize;
            let message = libc::CMSG_FIRSTHDR(&raw const header);
            (*message).cmsg_level = libc::SOL_SOCKET;
            (*message).cmsg_type = libc::SCM_RIGHTS;
            (*message).cmsg_len = libc::CMSG_LEN(size_of::<c_int>() as u32) as usize;
            ptr::write_unaligned(libc::CMSG_DATA(message).cast::<c_int>(), descriptor);
        }
        loop {
            let count = libc::sendmsg(socket, &raw const header, linux::WITHOUT_SIGNAL);
            if count >= 0 {
                return count as usize == bytes.len();
            }
            if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
                return false;
            }
        }
    }
}
