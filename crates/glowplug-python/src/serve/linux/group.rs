//! Process groups: a program leads one only where its client does.

use std::ffi::{c_int, c_void};
use std::ptr;

/// Stack of a process that does nothing, bytes.
const STACK: usize = 16 << 10;

/// Makes this process a member of a group that nobody leads and nobody else belongs to.
///
/// A group outlives its leader. The leader of this one shares the memory of this process, so that making it costs next to nothing.
///
/// # Safety
/// This process has one thread.
pub unsafe fn join_one_of_its_own() {
    // SAFETY: the child only waits, on a stack of its own, which outlives it: it has ended before this function returns.
    unsafe {
        let mut stack = vec![0u8; STACK];
        let top = stack.as_mut_ptr().add(STACK & !15).cast::<c_void>();
        // Where its end is ignored, its time is not counted as that of a child of the program.
        libc::signal(libc::SIGCHLD, libc::SIG_IGN);
        let flags = libc::CLONE_VM | libc::SIGCHLD;
        let own = libc::getpid() as usize as *mut c_void;
        let leader = libc::clone(wait_for_signal, top, flags, own);
        if leader < 0 {
            libc::setpgid(0, 0);
        } else {
            libc::setpgid(leader, leader);
            libc::setpgid(0, leader);
            libc::kill(leader, libc::SIGKILL);
            // Returns with an error when there is no child any more.
            while libc::waitpid(leader, ptr::null_mut(), 0) < 0
                && std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted
            {
            }
        }
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
    }
}

/// Waits to be killed; also where its parent is killed before it does that.
extern "C" fn wait_for_signal(parent: *mut c_void) -> c_int {
    // SAFETY: system calls without memory: this process shares its memory with its parent.
    unsafe {
        libc::syscall(libc::SYS_prctl, libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
        while libc::syscall(libc::SYS_getppid) == parent as usize as libc::c_long {
            libc::syscall(libc::SYS_pause);
        }
    }
    0
}
