//! A process that was forked from a template and becomes the template of another server, with more imports than the first. What both have
//! imported lies in their memory once.

use crate::job::Freezer;
use crate::still;
use crate::thawed::Prepared;
use crate::{EXIT_NOT_PREPARED, native};
use std::os::fd::RawFd;

/// Preloads what it is asked to, and then serves in a forked child. The descriptors are those of [`glowplug_wire::BRANCH`].
///
/// # Safety
/// GIL, in the only thread; no Python frame is active; nothing in this process uses another descriptor than libffi's on itself.
pub unsafe fn grow(descriptors: &[RawFd], template: &Prepared) -> ! {
    let &[conversation, record, output, folder] = descriptors else {
        // SAFETY: ends the process, which nobody else needs.
        unsafe { libc::_exit(EXIT_NOT_PREPARED) }
    };
    // SAFETY: system calls on descriptors of this function's own; the rest by the caller.
    unsafe {
        libc::setsid();
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
        for (from, standard) in [(null, 0), (output, 1), (output, 2)] {
            libc::dup2(from, standard);
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
        native::record_again(record);
        libc::fchdir(folder);
        for descriptor in [null, record, output, folder] {
            libc::close(descriptor);
        }
        let Some(mut freezer) = Freezer::at(conversation) else { libc::_exit(EXIT_NOT_PREPARED) };
        let Ok(job) = freezer.receive() else { libc::_exit(EXIT_NOT_PREPARED) };
        libc::_exit(still::prepare_more(freezer, &job, template))
    }
}
