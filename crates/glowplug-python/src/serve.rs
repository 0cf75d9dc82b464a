//! The template of a fork server: a process that has preloaded, forks for each start, and knows the processes that it has forked.
//!
//! | file | what |
//! |---|---|
//! | `template.rs` | the loop: orders of the server, ends of processes, clients that have gone |
//! | `branch.rs` | a forked process that becomes the template of another server |
//! | `spare.rs` | a forked process: waits for its request and becomes the program |
//! | `world.rs` | what it takes over from its client beside arguments and environment |
//! | `descriptors.rs` | the client's descriptors, each under its number |
//! | `arguments.rs` | arguments and environment, as the kernel would have laid them out |
//! | `rehearsal.rs` | which pages every program writes to |
//! | `arenas.rs` | the memory of Python's small objects, in one piece |
//! | `terminal.rs` | a program that is controlled by a terminal of its own |
//! | `channel.rs` | sockets that carry descriptors |
//! | `linux.rs` | all that is asked of Linux alone |
//!
//! What happens then in the interpreter is what happens after a thaw: `thawed.rs`.

mod arenas;
mod arguments;
mod branch;
mod channel;
mod descriptors;
mod linux;
mod rehearsal;
mod spare;
mod template;
mod terminal;
mod world;

pub use arenas::Gathered;

use crate::job::{Freezer, Note};
use crate::thawed::Prepared;
use std::ffi::c_int;
use std::os::fd::IntoRawFd;
use std::sync::atomic::{AtomicI32, Ordering};

/// The job's name for an interpreter that becomes a template.
pub const KIND: &[u8] = b"template";

/// The process that forked this one for a program; 0 where nobody did.
static PARENT: AtomicI32 = AtomicI32::new(0);

/// What becomes a template.
pub struct Origin {
    /// The process that has forked this one, and ends.
    pub interpreter: libc::pid_t,
    /// Where its objects lie.
    pub gathered: Option<Gathered>,
}

/// Serves as a template, and never returns.
///
/// `held` is the descriptor of libffi, if there is one.
///
/// # Safety
/// GIL, in the only thread; no Python frame is active.
pub unsafe fn serve(
    mut freezer: Freezer,
    prepared: &Prepared,
    held: Option<&crate::descriptor::Held>,
    origin: Origin,
) -> ! {
    // SAFETY: the calls ask for ids; the rest by the caller.
    unsafe {
        let number = held.map_or(0, |held| held.number());
        let note = Note {
            kind: b"template".to_vec(),
            a: libc::getpid().to_string().into_bytes(),
            b: number.to_string().into_bytes(),
        };
        if freezer.send(&[note]).is_err() {
            libc::_exit(crate::EXIT_NOT_PREPARED)
        }
        outlive(origin.interpreter);
        let arenas = origin.gathered.map_or_else(Vec::new, |gathered| gathered.end());
        linux::move_to_file(arenas);
        linux::memory::use_huge_pages();
        template::Template::new(freezer.into_socket().into_raw_fd(), prepared, held).run()
    }
}

/// Waits until the process that forked this one has ended: until then all memory is that one's as well.
fn outlive(parent: libc::pid_t) {
    /// The process does nothing any more but end, milliseconds.
    const PATIENCE: c_int = 1000;
    // SAFETY: system calls on a descriptor of this function's own. Before the parent is reaped by whoever is this one's parent then, its id
    // is no other's.
    unsafe {
        if libc::getppid() != parent {
            return;
        }
        if let Some(pidfd) = linux::process_descriptor(parent) {
            let mut entry = libc::pollfd { fd: pidfd, events: libc::POLLIN, revents: 0 };
            libc::poll(&raw mut entry, 1, PATIENCE);
            libc::close(pidfd);
        }
    }
}

/// Tells the template how the program ends, before the kernel takes down its memory, which takes longer than most programs' own end.
/// What the program has open is closed before: whoever waits for its end finds locks, ports and pipes free.
///
/// Does nothing in a thawed process, or in a child of the program.
pub fn tell_end(status: c_int) {
    let parent = PARENT.load(Ordering::Relaxed);
    // SAFETY: system calls; nothing of this process uses a descriptor from here on.
    unsafe {
        if parent == 0 || libc::getppid() != parent {
            return;
        }
        // With the program's end of its terminal, the client closes the other one, which hangs up on the program.
        libc::signal(libc::SIGHUP, libc::SIG_IGN);
        descriptors::close_at_end();
        linux::tell(parent, linux::end_signal(), (status & 0xff) as u8);
    }
}
