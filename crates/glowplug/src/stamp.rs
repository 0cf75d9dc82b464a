//! The identity of a file at one time.

use glowplug_image::inputs::Stamp;
use rustix::fs::Stat;
use std::time::{Duration, SystemTime};

/// File systems take times from a clock that ticks at most this rarely; within a tick a second change leaves no trace.
const TICK: Duration = Duration::from_millis(20);

/// The stamp that `stat` shows.
pub fn of(stat: &Stat) -> Stamp {
    Stamp {
        size: u64::try_from(stat.st_size).unwrap_or(0),
        mtime_ns: nanoseconds(stat.st_mtime, stat.st_mtime_nsec),
        ctime_ns: nanoseconds(stat.st_ctime, stat.st_ctime_nsec),
        inode: stat.st_ino,
        device: u64::from(rustix::fs::major(stat.st_dev)) << 32
            | u64::from(rustix::fs::minor(stat.st_dev)),
    }
}

/// Whether the last change is long enough ago that any further one would show in the stamp.
pub fn is_settled(stamp: &Stamp) -> bool {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let limit = u64::try_from(now.saturating_sub(TICK).as_nanos()).unwrap_or(u64::MAX);
    stamp.mtime_ns < limit && stamp.ctime_ns < limit
}

/// Nanoseconds since 1970; times before count as 1970.
pub fn nanoseconds(seconds: i64, rest: impl TryInto<u64>) -> u64 {
    let seconds = u64::try_from(seconds).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(rest.try_into().unwrap_or(0))
}
