//! The system calls that the restorer makes.
//!
//! Failures come back as `Err(errno)`. A call that can change memory under Rust's feet is `unsafe`; the others are safe whatever
//! they are given, since the kernel checks every pointer.

use core::arch::asm;

/// An error number of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i32);

/// `EEXIST`: something is mapped where a region belongs.
pub const EEXIST: Errno = Errno(17);

mod number {
    pub const WRITE: usize = 1;
    pub const CLOSE: usize = 3;
    pub const FSTAT: usize = 5;
    pub const MMAP: usize = 9;
    pub const MPROTECT: usize = 10;
    pub const MUNMAP: usize = 11;
    pub const BRK: usize = 12;
    pub const RT_SIGACTION: usize = 13;
    pub const MADVISE: usize = 28;
    pub const GETPID: usize = 39;
    pub const EXECVE: usize = 59;
    pub const FCNTL: usize = 72;
    pub const SIGALTSTACK: usize = 131;
    pub const PRCTL: usize = 157;
    pub const ARCH_PRCTL: usize = 158;
    pub const SET_TID_ADDRESS: usize = 218;
    pub const CLOCK_GETTIME: usize = 228;
    pub const EXIT_GROUP: usize = 231;
    pub const SET_ROBUST_LIST: usize = 273;
    pub const PRLIMIT64: usize = 302;
    pub const RSEQ: usize = 334;
}

/// `MAP_PRIVATE`.
pub const MAP_PRIVATE: usize = 2;
/// `MAP_DROPPABLE` (Linux 6.11), a mapping type.
pub const MAP_DROPPABLE: usize = 8;
/// `MAP_ANONYMOUS`.
pub const MAP_ANONYMOUS: usize = 0x20;
/// `MAP_NORESERVE`.
pub const MAP_NORESERVE: usize = 0x4000;
/// `MAP_FIXED_NOREPLACE` (Linux 4.17).
pub const MAP_FIXED_NOREPLACE: usize = 0x10_0000;
/// `PROT_READ`.
pub const PROT_READ: usize = 1;
/// `PROT_WRITE`.
pub const PROT_WRITE: usize = 2;
/// `PROT_EXEC`.
pub const PROT_EXEC: usize = 4;
/// `MADV_WIPEONFORK`.
pub const MADV_WIPEONFORK: usize = 18;
/// `MADV_POPULATE_WRITE` (Linux 5.14).
pub const MADV_POPULATE_WRITE: usize = 23;
/// `MADV_GUARD_INSTALL` (Linux 6.13).
pub const MADV_GUARD_INSTALL: usize = 102;

/// # Safety
/// As the system call: the caller answers for what the kernel may write or unmap.
#[inline(always)]
unsafe fn call(number: usize, arguments: [usize; 6]) -> Result<usize, Errno> {
    let [a, b, c, d, e, f] = arguments;
    let result: isize;
    // SAFETY: the x86-64 Linux system call convention; the caller upholds what the call itself needs.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    if (-4095..0).contains(&result) { Err(Errno(-result as i32)) } else { Ok(result as usize) }
}

/// Writes to a descriptor; how much was written does not matter to the restorer.
pub fn write(fd: usize, bytes: &[u8]) {
    // SAFETY: the kernel only reads `bytes`.
    let _ = unsafe { call(number::WRITE, [fd, bytes.as_ptr() as usize, bytes.len(), 0, 0, 0]) };
}

/// Closes a descriptor.
pub fn close(fd: usize) {
    // SAFETY: descriptors are no memory; the restorer owns the one it closes.
    let _ = unsafe { call(number::CLOSE, [fd, 0, 0, 0, 0, 0]) };
}

/// Size of the file behind a descriptor, bytes.
pub fn file_len(fd: usize) -> Result<u64, Errno> {
    let mut stat = [0u64; 18];
    // SAFETY: `struct stat` of x86-64 has 144 bytes, which `stat` has; `st_size` is its seventh word.
    unsafe { call(number::FSTAT, [fd, stat.as_mut_ptr() as usize, 0, 0, 0, 0]) }?;
    Ok(stat[6])
}

/// Lets the descriptor be closed by `execve`.
pub fn close_on_exec(fd: usize, on: bool) {
    // SAFETY: `F_SETFD` touches no memory.
    let _ = unsafe { call(number::FCNTL, [fd, 2, usize::from(on), 0, 0, 0]) };
}

/// Maps at exactly `addr`, never over something that is there. `file` is a descriptor and an offset.
///
/// Safe: a new mapping where there was none cannot be memory that Rust knows of.
pub fn map(
    addr: u64,
    len: u64,
    prot: usize,
    flags: usize,
    file: Option<(usize, u64)>,
) -> Result<(), Errno> {
    let (fd, offset) = file.map_or((usize::MAX, 0), |(fd, offset)| (fd, offset as usize));
    let flags = flags | MAP_FIXED_NOREPLACE | if file.is_none() { MAP_ANONYMOUS } else { 0 };
    // SAFETY: MAP_FIXED_NOREPLACE never replaces a mapping.
    let got =
        unsafe { call(number::MMAP, [addr as usize, len as usize, prot, flags, fd, offset]) }?;
    // A kernel before 4.17 takes the address for a hint.
    if got as u64 == addr { Ok(()) } else { Err(EEXIST) }
}

/// Changes the protection of a range.
///
/// # Safety
/// The range must be memory of the image, not of the restorer.
pub unsafe fn protect(addr: u64, len: u64, prot: usize) -> Result<(), Errno> {
    // SAFETY: by the caller.
    unsafe { call(number::MPROTECT, [addr as usize, len as usize, prot, 0, 0, 0]) }.map(drop)
}

/// Unmaps a range.
///
/// # Safety
/// Nothing may refer to the range any more.
pub unsafe fn unmap(addr: u64, len: u64) {
    // SAFETY: by the caller.
    let _ = unsafe { call(number::MUNMAP, [addr as usize, len as usize, 0, 0, 0, 0]) };
}

/// Advises the kernel on a range of the image.
///
/// # Safety
/// The range must be memory of the image; some advice changes its contents.
pub unsafe fn advise(addr: u64, len: u64, advice: usize) -> Result<(), Errno> {
    // SAFETY: by the caller.
    unsafe { call(number::MADVISE, [addr as usize, len as usize, advice, 0, 0, 0]) }.map(drop)
}

/// The end of the process's heap.
pub fn current_brk() -> u64 {
    // SAFETY: brk(0) only asks.
    unsafe { call(number::BRK, [0; 6]) }.unwrap_or(0) as u64
}

/// Asks for or sets the disposition of a signal; both are four words.
///
/// # Safety
/// A handler that is set must be code by the time the signal can arrive.
pub unsafe fn signal_action(
    signal: usize,
    new: Option<&[u64; 4]>,
    old: Option<&mut [u64; 4]>,
) -> Result<(), Errno> {
    let new = new.map_or(0, |n| n.as_ptr() as usize);
    let old = old.map_or(0, |o| o.as_mut_ptr() as usize);
    // SAFETY: kernel_sigaction is four words on x86-64; the handler is the caller's promise.
    unsafe { call(number::RT_SIGACTION, [signal, new, old, 8, 0, 0]) }.map(drop)
}

/// This process's id.
pub fn process_id() -> u64 {
    // SAFETY: touches nothing.
    unsafe { call(number::GETPID, [0; 6]) }.unwrap_or(0) as u64
}

/// Soft limit of the stack in bytes, all ones for none.
pub fn stack_limit() -> u64 {
    let mut limit = [0u64; 2];
    // SAFETY: RLIMIT_STACK (3) into `struct rlimit64`, two words.
    let _ = unsafe { call(number::PRLIMIT64, [0, 3, 0, limit.as_mut_ptr() as usize, 0, 0]) };
    limit[0]
}

/// `CLOCK_MONOTONIC` in nanoseconds.
pub fn monotonic_ns() -> u64 {
    let mut time = [0u64; 2];
    // SAFETY: `struct timespec` is two words.
    let _ = unsafe { call(number::CLOCK_GETTIME, [1, time.as_mut_ptr() as usize, 0, 0, 0, 0]) };
    time[0].wrapping_mul(1_000_000_000).wrapping_add(time[1])
}

/// Tells the kernel a new layout of the heap, the arguments and the environment (`PR_SET_MM_MAP`).
pub fn set_layout(map: &[u64; 13]) -> Result<(), Errno> {
    let (address, len) = (map.as_ptr() as usize, size_of_val(map));
    // SAFETY: the kernel reads `struct prctl_mm_map`, which has 104 bytes; it only records addresses.
    unsafe { call(number::PRCTL, [35, 14, address, len, 0, 0]) }.map(drop)
}

/// Names the process, as `ps` and `top` show it; NUL-terminated, at most 16 bytes with the NUL.
pub fn set_name(name: &[u8; 16]) {
    // SAFETY: the kernel reads 16 bytes at most.
    let _ = unsafe { call(number::PRCTL, [15, name.as_ptr() as usize, 0, 0, 0, 0]) };
}

/// Sets the alternate signal stack.
///
/// # Safety
/// The range must stay mapped while signals can arrive.
pub unsafe fn set_altstack(addr: u64, len: u64) {
    let stack = [addr, 0, len];
    // SAFETY: `stack_t` is three words, the flags being the low half of the second.
    let _ = unsafe { call(number::SIGALTSTACK, [stack.as_ptr() as usize, 0, 0, 0, 0, 0]) };
}

/// Sets where the kernel clears the thread id at exit; the result is the thread id.
///
/// # Safety
/// `addr` must be the thread's own tid word.
pub unsafe fn set_tid_address(addr: u64) -> u32 {
    // SAFETY: by the caller.
    unsafe { call(number::SET_TID_ADDRESS, [addr as usize, 0, 0, 0, 0, 0]) }.unwrap_or(0) as u32
}

/// Sets the list of robust futexes.
///
/// # Safety
/// `head` must be the thread's own list.
pub unsafe fn set_robust_list(head: u64, len: u64) {
    // SAFETY: by the caller.
    let _ = unsafe { call(number::SET_ROBUST_LIST, [head as usize, len as usize, 0, 0, 0, 0]) };
}

/// Registers the restartable-sequence area with glibc's signature.
///
/// # Safety
/// The range must be the thread's own area.
pub unsafe fn register_rseq(addr: u64, len: u64) -> Result<(), Errno> {
    // SAFETY: by the caller.
    unsafe { call(number::RSEQ, [addr as usize, len as usize, 0, 0x5305_3053, 0, 0]) }.map(drop)
}

/// Sets the thread pointer.
///
/// # Safety
/// The restorer uses no thread-local storage; the frozen thread's block must be mapped.
pub unsafe fn set_fs_base(addr: u64) {
    // SAFETY: ARCH_SET_FS; by the caller.
    let _ = unsafe { call(number::ARCH_PRCTL, [0x1002, addr as usize, 0, 0, 0, 0]) };
}

/// Replaces the program. Returns only on failure.
///
/// # Safety
/// The three pointers must be a C string and NULL-terminated arrays of them.
pub unsafe fn execute(path: *const u8, argv: *const *const u8, envp: *const *const u8) -> Errno {
    let arguments = [path as usize, argv as usize, envp as usize, 0, 0, 0];
    // SAFETY: by the caller.
    unsafe { call(number::EXECVE, arguments) }.err().unwrap_or(Errno(0))
}

/// Ends the process.
pub fn exit(status: i32) -> ! {
    loop {
        // SAFETY: ends every thread; there is one.
        let _ = unsafe { call(number::EXIT_GROUP, [status as usize, 0, 0, 0, 0, 0]) };
    }
}
