//! What a program inherits from the process that starts it, beside descriptors and strings.

use super::arguments::Span;
use super::linux::{self, Layout, control_group};
use glowplug_wire::{LIMITS, Request, Unfit};
use std::ffi::c_int;

/// From this soft limit on the kernel leaves less than the limit for a stack that grows, where the process was started with less: it keeps
/// so many bytes free for the stack of any process (`MIN_GAP` of x86).
const FREE_FOR_STACK: u64 = 128 << 20;

/// What a template has that its forks take over, unless a client has something else.
pub struct World {
    layout: Layout,
    stack_limit: u64,
    control_group: Vec<u8>,
    expendability: u64,
}

impl World {
    /// That of this process.
    pub fn of_this_process() -> World {
        let stack_limit = limit(libc::RLIMIT_STACK as c_int).rlim_cur;
        World {
            layout: Layout::of_this_process(),
            stack_limit,
            control_group: control_group::own(),
            expendability: linux::expendability(),
        }
    }

    /// The soft limit of the stack that the template was started with, bytes.
    pub fn stack_limit(&self) -> u64 {
        self.stack_limit
    }

    /// The bounds that the stack has under the client's limit; zeros where they stay what they are.
    pub fn stack_of(&self, request: &Request<'_>) -> (u64, u64) {
        let wanted = request.limits[libc::RLIMIT_STACK as usize].current;
        let top = self.layout.stack_top;
        if wanted >= self.stack_limit || top == 0 {
            return (0, 0);
        }
        (top.saturating_sub(wanted), top)
    }

    /// Whether this process can be what the client is, as far as that shows in advance.
    pub fn check(&self, request: &Request<'_>) -> Result<(), Unfit> {
        let stack = request.limits[libc::RLIMIT_STACK as usize].current;
        if stack > self.stack_limit && stack > FREE_FOR_STACK {
            return Err(Unfit::Limits);
        }
        Ok(())
    }

    /// Takes over what the client has. The strings are those of the client's arguments and environment.
    pub fn adopt(&self, request: &Request<'_>, strings: Span) -> Result<(), Unfit> {
        if !control_group::join(&self.control_group, request.control_group) {
            return Err(Unfit::ControlGroup);
        }
        // SAFETY: system calls that read locals, and change this process alone.
        unsafe {
            let nice = 20 - request.priority as c_int;
            if libc::getpriority(libc::PRIO_PROCESS, 0) != nice
                && libc::setpriority(libc::PRIO_PROCESS, 0, nice) != 0
            {
                return Err(Unfit::Priority);
            }
            if request.expendability != self.expendability && !linux::expend(request.expendability)
            {
                return Err(Unfit::Priority);
            }
            libc::umask(request.umask as libc::mode_t);
            if request.flags & Request::LEADS_SESSION != 0 {
                libc::setsid();
            } else if request.flags & (Request::LEADS_GROUP | Request::TERMINAL)
                == Request::LEADS_GROUP
            {
                libc::setpgid(0, 0);
            }
            if request.flags & Request::ADOPTS_ORPHANS != 0 {
                linux::adopt_orphans();
            }
            linux::set_timer_slack(request.timer_slack);
            if request.alarm != [0; 2] {
                let [value, interval] = request.alarm.map(time_of);
                linux::start_alarm(&libc::itimerval { it_value: value, it_interval: interval });
            }
            self.layout.show(strings);
            for resource in 0..LIMITS {
                let wanted = request.limits[resource];
                let wanted = libc::rlimit { rlim_cur: wanted.current, rlim_max: wanted.maximum };
                if libc::setrlimit(resource as u32, &wanted) != 0 {
                    return Err(Unfit::Limits);
                }
            }
        }
        Ok(())
    }
}

/// A set of signals from bits: `n - 1` for signal `n`.
pub fn signal_set(bits: u64) -> libc::sigset_t {
    // SAFETY: system calls on a local.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        for bit in (0..64).filter(|bit| bits >> bit & 1 != 0) {
            libc::sigaddset(&mut set, bit + 1);
        }
        set
    }
}

fn limit(resource: c_int) -> libc::rlimit {
    // SAFETY: system calls on a local.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(resource as u32, &mut limit);
        limit
    }
}

fn time_of(microseconds: u64) -> libc::timeval {
    let (seconds, rest) = (microseconds / 1_000_000, microseconds % 1_000_000);
    libc::timeval { tv_sec: seconds as libc::time_t, tv_usec: rest as libc::suseconds_t }
}
