//! Images are made anew from time to time, though nothing that their imports read has changed: what cannot be drawn at each thaw (the
//! layout of memory, the hash seed, the stack canary, the pointer guard) would otherwise stay the same for ever.
//!
//! The start that finds an image due starts a freezer in the background and is thawed from the old image, as are all others until the new
//! one takes its place. Counting thaws must cost next to nothing, so that most starts draw a number and are done with it: one in so many
//! counts for all of them.

use crate::cache::{Cache, OpenImage};
use crate::freeze::detached;
use crate::key::{self, Digest};
use crate::runtime::Runtime;
use crate::settings::{Age, Renewal, Thaws, Via};
use crate::start::{Freezable, Start};
use rustix::rand::GetRandomFlags;
use std::ffi::CStr;
use std::time::{Duration, SystemTime};

/// A renewal that failed is not tried again before; it may fail for a reason that lasts, such as a full disk.
const RETRY: Duration = Duration::from_secs(3600);

/// Most thaws that one counted thaw stands for.
const MOST_PER_COUNT: u64 = 100;

/// Counted thaws until the limit is reached, at least: their number is what makes the count exact, to a tenth for a hundred.
const COUNTS_PER_LIMIT: u64 = 100;

/// How many thaws one counted thaw stands for.
fn thaws_per_count(limit: Thaws) -> u64 {
    limit.0.map_or(MOST_PER_COUNT, |limit| (limit / COUNTS_PER_LIMIT).clamp(1, MOST_PER_COUNT))
}

/// Whether an image of this age is due. A clock that was set back makes an image that was made in the future, which is due just as well
/// where it lies as far from now.
pub fn is_old(limit: Age, created_ns: u64, now: SystemTime) -> bool {
    let created = SystemTime::UNIX_EPOCH + Duration::from_nanos(created_ns);
    let distance = now.duration_since(created).unwrap_or_else(|ahead| ahead.duration());
    limit.0.is_some_and(|limit| distance >= limit)
}

/// Whether an image that was thawed so often is due.
pub fn is_worn(limit: Thaws, thaws: u64) -> bool {
    limit.0.is_some_and(|limit| thaws >= limit)
}

/// Whether it is too early to try again what was last tried at `trial`.
fn is_too_early(limits: Renewal, trial: Option<SystemTime>, now: SystemTime) -> bool {
    let pause = limits.age.0.map_or(RETRY, |age| age.min(RETRY));
    trial.is_some_and(|trial| now.duration_since(trial).is_ok_and(|since| since < pause))
}

/// Counts a thaw of `image`, and starts its renewal where it is due. Nothing that goes wrong keeps the program from starting.
///
/// `arguments` are those of `glowplug run`.
pub fn consider(start: &Start<'_>, freezable: &Freezable, image: &OpenImage, arguments: &[&CStr]) {
    // A sealed image belongs to files that never change, and goes with them.
    if start.settings.sealed {
        return;
    }
    let limits = start.settings.renewal;
    let per_count = thaws_per_count(limits.thaws);
    let counts = is_counted(per_count);
    let now = SystemTime::now();
    let old = is_old(limits.age, image.head().created_ns, now);
    if !counts && !old {
        return;
    }
    let Some((cache, values)) = place(start, freezable) else { return };
    let history = cache.history(&freezable.key, &values);
    let thaws = counts.then(|| history.add_thaws(per_count as usize)).flatten();
    let worn = thaws.is_some_and(|thaws| is_worn(limits.thaws, thaws));
    let wanted = start.settings.via == Via::Auto && start.may_freeze();
    if wanted && (old || worn) && !is_too_early(limits, history.last_trial(), now) {
        let _ = renew(start, freezable, image, &cache, &values, arguments);
    }
}

/// Whether this thaw is the one in `per_count` that counts for all of them.
pub fn is_counted(per_count: u64) -> bool {
    draw().is_some_and(|number| number.is_multiple_of(per_count))
}

/// A random number.
fn draw() -> Option<u64> {
    let mut bytes = [0; 8];
    let filled = rustix::rand::getrandom(&mut bytes, GetRandomFlags::NONBLOCK).ok()?;
    (filled == bytes.len()).then(|| u64::from_ne_bytes(bytes))
}

fn place(start: &Start<'_>, freezable: &Freezable) -> Option<(Cache, Digest)> {
    let cache = Cache::open(start.settings.cache_dir.as_deref()?).ok()?;
    let selector = cache.selector(&freezable.key)?;
    let values = key::of_values(selector.names(), start.environment);
    Some((cache, values))
}

/// Starts the freezer, unless one is at work or another start's has just been.
fn renew(
    start: &Start<'_>,
    freezable: &Freezable,
    image: &OpenImage,
    cache: &Cache,
    values: &Digest,
    arguments: &[&CStr],
) -> std::io::Result<()> {
    if !Runtime::find(start.environment).is_some_and(|runtime| runtime.can_record()) {
        return Ok(());
    }
    let Some(lock) = cache.lock(&freezable.key)? else { return Ok(()) };
    // Between our look at the image and the lock a freezer may have ended.
    let current = cache.open_image(&freezable.key, values);
    if current.is_ok_and(|current| current.head().created_ns != image.head().created_ns) {
        return Ok(());
    }
    cache.history(&freezable.key, values).note_trial()?;
    detached::renew(arguments, start.environment, lock)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn an_image_is_due_at_its_age_on_both_sides_of_now() {
        let created = 1_000_000 * 1_000_000_000;
        let due = |now| is_old(Age(Some(DAY)), created, at(now));
        assert!(!due(1_000_000) && !due(1_086_399) && due(1_086_400) && due(9_000_000));
        // The clock was set back after the image was made.
        assert!(!due(913_601) && due(913_600) && due(0));
        assert!(!is_old(Age(None), 0, at(9_000_000_000)));
        assert!(is_old(Age(Some(Duration::ZERO)), created, at(1_000_000)));
    }

    #[test]
    fn an_image_is_due_after_so_many_thaws() {
        assert!(!is_worn(Thaws(Some(10_000)), 9999) && is_worn(Thaws(Some(10_000)), 10_000));
        assert!(!is_worn(Thaws(None), u64::MAX));
    }

    #[test]
    fn a_count_stands_for_more_thaws_the_higher_the_limit_is() {
        let per_count = |limit| thaws_per_count(Thaws(limit));
        assert_eq!([1, 99, 199, 200, 10_000].map(|n| per_count(Some(n))), [1, 1, 1, 2, 100]);
        assert_eq!([per_count(Some(u64::MAX)), per_count(None)], [100, 100]);
    }

    #[test]
    fn what_failed_is_tried_again_after_a_pause() {
        let early = |age, trial, now| {
            is_too_early(Renewal { age: Age(age), thaws: Thaws(None) }, trial, at(now))
        };
        assert!(!early(None, None, 10_000));
        assert!(early(None, Some(at(10_000)), 13_599) && !early(None, Some(at(10_000)), 13_600));
        assert!(!early(Some(Duration::from_secs(5)), Some(at(10_000)), 10_005));
        assert!(!early(Some(Duration::ZERO), Some(at(10_000)), 10_000));
        // Tried in the future: the clock was set back.
        assert!(!early(None, Some(at(10_000)), 9_000));
    }
}
