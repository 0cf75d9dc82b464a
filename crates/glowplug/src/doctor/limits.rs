//! Limits of this process and of its control groups, and by which means a profile can set some.

use super::{Check, Part};
use crate::settings::ByteSize;
use glowplug_linux::confinement::Imposed;
use glowplug_linux::limits::{Limits, Wanted};
use rustix::process::{Resource, getrlimit};

/// The checks of what this process is limited to.
pub fn checks() -> Vec<Check> {
    vec![address_space(), groups()]
}

fn address_space() -> Check {
    let limits = [
        (Resource::As, "address space", "images that are larger start plainly", "ulimit -v"),
        (Resource::Fsize, "file size", "larger images are not made", "ulimit -f"),
    ];
    let set: Vec<_> = limits
        .into_iter()
        .filter_map(|(resource, name, loss, means)| {
            getrlimit(resource).current.map(|limit| (ByteSize(limit), name, loss, means))
        })
        .collect();
    if set.is_empty() {
        let stack = getrlimit(Resource::Stack).current;
        let stack = stack.map_or("unlimited".to_owned(), |stack| ByteSize(stack).to_string());
        return Check::works("limits", format!("address space unlimited, stack {stack}"));
    }
    let join = |parts: Vec<String>| parts.join(", ");
    let found = join(set.iter().map(|(limit, name, ..)| format!("{name} {limit}")).collect());
    let losses = join(set.iter().map(|(_, _, loss, _)| (*loss).to_owned()).collect());
    let means = join(set.iter().map(|(.., means)| format!("`{means} unlimited`")).collect());
    Check::limited("limits", found)
        .so(losses)
        .help(format!("raise with {means}"))
        .affecting(&[Part::Run, Part::Freeze])
}

fn groups() -> Check {
    let imposed = Imposed::read();
    let processors = rustix::thread::sched_getaffinity(None).map_or(0, |set| set.count());
    let cpus = imposed.cpus.map_or(String::new(), |cpus| format!(", quota {cpus:.2}"));
    let memory = imposed.memory.map_or("unlimited".to_owned(), |m| ByteSize(m).to_string());
    Check::works("resources", format!("{processors} processors{cpus}, memory {memory}"))
}

/// The check of what `glowplug profile --cpus` and `--memory` can do.
pub fn imposing() -> Check {
    let limits = Limits::new(Wanted { cpus: Some(0.5), memory: Some(1 << 30) });
    let means = limits.method().unwrap_or("nothing");
    if limits.holds_memory() {
        return Check::works("profile limits", format!("--cpus and --memory by {means}"))
            .affecting(&[Part::Profile]);
    }
    Check::limited("profile limits", format!("--cpus by {means}; --memory by nothing"))
        .so("`profile --memory` limits nothing, `profile --cpus` is less even")
        .help("run it where a control group may be made: as root, or under systemd-run")
        .affecting(&[Part::Profile])
}
