//! CPU times as multiples of a bare start of the same interpreter, run in turn with the program.

use super::Context;
use super::config::{Entry, Target};
use super::measure::{Failure, Runner};
use super::side::Side;
use glowplug_linux::limits::{Limits, Wanted};
use glowplug_profile::gate::budget::{Budget, CpuLimit};
use glowplug_profile::gate::comparison::{Against, Interval};
use glowplug_profile::gate::verdict::loaded_as;
use std::collections::BTreeMap;

/// A bare start: the interpreter without site and user settings, and nothing to do.
pub fn bare_start() -> Entry {
    Entry {
        name: "a bare start".to_owned(),
        target: Target::BareStart,
        span: 0..0,
        variables: Vec::new(),
        exit: 0,
        budget: Budget::default(),
        limit_spans: BTreeMap::new(),
    }
}

/// How many bare starts a program takes, under limits.
pub fn cpu_time(
    context: &Context<'_>,
    side: &Side,
    program: &Runner<'_>,
    limit: &CpuLimit,
    confidence: f64,
) -> Result<Interval, Failure> {
    let wanted = Wanted { cpus: limit.cpus, memory: limit.memory };
    if !Limits::new(wanted).holds_memory() {
        let help = "run it where control groups may be made or systemd-run works, or drop `memory`";
        return Err(Failure::unmeasured("memory cannot be limited here", help));
    }
    let bare = bare_start();
    let bare = Runner::new(context, side, &bare)?;
    let mut against = Against::new(limit.limit.0, confidence);
    loop {
        let (yardstick, whole) = (bare.timed(wanted)?, program.timed(wanted)?);
        if let Some(found) = against.push(yardstick.cpu.as_secs_f64(), whole.cpu.as_secs_f64()) {
            return Ok(found);
        }
    }
}

/// How many bare starts a module costs that nothing else would bring in; `None` where it is not loaded.
pub fn exclusive(
    context: &Context<'_>,
    side: &Side,
    program: &Runner<'_>,
    module: &str,
    multiple: f64,
    confidence: f64,
) -> Result<Option<Interval>, Failure> {
    let bare = bare_start();
    let bare = Runner::new(context, side, &bare)?;
    let mut against = Against::new(multiple, confidence);
    loop {
        let yardstick = bare.timed(Wanted::default())?.cpu.as_secs_f64();
        let profile = program.profile(1)?;
        let Some(process) = profile.main() else { return Ok(None) };
        let Some(index) = loaded_as(process, module) else { return Ok(None) };
        let cost = process.modules[index as usize].exclusive.cpu_ns as f64 / 1e9;
        if let Some(found) = against.push(yardstick, cost) {
            return Ok(Some(found));
        }
    }
}
