//! Which pages a program writes to whatever it does: found out once, by a program that prints a line, and copied in advance in each
//! process that is forked. A fork shares its pages with the template until it writes to them, and each such page costs a fault.

use super::arguments::Strings;
use super::linux::memory::{Memory, PAGE, Page};
use super::{linux, world};
use crate::thawed::{self, CommandLine, Prepared};
use glowplug_image::params;
use glowplug_image::state::ThawInfo;
use glowplug_wire::Request;
use std::io;

/// The program that is rehearsed.
const PROGRAM: &[u8] = b"print(1)";

/// After so many seconds a rehearsal has gone wrong.
const PATIENCE: u32 = 20;

/// Pages that are this close to each other are copied together, pages.
const GAP: usize = 1;

/// Ranges of memory that a program writes to.
#[derive(Default)]
pub struct Hot(Vec<(usize, usize)>);

impl Hot {
    /// Rehearses in a forked child. Where that goes wrong nothing is copied in advance.
    ///
    /// # Safety
    /// GIL, in the only thread; no Python frame is active, and all that the child would inherit may be lost there.
    pub unsafe fn rehearse(prepared: &Prepared, stack_limit: u64) -> Hot {
        // SAFETY: by the caller; the child is this function's.
        unsafe {
            pyo3_ffi::PyOS_BeforeFork();
            let child = libc::fork();
            if child == 0 {
                pyo3_ffi::PyOS_AfterFork_Child();
                perform(prepared, stack_limit)
            }
            pyo3_ffi::PyOS_AfterFork_Parent();
            if child < 0 {
                return Hot::default();
            }
            let mut status = 0;
            while libc::waitpid(child, &mut status, libc::WUNTRACED) < 0 {}
            if !libc::WIFSTOPPED(status) {
                return Hot::default();
            }
            let hot = pages(child).unwrap_or_default();
            libc::kill(child, libc::SIGKILL);
            while libc::waitpid(child, &mut status, 0) < 0 {}
            hot
        }
    }

    /// Copies the pages, in a forked child.
    pub fn copy(&self) {
        for &(start, len) in &self.0 {
            linux::populate(start, len);
        }
    }
}

/// Runs the program to its end, where the process stops itself.
///
/// # Safety
/// As [`Hot::rehearse`].
unsafe fn perform(prepared: &Prepared, stack_limit: u64) -> ! {
    // SAFETY: by the caller.
    unsafe {
        libc::alarm(PATIENCE);
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
        for standard in 0..3 {
            libc::dup2(null, standard);
        }
        let request = Request {
            arguments: vec![b"python", b"-c", PROGRAM],
            environment: vec![b"PATH=/usr/bin:/bin"],
            ..Request::default()
        };
        let strings = Strings::lay_out(&request);
        let info = ThawInfo {
            target_kind: params::TARGET_COMMAND,
            target_index: 2,
            flags: params::FLAG_REHEARSAL,
            ..ThawInfo::default()
        };
        let command_line = CommandLine::of_arrays(strings.argv, strings.envp);
        let mask = world::signal_set(0);
        thawed::go_on_forked(prepared, &info, &command_line, &mask, stack_limit)
    }
}

/// The pages that a stopped child has to itself.
fn pages(child: libc::pid_t) -> io::Result<Hot> {
    let memory = Memory::of(&child.to_string())?;
    let mut hot: Vec<(usize, usize)> = Vec::new();
    for (start, end) in memory.writable() {
        for Page { address, .. } in memory.pages(start, end)?.filter(Page::is_own) {
            match hot.last_mut() {
                Some((first, len))
                    if *first >= start && address - (*first + *len) <= GAP * PAGE =>
                {
                    *len = address + PAGE - *first;
                }
                _ => hot.push((address, PAGE)),
            }
        }
    }
    Ok(Hot(hot))
}
