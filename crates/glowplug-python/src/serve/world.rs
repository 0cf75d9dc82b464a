//! What a program inherits from the process that starts it, beside descriptors and strings.

use super::arguments::Span;
use super::control_group;
use glowplug_wire::{LIMITS, Request, Unfit};
use std::ffi::c_int;

/// `PR_SET_MM_MAP`: sets what the kernel knows of a process's layout; without an executable (-1) it needs no right.
const PR_SET_MM_MAP: libc::c_ulong = 14;

/// `struct prctl_mm_map` of linux/prctl.h.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Map {
    start_code: u64,
    end_code: u64,
    start_data: u64,
    end_data: u64,
    start_brk: u64,
    brk: u64,
    start_stack: u64,
    arg_start: u64,
    arg_end: u64,
    env_start: u64,
    env_end: u64,
    auxv: u64,
    auxv_size: u32,
    exe_fd: u32,
}

/// From this soft limit on the kernel leaves less than the limit for a stack that grows, where the process was started with less: it keeps
/// so many bytes free for the stack of any process (`MIN_GAP` of x86).
const FREE_FOR_STACK: u64 = 128 << 20;

/// How readily the kernel ends this process where memory is short.
const EXPENDABILITY: &str = "/proc/self/oom_score_adj";

/// What a template has that its forks take over, unless a client has something else.
pub struct World {
    map: Map,
    stack_top: u64,
    stack_limit: u64,
    control_group: Vec<u8>,
    expendability: u64,
}

impl World {
    /// That of this process.
    pub fn of_this_process() -> World {
        let stack_limit = limit(libc::RLIMIT_STACK as c_int).rlim_cur;
        let control_group = control_group::own();
        let expendability = std::fs::read_to_string(EXPENDABILITY).unwrap_or_default();
        let expendability = (expendability.trim().parse::<i64>().unwrap_or(0) + 1000) as u64;
        World { map: map(), stack_top: stack_top(), stack_limit, control_group, expendability }
    }

    /// The soft limit of the stack that the template was started with, bytes.
    pub fn stack_limit(&self) -> u64 {
        self.stack_limit
    }

    /// The bounds that the stack has under the client's limit; zeros where they stay what they are.
    pub fn stack_of(&self, request: &Request<'_>) -> (u64, u64) {
        let wanted = request.limits[libc::RLIMIT_STACK as usize].current;
        if wanted >= self.stack_limit || self.stack_top == 0 {
            return (0, 0);
        }
        (self.stack_top.saturating_sub(wanted), self.stack_top)
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
            if request.expendability != self.expendability && !expend(request.expendability) {
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
                libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1);
            }
            libc::prctl(libc::PR_SET_TIMERSLACK, request.timer_slack);
            if request.alarm != [0; 2] {
                let [value, interval] = request.alarm.map(time_of);
                let timer = libc::itimerval { it_value: value, it_interval: interval };
                libc::syscall(libc::SYS_setitimer, libc::ITIMER_REAL, &raw const timer, 0);
            }
            self.show(strings);
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

    /// Shows the client's arguments and environment in `/proc/self`. Where the kernel does not let us, the template's are shown.
    fn show(&self, strings: Span) {
        let map = Map {
            // SAFETY: asks where the heap ends.
            brk: unsafe { libc::sbrk(0) } as u64,
            arg_start: strings.arguments,
            arg_end: strings.environment,
            env_start: strings.environment,
            env_end: strings.end,
            exe_fd: u32::MAX,
            ..self.map
        };
        let (size, none) = (size_of::<Map>() as libc::c_ulong, 0 as libc::c_ulong);
        // SAFETY: the kernel reads the struct, and checks the addresses, which it uses to show memory alone; the heap stays where it is.
        unsafe { libc::prctl(libc::PR_SET_MM, PR_SET_MM_MAP, &raw const map, size, none) };
    }
}

/// Ignores those of libc's own signals that are among the bits: its posix_spawn leaves them so, and its functions refuse to.
pub fn ignore_signals_of_libc(bits: u64) {
    /// SIGCANCEL and SIGSETXID (nptl, since 2.4).
    const OWN: [c_int; 2] = [32, 33];
    let action = [libc::SIG_IGN, 0, 0, 0];
    for signal in OWN.into_iter().filter(|signal| bits >> (signal - 1) & 1 != 0) {
        let none = std::ptr::null_mut::<usize>();
        // SAFETY: the kernel's struct of four words; ignoring a signal runs no code. A spare has one thread, which cancels none.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, action.as_ptr(), none, 8) };
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

/// Has the kernel end this process so readily where memory is short; `false` where that is less readily than it may be.
fn expend(expendability: u64) -> bool {
    let adjustment = expendability as i64 - 1000;
    std::fs::write(EXPENDABILITY, adjustment.to_string()).is_ok()
}

fn time_of(microseconds: u64) -> libc::timeval {
    let (seconds, rest) = (microseconds / 1_000_000, microseconds % 1_000_000);
    libc::timeval { tv_sec: seconds as libc::time_t, tv_usec: rest as libc::suseconds_t }
}

/// The layout from `/proc/self/stat`; fields are counted from the last parenthesis, as the name before may hold anything.
fn map() -> Map {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
    let fields: Vec<u64> =
        fields.split_ascii_whitespace().map(|field| field.parse().unwrap_or(0)).collect();
    let field = |number: usize| fields.get(number - 3).copied().unwrap_or(0);
    Map {
        start_code: field(26),
        end_code: field(27),
        start_stack: field(28),
        start_data: field(45),
        end_data: field(46),
        start_brk: field(47),
        ..Map::default()
    }
}

/// One past the last address of the main thread's stack; 0 where it is not told.
fn stack_top() -> u64 {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let line = maps.lines().find(|line| line.ends_with("[stack]"));
    let end = line.and_then(|line| line.split(['-', ' ']).nth(1));
    end.and_then(|end| u64::from_str_radix(end, 16).ok()).unwrap_or(0)
}
