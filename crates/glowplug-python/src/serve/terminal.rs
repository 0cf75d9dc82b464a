//! A program that is controlled by a terminal of its own. The process that was forked first leads the terminal's session, and does
//! nothing else: a program that led it could not be stopped by Ctrl-Z, as nobody in the session could let it go on.

use super::linux::{self, end_signal, stop_signal};
use glowplug_wire::{Event, Unfit};
use pyo3_ffi as ffi;
use std::ffi::c_int;
use std::os::fd::RawFd;
use std::ptr;

/// Makes the terminal among the standard descriptors this session's, and goes on in a child that has its foreground.
///
/// # Safety
/// GIL, in the only thread; all signals are blocked.
pub unsafe fn take(socket: RawFd) -> Result<(), Unfit> {
    // SAFETY: system calls; the interpreter is told of the fork.
    unsafe {
        let template = libc::getppid();
        libc::setsid();
        let terminal = (0..3).find(|&fd| libc::isatty(fd) == 1).ok_or(Unfit::Terminal)?;
        if libc::ioctl(terminal, libc::TIOCSCTTY, 0) != 0 {
            return Err(Unfit::Terminal);
        }
        let leader = libc::getpid();
        ffi::PyOS_BeforeFork();
        let program = libc::fork();
        if program != 0 {
            libc::close(socket);
            if program < 0 {
                libc::_exit(crate::EXIT_NOT_PREPARED)
            }
            lead(program, template)
        }
        ffi::PyOS_AfterFork_Child();
        linux::end_with_parent();
        if libc::getppid() != leader {
            libc::_exit(crate::EXIT_NOT_PREPARED)
        }
        libc::setpgid(0, 0);
        // Signals are blocked, or this would stop the process.
        libc::tcsetpgrp(terminal, libc::getpid());
        Ok(())
    }
}

/// Hands signals on to the program, and tells the template what becomes of it.
///
/// # Safety
/// All signals are blocked; nothing in this process is used any more.
unsafe fn lead(program: libc::pid_t, template: libc::pid_t) -> ! {
    // SAFETY: system calls on locals; the program has not been reaped as long as signals are sent to it.
    unsafe {
        linux::close_range(0, RawFd::MAX);
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut all);
        loop {
            let Some(heard) = linux::wait_for_signal(&all) else { continue };
            if heard.signal == end_signal() {
                linux::tell(template, end_signal(), heard.value);
            } else if heard.signal == libc::SIGCHLD {
                look_at(program, template);
            } else if heard.signal == libc::SIGCONT {
                libc::kill(-program, libc::SIGCONT);
            } else {
                libc::kill(program, heard.signal);
            }
        }
    }
}

/// # Safety
/// As [`lead`].
unsafe fn look_at(program: libc::pid_t, template: libc::pid_t) {
    let options = libc::WNOHANG | libc::WUNTRACED | libc::WCONTINUED;
    loop {
        let mut status = 0;
        // SAFETY: as `lead`.
        unsafe {
            if libc::waitpid(program, &mut status, options) != program {
                return;
            }
            match Event::of_wait_status(status) {
                Some(Event::Exited(status)) => libc::_exit(c_int::from(status)),
                Some(Event::Killed(signal)) => die_by(c_int::from(signal)),
                Some(Event::Stopped(signal)) => tell(template, signal),
                Some(Event::Continued) => tell(template, 0),
                None => {}
            }
        }
    }
}

/// A template that is gone is no template of this process's any more; its id may be another's only after this process has got another
/// parent, and then the signal is one that nobody minds.
fn tell(template: libc::pid_t, value: u8) {
    linux::tell(template, stop_signal(), value);
}

/// Ends this process as the program ended.
///
/// # Safety
/// As [`lead`].
unsafe fn die_by(signal: c_int) -> ! {
    // SAFETY: system calls on locals. Without a core file: this process's death is not the news.
    unsafe {
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        libc::setrlimit(libc::RLIMIT_CORE, &none);
        libc::signal(signal, libc::SIG_DFL);
        let set = super::world::signal_set(1 << (signal - 1));
        libc::kill(libc::getpid(), signal);
        libc::sigprocmask(libc::SIG_UNBLOCK, &set, ptr::null_mut());
        libc::_exit(128 + signal)
    }
}
