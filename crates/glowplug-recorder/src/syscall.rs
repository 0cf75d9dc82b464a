//! The system calls that the recorder makes itself. They bypass libc so that `errno` stays as the
//! program knows it; errors come back as negative numbers.

use core::arch::asm;
use core::ffi::{CStr, c_int};
use core::ptr::NonNull;

/// Makes a system call with up to six arguments and returns what the kernel returned.
///
/// # Safety
/// As for the call itself: the arguments must be what `number` expects, and any memory that they
/// name must be the caller's to give away.
unsafe fn call(number: libc::c_long, arguments: [usize; 6]) -> isize {
    let result: isize;
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: this is the x86-64 system call convention; the kernel keeps all registers but rax,
    // rcx and r11. The caller vouches for the arguments.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// The id of this process, never a cached one.
pub fn process_id() -> c_int {
    // SAFETY: getpid has no arguments and cannot fail.
    unsafe { call(libc::SYS_getpid, [0; 6]) as c_int }
}

/// The id of this thread.
pub fn thread_id() -> c_int {
    // SAFETY: gettid has no arguments and cannot fail.
    unsafe { call(libc::SYS_gettid, [0; 6]) as c_int }
}

/// The size of an open file in bytes, if it is one.
pub fn file_size(descriptor: c_int) -> Option<usize> {
    // SAFETY: `stat` is plain data for which all zeros is a value.
    let mut status: libc::stat = unsafe { core::mem::zeroed() };
    let arguments = [descriptor as usize, &raw mut status as usize, 0, 0, 0, 0];
    // SAFETY: the kernel writes one `struct stat`, whose layout is that of libc on x86-64.
    let result = unsafe { call(libc::SYS_fstat, arguments) };
    let regular = status.st_mode & libc::S_IFMT == libc::S_IFREG;
    (result == 0 && regular).then_some(status.st_size as usize)
}

/// Maps the first `length` bytes of an open file, shared and writable.
pub fn map_shared(descriptor: c_int, length: usize) -> Option<NonNull<u8>> {
    map(length, libc::MAP_SHARED, descriptor)
}

/// Maps `length` bytes of fresh zeros.
pub fn map_private(length: usize) -> Option<NonNull<u8>> {
    map(length, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1)
}

fn map(length: usize, flags: c_int, descriptor: c_int) -> Option<NonNull<u8>> {
    let protection = (libc::PROT_READ | libc::PROT_WRITE) as usize;
    let arguments = [0, length, protection, flags as usize, descriptor as usize, 0];
    // SAFETY: without MAP_FIXED the kernel picks an unused place, so nothing is overwritten.
    let address = unsafe { call(libc::SYS_mmap, arguments) };
    // Errors are -4095..0; no mapping starts in the last page.
    if (-4095..=0).contains(&address) { None } else { NonNull::new(address as *mut u8) }
}

/// Removes a mapping.
///
/// # Safety
/// The `length` bytes at `address` must be a mapping of ours that nobody uses any more.
pub unsafe fn unmap(address: NonNull<u8>, length: usize) {
    // SAFETY: the caller vouches that the mapping is ours and unused.
    unsafe { call(libc::SYS_munmap, [address.as_ptr() as usize, length, 0, 0, 0, 0]) };
}

/// Asks the kernel to hand a forked child zeros in place of this private page. Says whether it will
/// (Linux 4.14 and later).
pub fn wipe_on_fork(page: NonNull<u8>, length: usize) -> bool {
    let arguments = [page.as_ptr() as usize, length, libc::MADV_WIPEONFORK as usize, 0, 0, 0];
    // SAFETY: the advice changes nothing in this process.
    unsafe { call(libc::SYS_madvise, arguments) == 0 }
}

/// Closes a descriptor.
pub fn close(descriptor: c_int) {
    // SAFETY: the descriptor was handed over by the starter to be closed here.
    unsafe { call(libc::SYS_close, [descriptor as usize, 0, 0, 0, 0, 0]) };
}

/// The working directory, without its NUL. `None` where it has none that can be named.
pub fn working_directory(buffer: &mut [u8]) -> Option<&[u8]> {
    let arguments = [buffer.as_mut_ptr() as usize, buffer.len(), 0, 0, 0, 0];
    // SAFETY: the kernel writes at most `len` bytes to the buffer.
    let length = unsafe { call(libc::SYS_getcwd, arguments) };
    buffer.get(..usize::try_from(length).ok()?.checked_sub(1)?)
}

/// The target of a symbolic link. `None` for an error or where the buffer might be too small.
pub fn read_link<'b>(path: &CStr, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    let arguments = [path.as_ptr() as usize, buffer.as_mut_ptr() as usize, buffer.len(), 0, 0, 0];
    // SAFETY: the path ends in a NUL; the kernel writes at most `len` bytes to the buffer.
    let length = unsafe { call(libc::SYS_readlink, arguments) };
    let length = usize::try_from(length).ok()?;
    if length < buffer.len() { buffer.get(..length) } else { None }
}

/// Asks whether a path may be accessed so. 0, or a negative error; a bad pointer is `-EFAULT`.
pub fn access(path: *const libc::c_char, mode: c_int) -> c_int {
    // SAFETY: the kernel checks the pointer itself and writes nothing.
    unsafe { call(libc::SYS_access, [path as usize, mode as usize, 0, 0, 0, 0]) as c_int }
}

/// Writes to standard error, as far as that goes.
pub fn complain(text: &[u8]) {
    let arguments = [libc::STDERR_FILENO as usize, text.as_ptr() as usize, text.len(), 0, 0, 0];
    // SAFETY: the kernel only reads the text.
    unsafe { call(libc::SYS_write, arguments) };
}

/// `errno` of the calling thread.
pub fn errno() -> c_int {
    // SAFETY: libc returns the address of a variable that lives as long as the thread.
    unsafe { *libc::__errno_location() }
}

/// Sets `errno` of the calling thread.
pub fn set_errno(value: c_int) {
    // SAFETY: as for `errno`.
    unsafe { *libc::__errno_location() = value }
}
