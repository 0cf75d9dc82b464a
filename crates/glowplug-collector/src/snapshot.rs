//! What a thread has used up at a moment.

use crate::counters;
use crate::usage;
use core::cell::Cell;
use core::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Two clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clocks {
    /// CLOCK_MONOTONIC, nanoseconds.
    pub wall_ns: u64,
    /// CPU time of the thread, nanoseconds.
    pub cpu_ns: u64,
}

impl Clocks {
    /// What went by on both since an earlier moment: none where the CPU time was taken for more then than it was, see [`NEAR_NS`].
    pub fn since(self, begin: Clocks) -> [u64; 2] {
        [self.wall_ns.saturating_sub(begin.wall_ns), self.cpu_ns.saturating_sub(begin.cpu_ns)]
    }
}

/// Number of 8-byte words of a [`snapshot`].
pub const WORDS: usize = 10;

/// How many times the CPU time was read.
static CLOCKS_READ: AtomicU64 = AtomicU64::new(0);

/// A clock, in nanoseconds.
#[inline]
pub fn clock(id: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel or its vDSO writes to the variable alone.
    unsafe { libc::clock_gettime(id, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// For so long after a reading of the CPU time, nanoseconds, the thread is taken to have run: time that it was made to wait is then
/// charged as CPU time, and as much less at the next reading. The CPU time is told by a system call, which with page tables and
/// buffers to be guarded takes up to 1.5 µs; the other clock takes a fiftieth of that.
const NEAR_NS: u64 = 100_000;

thread_local! {
    /// The last time that both clocks were read.
    static READ: Cell<Clocks> = const { Cell::new(Clocks { wall_ns: 0, cpu_ns: 0 }) };
}

/// Both clocks now.
#[inline]
pub fn clocks() -> Clocks {
    let wall_ns = clock(libc::CLOCK_MONOTONIC);
    let last = READ.get();
    let since = wall_ns.saturating_sub(last.wall_ns);
    if since < NEAR_NS {
        return Clocks { wall_ns, cpu_ns: last.cpu_ns + since };
    }
    let now = read_clocks();
    took(now.wall_ns - wall_ns);
    now
}

/// Both clocks now, whenever they were read last.
pub fn read_clocks() -> Clocks {
    CLOCKS_READ.fetch_add(1, Ordering::Relaxed);
    let cpu_ns = clock(libc::CLOCK_THREAD_CPUTIME_ID);
    let now = Clocks { wall_ns: clock(libc::CLOCK_MONOTONIC), cpu_ns };
    READ.set(now);
    now
}

/// Everything now: wall and CPU time, resident pages, allocations and their bytes, files opened, bytes read, minor and major
/// faults, time in garbage collections.
pub fn snapshot() -> [u64; WORDS] {
    let Clocks { wall_ns, cpu_ns } = clocks();
    let Faults { minor, major, .. } = faults(wall_ns);
    let counters = counters::read();
    let resident = resident_pages(minor as i64);
    [
        wall_ns,
        cpu_ns,
        resident,
        counters.allocations,
        counters.allocated_bytes,
        counters.files_opened,
        counters.bytes_read,
        minor,
        major,
        counters.gc_ns,
    ]
}

/// Page faults of a thread so far.
#[derive(Clone, Copy)]
pub struct Faults {
    wall_ns: u64,
    minor: u64,
    major: u64,
}

/// Those at a moment. As with the CPU time, what comes shortly after a reading is charged at the next.
fn faults(wall_ns: u64) -> Faults {
    thread_local! {
        static READ: Cell<Faults> = const { Cell::new(Faults { wall_ns: 0, minor: 0, major: 0 }) };
    }
    let last = READ.get();
    if wall_ns.saturating_sub(last.wall_ns) < NEAR_NS {
        return last;
    }
    let part = Timed::begin();
    let now = read_faults(wall_ns);
    part.end();
    READ.set(now);
    now
}

/// Those now, whenever they were read last.
fn read_faults(wall_ns: u64) -> Faults {
    // SAFETY: rusage is plain data, for which zeros are valid.
    let mut usage: libc::rusage = unsafe { core::mem::zeroed() };
    // SAFETY: the kernel writes to the variable alone.
    unsafe { libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage) };
    Faults { wall_ns, minor: usage.ru_minflt as u64, major: usage.ru_majflt as u64 }
}

/// What collecting took, nanoseconds; counts of allocations and reads are no part of it, as timing them would take longer than they do.
static TIMED: AtomicU64 = AtomicU64::new(0);

/// What a reading of the wall clock takes here, nanoseconds.
static READING: AtomicU64 = AtomicU64::new(0);

/// What collecting took so far: how many times the CPU time was read, nanoseconds, and how many attributes were read.
pub fn collected() -> [u64; 3] {
    [&CLOCKS_READ, &TIMED, &usage::READS].map(|counter| counter.load(Ordering::Relaxed))
}

/// A part of collecting that is being timed, by the wall clock: at each place, as often as it is passed. In a tight loop the same would
/// take less than where the program's own work has taken the caches.
#[must_use]
pub struct Timed(u64);

impl Timed {
    /// It begins.
    #[inline]
    pub fn begin() -> Timed {
        Timed(clock(libc::CLOCK_MONOTONIC))
    }

    /// It ends.
    #[inline]
    pub fn end(self) {
        took(clock(libc::CLOCK_MONOTONIC).saturating_sub(self.0) + READING.load(Ordering::Relaxed));
    }

    /// Times what is done now and then, and may take long.
    pub fn whole<T>(what: impl FnOnce() -> T) -> T {
        // CPU time: that the thread is made to wait is not the collector's work.
        let begin = clock(libc::CLOCK_THREAD_CPUTIME_ID);
        let before = TIMED.load(Ordering::Relaxed);
        let outcome = what();
        // What has been timed within it is part of it.
        TIMED.store(before, Ordering::Relaxed);
        add(clock(libc::CLOCK_THREAD_CPUTIME_ID) - begin);
        outcome
    }

    /// Learns what timing itself takes.
    pub fn calibrate() {
        const TIMES: u64 = 8;
        let begin = clock(libc::CLOCK_MONOTONIC);
        for _ in 1..TIMES {
            std::hint::black_box(clock(libc::CLOCK_MONOTONIC));
        }
        let spent = clock(libc::CLOCK_MONOTONIC) - begin;
        READING.store(spent / TIMES, Ordering::Relaxed);
    }
}

/// Adds what a part took. Where it took longer than any does, the thread was made to wait.
#[inline]
fn took(wall_ns: u64) {
    add(wall_ns.min(NEAR_NS));
}

/// Adds what was timed, or an estimate of what cannot be timed in the process.
///
/// Not one step: what another thread adds between the two is lost, which without a GIL happens now and then.
#[inline]
pub fn add(spent_ns: u64) {
    TIMED.store(TIMED.load(Ordering::Relaxed) + spent_ns, Ordering::Relaxed);
}

/// How many pages must have been faulted in since the last look for the next to be worth its 5 µs.
const WORTH_A_LOOK: i64 = 256;
static RESIDENT: AtomicU64 = AtomicU64::new(0);
static LAST_LOOK: AtomicI64 = AtomicI64::new(i64::MIN / 2);

/// The pages that the process has in memory. Between two looks each fault is taken for a page, so that growth is charged to whoever
/// caused it, and the next look puts right what that got wrong.
fn resident_pages(minor_faults: i64) -> u64 {
    let since = minor_faults.saturating_sub(LAST_LOOK.load(Ordering::Relaxed));
    if since.abs() < WORTH_A_LOOK {
        return RESIDENT.load(Ordering::Relaxed).saturating_add_signed(since.max(0));
    }
    LAST_LOOK.store(minor_faults, Ordering::Relaxed);
    let pages = Timed::whole(look_at_resident_pages);
    let pages = pages.unwrap_or_else(|| RESIDENT.load(Ordering::Relaxed));
    RESIDENT.store(pages, Ordering::Relaxed);
    pages
}

/// The second number of `/proc/self/statm`. The file is opened anew each time: a descriptor that stayed open could be closed, or
/// be seen, by the program.
fn look_at_resident_pages() -> Option<u64> {
    let mut text = [0_u8; 64];
    // SAFETY: system calls on a NUL-ended path, a descriptor that is this function's own, and a buffer of the given size. They are
    // made without libc's wrappers, which would count them as the program's.
    let length = unsafe {
        let path = c"/proc/self/statm".as_ptr();
        let flags = libc::O_RDONLY | libc::O_CLOEXEC;
        let file = libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path, flags, 0);
        if file < 0 {
            return None;
        }
        let length = libc::syscall(libc::SYS_read, file, text.as_mut_ptr(), text.len());
        libc::syscall(libc::SYS_close, file);
        length
    };
    let text = text.get(..usize::try_from(length).ok()?)?;
    std::str::from_utf8(text).ok()?.split(' ').nth(1)?.parse().ok()
}
