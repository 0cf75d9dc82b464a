//! Tries in a child what the kernel, and a filter of system calls in front of it, lets a process do.
//!
//! A filter says nowhere what it refuses, and may kill who asks; so each call is made for real, by a child of its own that has nothing to
//! lose.

use crate::Process;
use rustix::process::{Pid, WaitOptions};
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

/// Something that freezing or thawing does and that may be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `prctl(PR_SET_MM, PR_SET_MM_MAP)` with the layout that the process has, and no executable: moves the heap's end.
    SetLayout,
    /// `prctl(PR_SET_CHILD_SUBREAPER)`: adopts what the imports leave behind.
    AdoptOrphans,
    /// `arch_prctl(ARCH_SET_FS)`: the thread pointer.
    SetThreadPointer,
    /// `mmap` with `MAP_FIXED_NOREPLACE` (Linux 4.17).
    MapAtAddress,
    /// `mprotect` of memory that was written to, making it executable.
    ExecuteWritten,
    /// `memfd_create`.
    MemoryFile,
    /// `madvise(MADV_WIPEONFORK)` (Linux 4.14).
    WipeOnFork,
    /// `madvise(MADV_POPULATE_WRITE)` (Linux 5.14).
    Populate,
    /// `mmap` with `MAP_DROPPABLE` (Linux 6.11).
    MapDroppable,
    /// `madvise(MADV_GUARD_INSTALL)` (Linux 6.13).
    InstallGuard,
    /// `rseq`, with arguments that the kernel finds wrong.
    RestartableSequences,
    /// `setsid`.
    NewSession,
    /// `arch_prctl(ARCH_SET_CPUID)`: `cpuid` traps (Linux 4.12, where the CPU can do that).
    TrapCpuid,
}

/// Why a call was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It failed, with this error number.
    Error(i32),
    /// The child was killed for it, by this signal.
    Killed(i32),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::Error(libc::EPERM) => f.write_str("not permitted"),
            Refusal::Error(libc::ENOSYS) => f.write_str("not there"),
            Refusal::Error(libc::EINVAL) => f.write_str("not known to this kernel"),
            Refusal::Error(number) => io::Error::from_raw_os_error(*number).fmt(f),
            Refusal::Killed(signal) => write!(f, "killed by signal {signal}"),
        }
    }
}

impl Call {
    /// Makes the call in a child.
    ///
    /// # Errors
    /// How it was refused; also where no child can be started.
    pub fn attempt(self) -> Result<(), Refusal> {
        // What has to be read or allocated for a call is got ready here: the child only makes system calls.
        let layout = if self == Call::SetLayout { own_layout() } else { None };
        in_child(|| match self {
            Call::SetLayout => set_layout(layout.as_ref()),
            _ => self.make(),
        })
    }

    /// Makes the call in this process, which it changes.
    fn make(self) -> libc::c_long {
        const SUBREAPER: libc::c_int = 36;
        const SET_FS: libc::c_long = 0x1002;
        const GET_FS: libc::c_long = 0x1003;
        const SET_CPUID: libc::c_long = 0x1012;
        const DROPPABLE: libc::c_int = 8;
        const WIPE_ON_FORK: libc::c_int = 18;
        const POPULATE_WRITE: libc::c_int = 23;
        const GUARD_INSTALL: libc::c_int = 102;
        // SAFETY: in a child of its own, which leaves with `_exit` right after. Mappings are new ones; the thread pointer is set to
        // what it is.
        unsafe {
            match self {
                // Made where the layout is known.
                Call::SetLayout => 0,
                Call::AdoptOrphans => libc::prctl(SUBREAPER, 1, 0, 0, 0).into(),
                Call::SetThreadPointer => {
                    let mut pointer = 0u64;
                    match libc::syscall(libc::SYS_arch_prctl, GET_FS, &raw mut pointer) {
                        0 => libc::syscall(libc::SYS_arch_prctl, SET_FS, pointer),
                        refused => refused,
                    }
                }
                Call::MapAtAddress => at_free_address(),
                Call::ExecuteWritten => with_page(|page| {
                    page.cast::<u8>().write(0xc3);
                    libc::mprotect(page, PAGE, libc::PROT_READ | libc::PROT_EXEC)
                }),
                Call::MemoryFile => {
                    libc::memfd_create(c"glowplug".as_ptr(), libc::MFD_CLOEXEC).into()
                }
                Call::WipeOnFork => with_page(|page| libc::madvise(page, PAGE, WIPE_ON_FORK)),
                Call::Populate => with_page(|page| libc::madvise(page, PAGE, POPULATE_WRITE)),
                Call::InstallGuard => with_page(|page| libc::madvise(page, PAGE, GUARD_INSTALL)),
                Call::MapDroppable => is_mapped(map(std::ptr::null_mut(), DROPPABLE)),
                Call::RestartableSequences => match libc::syscall(libc::SYS_rseq, 0, 0, 0, 0) {
                    -1 if *libc::__errno_location() == libc::EINVAL => 0,
                    answered => answered,
                },
                Call::NewSession => libc::setsid().into(),
                Call::TrapCpuid => libc::syscall(libc::SYS_arch_prctl, SET_CPUID, 0),
            }
        }
    }
}

const PAGE: usize = crate::process::PAGE as usize;

/// A new anonymous page; `kind` is `MAP_PRIVATE` or another one, with further flags.
///
/// # Safety
/// With an address, `kind` must not let anything be replaced.
unsafe fn map(address: *mut libc::c_void, kind: libc::c_int) -> *mut libc::c_void {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: by the caller.
    unsafe { libc::mmap(address, PAGE, protection, kind | libc::MAP_ANONYMOUS, -1, 0) }
}

fn is_mapped(address: *mut libc::c_void) -> libc::c_long {
    if address == libc::MAP_FAILED { -1 } else { 0 }
}

/// The answer of a call on a new private page.
///
/// # Safety
/// As `call`, which gets the address of a writable page.
unsafe fn with_page(call: impl FnOnce(*mut libc::c_void) -> libc::c_int) -> libc::c_long {
    // SAFETY: nothing is replaced.
    let page = unsafe { map(std::ptr::null_mut(), libc::MAP_PRIVATE) };
    if page == libc::MAP_FAILED { -1 } else { call(page).into() }
}

/// Maps a page at the address of one that has just been unmapped.
fn at_free_address() -> libc::c_long {
    // SAFETY: the page is this function's own, and `MAP_FIXED_NOREPLACE` replaces nothing; older kernels take the address for a hint.
    unsafe {
        let page = map(std::ptr::null_mut(), libc::MAP_PRIVATE);
        if page == libc::MAP_FAILED || libc::munmap(page, PAGE) != 0 {
            return -1;
        }
        is_mapped(map(page, libc::MAP_PRIVATE | libc::MAP_FIXED_NOREPLACE))
    }
}

/// `struct prctl_mm_map` of this process, as it is.
fn own_layout() -> Option<[u64; 13]> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<u64> = text
        .rsplit_once(')')?
        .1
        .split_ascii_whitespace()
        .map(|field| field.parse().unwrap_or(0))
        .collect();
    // Counted as proc(5) does; the first behind the name is the third.
    let field = |number: usize| fields.get(number - 3).copied().unwrap_or(0);
    // SAFETY: asks where the heap ends.
    let brk = unsafe { libc::sbrk(0) } as u64;
    let no_executable = u64::from(u32::MAX) << 32;
    Some([
        field(26),
        field(27),
        field(45),
        field(46),
        field(47),
        brk,
        field(28),
        field(48),
        field(49),
        field(50),
        field(51),
        0,
        no_executable,
    ])
}

fn set_layout(layout: Option<&[u64; 13]>) -> libc::c_long {
    const SET_MM: libc::c_int = 35;
    const MAP: libc::c_ulong = 14;
    let Some(layout) = layout else { return -1 };
    // SAFETY: the kernel reads 104 bytes and only notes addresses, which are those that it has noted already.
    unsafe { libc::prctl(SET_MM, MAP, layout.as_ptr(), size_of_val(layout), 0).into() }
}

/// Maps a page of a file so that it can be executed, as thawing does with an image: not where its file system is mounted noexec.
///
/// # Errors
/// What the kernel says; an empty file can be mapped.
pub fn map_executable(file: &File) -> io::Result<()> {
    let (protection, kind) = (libc::PROT_READ | libc::PROT_EXEC, libc::MAP_PRIVATE);
    // SAFETY: a new mapping, which nothing refers to, and which goes again.
    unsafe {
        let page = libc::mmap(std::ptr::null_mut(), PAGE, protection, kind, file.as_raw_fd(), 0);
        if page == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        libc::munmap(page, PAGE);
    }
    Ok(())
}

/// Runs `call` in a child, which ends with its error number; below zero means that it failed.
fn in_child(call: impl FnOnce() -> libc::c_long) -> Result<(), Refusal> {
    let last_error = || io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL);
    // SAFETY: the child makes system calls alone and leaves with `_exit`.
    let child = match unsafe { libc::fork() } {
        -1 => return Err(Refusal::Error(last_error())),
        0 => {
            let failed = call() < 0;
            // SAFETY: ends the child without running anything of its parent's.
            unsafe { libc::_exit(if failed { last_error() } else { 0 }) }
        }
        child => child,
    };
    let status = Pid::from_raw(child)
        .and_then(|child| rustix::process::waitpid(Some(child), WaitOptions::empty()).ok()?);
    let Some((_, status)) = status else { return Err(Refusal::Error(libc::ECHILD)) };
    match (status.exit_status(), status.terminating_signal()) {
        (Some(0), _) => Ok(()),
        (_, Some(signal)) => Err(Refusal::Killed(signal)),
        (number, _) => Err(Refusal::Error(number.unwrap_or(libc::EINVAL))),
    }
}

/// Reads the memory and the page map of a child, as a freezer does.
///
/// # Errors
/// What /proc says, with the name of the file.
pub fn look_into_child() -> io::Result<()> {
    // SAFETY: the child only waits for its end.
    let child = unsafe { libc::fork() };
    if child == 0 {
        loop {
            // SAFETY: waits for a signal.
            unsafe { libc::pause() };
        }
    }
    let child = u32::try_from(child).map_err(|_| io::Error::last_os_error())?;
    let looked = look_into(Process::new(child));
    // SAFETY: the child has not been waited for, so the id is still its own.
    unsafe {
        libc::kill(child as libc::pid_t, libc::SIGKILL);
        libc::waitpid(child as libc::pid_t, std::ptr::null_mut(), 0);
    }
    looked
}

fn look_into(child: Process) -> io::Result<()> {
    let named = |name| move |error| io::Error::other(format!("/proc/PID/{name}: {error}"));
    let mappings = child.mappings().map_err(named("maps"))?;
    let mapping = mappings
        .iter()
        .find(|mapping| mapping.name == "[stack]")
        .ok_or_else(|| io::Error::other("/proc/PID/maps: it is empty"))?;
    let last = mapping.end - crate::process::PAGE;
    let pages = child.pages(last, mapping.end).map_err(named("pagemap"))?;
    if !pages.iter().all(|page| page.is_present()) {
        return Err(io::Error::other("/proc/PID/pagemap: it tells nothing"));
    }
    child.vm_flags().map_err(named("smaps"))?;
    child.threads().map_err(named("task"))?;
    let memory = child.memory().map_err(named("mem"))?;
    memory.read_exact_at(&mut [0; 16], last).map_err(named("mem"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_kernel_allows_is_allowed_and_leaves_no_trace() {
        // SAFETY: only asks.
        let session = unsafe { libc::getsid(0) };
        for call in [Call::MapAtAddress, Call::SetThreadPointer, Call::NewSession, Call::MemoryFile]
        {
            assert_eq!(call.attempt(), Ok(()), "{call:?}");
        }
        // SAFETY: as above.
        assert_eq!(unsafe { libc::getsid(0) }, session);
    }

    #[test]
    fn refusals_say_what_the_kernel_said() {
        let fail = || {
            // SAFETY: fails and changes nothing.
            unsafe { libc::syscall(-1) }
        };
        assert_eq!(in_child(fail), Err(Refusal::Error(libc::ENOSYS)));
        let die = || {
            // SAFETY: in a child of its own.
            unsafe { libc::raise(libc::SIGKILL) }.into()
        };
        assert_eq!(in_child(die), Err(Refusal::Killed(libc::SIGKILL)));
    }
}
