//! Running a program to its end in the foreground, as a shell would: signals of the terminal are the program's, others are handed
//! on, and what it used is known in the end.

use crate::limits::Limits;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

/// What a program used, and how it ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// Wall time.
    pub wall: Duration,
    /// CPU time of the program and of those of its children that it waited for.
    pub cpu: Duration,
}

/// The program that signals are handed on to; 0 for none.
static PROGRAM: AtomicI32 = AtomicI32::new(0);

extern "C" fn hand_on(signal: libc::c_int) {
    let program = PROGRAM.load(Ordering::Relaxed);
    if program > 0 {
        // SAFETY: kill may be called in a handler; the program has not been waited for as long as its number is here.
        unsafe { libc::kill(program, signal) };
    }
}

/// Runs a program to its end under some limits. While it runs, SIGINT and SIGQUIT are left to it, as the terminal sends them to it
/// as well, and SIGTERM and SIGHUP are handed on.
///
/// # Errors
/// Where it cannot be started.
pub fn run(command: &mut Command, limits: &mut Limits) -> io::Result<Ended> {
    limits.prepare(command);
    let began = Instant::now();
    let child = command.spawn()?;
    let pid = child.id() as i32;
    PROGRAM.store(pid, Ordering::Relaxed);
    let before = Dispositions::set();
    let mut status = 0;
    // SAFETY: rusage is plain data, for which zeros are valid.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        let options = if limits.tick(pid as u32) { libc::WNOHANG } else { 0 };
        // SAFETY: the child is ours; both variables outlive the call.
        let ended = unsafe { libc::wait4(pid, &raw mut status, options, &raw mut usage) };
        match ended {
            0 => {}
            _ if ended == pid => break,
            _ if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            _ => return Err(io::Error::last_os_error()),
        }
    }
    let wall = began.elapsed();
    PROGRAM.store(0, Ordering::Relaxed);
    before.restore();
    let time = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
    Ok(Ended {
        status: ExitStatus::from_raw(status),
        wall,
        cpu: time(usage.ru_utime) + time(usage.ru_stime),
    })
}

/// What four signals did before.
struct Dispositions([(libc::c_int, libc::sighandler_t); 4]);

impl Dispositions {
    fn set() -> Dispositions {
        let handler = hand_on as *const () as libc::sighandler_t;
        let wanted = [
            (libc::SIGINT, libc::SIG_IGN),
            (libc::SIGQUIT, libc::SIG_IGN),
            (libc::SIGTERM, handler),
            (libc::SIGHUP, handler),
        ];
        // SAFETY: the handler calls what may be called in one.
        Dispositions(
            wanted.map(|(signal, action)| (signal, unsafe { libc::signal(signal, action) })),
        )
    }

    fn restore(self) {
        for (signal, action) in self.0 {
            // SAFETY: gives back what `signal` returned.
            unsafe { libc::signal(signal, action) };
        }
    }
}

/// Ends this process as a program ended that was killed by a signal, so that whoever waits sees the same. Returns where the signal
/// does not kill.
pub fn die_by(signal: i32) {
    // SAFETY: system calls on this process alone; without a core file of this process, whose death is not the news.
    unsafe {
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}
