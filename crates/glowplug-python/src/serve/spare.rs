//! A process that was forked from a template: it waits for its request, takes over what its client has, and becomes the program.

use super::arguments::Strings;
use super::rehearsal::Hot;
use super::world::{self, World};
use super::{PARENT, branch, channel, descriptors, linux, terminal};
use crate::descriptor::Held;
use crate::thawed::{self, CommandLine, Prepared};
use glowplug_image::state::ThawInfo;
use glowplug_wire::{BRANCH, MAX_REQUEST, Reply, Request, Unfit};
use std::os::fd::RawFd;
use std::sync::atomic::Ordering;

/// What every process that is forked needs to know.
pub struct Spares<'p> {
    prepared: &'p Prepared,
    held: Option<&'p Held>,
    template: World,
    hot: Hot,
}

impl<'p> Spares<'p> {
    /// Looks at the template, in the template, and rehearses a program.
    ///
    /// # Safety
    /// As [`Hot::rehearse`].
    pub unsafe fn new(prepared: &'p Prepared, held: Option<&'p Held>) -> Spares<'p> {
        let template = World::of_this_process();
        // SAFETY: by the caller.
        let hot = unsafe { Hot::rehearse(prepared, template.stack_limit()) };
        Spares { prepared, held, template, hot }
    }

    /// Becomes a spare in a forked child, and a program when a request has come.
    ///
    /// # Safety
    /// GIL, in the only thread; the interpreter has been told of the fork.
    pub unsafe fn become_one(&self, socket: RawFd, rehearsed: bool) -> ! {
        // SAFETY: system calls on this process; the rest by the caller.
        unsafe {
            let mut all: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &all, std::ptr::null_mut());
            linux::join_one_of_its_own();
            self.hot.copy();
            if rehearsed {
                reply(socket, Reply::Ready);
            }
            match receive_calling(socket) {
                Some(Calling::Program(bytes)) => self.start(socket, &bytes),
                Some(Calling::Branch(descriptors)) => {
                    libc::close(socket);
                    branch::grow(&descriptors, self.prepared)
                }
                None => libc::_exit(0),
            }
        }
    }

    /// # Safety
    /// As [`Spares::become_one`]; signals are blocked.
    unsafe fn start(&self, socket: RawFd, bytes: &[u8]) -> ! {
        // SAFETY: by the caller.
        unsafe {
            let (request, strings) = match self.take_over(socket, bytes) {
                Ok(taken) => taken,
                Err(unfit) => {
                    reply(socket, Reply::Unfit(unfit));
                    libc::_exit(0)
                }
            };
            if let Some(held) = self.held {
                held.reopen();
            }
            PARENT.store(libc::getppid(), Ordering::Relaxed);
            let (stack_start, stack_top) = self.template.stack_of(&request);
            let info = ThawInfo {
                ignored_signals: request.ignored,
                target_kind: request.target_kind,
                target_index: request.target_index,
                stack_start,
                stack_top,
                ..ThawInfo::default()
            };
            let command_line = CommandLine::of_arrays(strings.argv, strings.envp);
            let mask = world::signal_set(request.blocked);
            linux::ignore_signals_of_libc(request.ignored);
            // They wait here as well: signals are blocked.
            for bit in (0..64).filter(|bit| request.pending >> bit & 1 != 0) {
                libc::kill(libc::getpid(), bit + 1);
            }
            let stack_limit = self.template.stack_limit();
            thawed::go_on_forked(self.prepared, &info, &command_line, &mask, stack_limit)
        }
    }

    /// Takes over what the client has; where something does not fit, nothing has been done that anybody else sees.
    ///
    /// # Safety
    /// As [`Spares::become_one`].
    unsafe fn take_over<'r>(
        &self,
        socket: RawFd,
        bytes: &'r [u8],
    ) -> Result<(Request<'r>, Strings), Unfit> {
        let request = Request::parse(bytes).map_err(|_| Unfit::Request)?;
        self.template.check(&request)?;
        // SAFETY: this process has nothing open that it needs later.
        let socket = unsafe {
            let held = self.held.map_or(0, |held| held.number());
            descriptors::take(socket, &request.descriptors, held)?
        };
        let strings = Strings::lay_out(&request);
        self.template.adopt(&request, strings.span())?;
        if request.flags & Request::TERMINAL != 0 {
            // SAFETY: by the caller.
            unsafe { terminal::take(socket)? };
        }
        reply(socket, Reply::Begun);
        // SAFETY: the socket is this function's.
        unsafe { libc::close(socket) };
        Ok((request, strings))
    }
}

/// What becomes of a spare.
enum Calling {
    /// The program of this request.
    Program(Vec<u8>),
    /// Another server's template; see [`BRANCH`] for the descriptors.
    Branch(Vec<RawFd>),
}

/// Waits to hear what is to become of this process; `None` where the other end was closed, or sends nonsense.
fn receive_calling(socket: RawFd) -> Option<Calling> {
    let mut descriptors = Vec::new();
    let mut len = [0; 4];
    if !channel::receive(socket, &mut len, &mut descriptors).ok()? {
        return None;
    }
    let len = u32::from_le_bytes(len);
    if len == BRANCH {
        return Some(Calling::Branch(descriptors));
    }
    if len > MAX_REQUEST {
        return None;
    }
    let mut bytes = vec![0; len as usize];
    let heard = channel::receive(socket, &mut bytes, &mut descriptors).ok()?;
    heard.then_some(Calling::Program(bytes))
}

fn reply(socket: RawFd, reply: Reply) {
    channel::send(socket, &[reply.to_byte()], None);
}
