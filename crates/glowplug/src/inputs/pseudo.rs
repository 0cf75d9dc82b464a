//! Paths under /proc, /sys and /dev: no files that could be stamped.

use std::path::{Component, Path};

/// What reading a pseudo file means for an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pseudo {
    /// Tells nothing that could be kept, or something that every thaw renews.
    Ignore,
    /// A fact about the host that rarely changes and can be compared: its contents are an input.
    Compare,
    /// A fact about the host or the process that changes all the time: noted, not compared.
    Note,
    /// A device whose state is not in the process's memory.
    Device,
    /// Something about another process.
    OtherProcess,
}

/// Devices without a state.
const HARMLESS_DEVICES: &[&str] =
    &["null", "zero", "full", "random", "urandom", "tty", "stdin", "stdout", "stderr"];

/// Facts that pools and allocators size themselves by, compared by contents.
const COMPARED: &[&str] = &[
    "/proc/sys/kernel/random/boot_id",
    "/proc/sys/vm/overcommit_memory",
    "/sys/devices/system/cpu/online",
    "/sys/devices/system/cpu/possible",
    "/sys/devices/system/cpu/present",
    "/sys/kernel/mm/transparent_hugepage/enabled",
    "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size",
];

/// The same for the control group: limits, whatever group they are of.
const COMPARED_LIMITS: &[&str] = &[
    "cpu.max",
    "cpu.cfs_quota_us",
    "cpu.cfs_period_us",
    "cpuset.cpus",
    "cpuset.cpus.effective",
    "memory.max",
    "memory.limit_in_bytes",
];

/// What the process learns about itself and forgets, or finds the same after a thaw.
const IGNORED_OF_SELF: &[&str] = &["exe", "fd", "fdinfo", "maps", "smaps", "auxv", "cmdline"];

/// What `path` is, or `None` for an ordinary file; `pid` is the process that was recorded.
pub(super) fn classify(path: &Path, pid: u64) -> Option<Pseudo> {
    let text = path.to_str()?;
    let mut parts = path.components().skip(1).map(Component::as_os_str);
    let top = parts.next()?.to_str()?;
    let second = parts.next().and_then(|part| part.to_str());
    let third = parts.next().and_then(|part| part.to_str());
    match top {
        "proc" => Some(process_file(text, second, third, pid)),
        "sys" => Some(system_file(path, text)),
        "dev" => device(second),
        _ => None,
    }
}

/// Whether opening `path` tells something that no image can hold: the state of a device, or of another process than `pid`.
pub fn is_unrepeatable(path: &Path, pid: u64) -> bool {
    matches!(classify(path, pid), Some(Pseudo::Device | Pseudo::OtherProcess))
}

fn process_file(text: &str, second: Option<&str>, third: Option<&str>, pid: u64) -> Pseudo {
    match second {
        None | Some("filesystems" | "mounts") => Pseudo::Ignore,
        Some("self" | "thread-self") => of_self(third),
        Some(other) if other.bytes().all(|byte| byte.is_ascii_digit()) => {
            if other.parse() == Ok(pid) { of_self(third) } else { Pseudo::OtherProcess }
        }
        Some(_) if COMPARED.contains(&text) => Pseudo::Compare,
        Some(_) => Pseudo::Note,
    }
}

fn of_self(file: Option<&str>) -> Pseudo {
    match file {
        None => Pseudo::Ignore,
        Some(file) if IGNORED_OF_SELF.contains(&file) => Pseudo::Ignore,
        Some(_) => Pseudo::Note,
    }
}

fn system_file(path: &Path, text: &str) -> Pseudo {
    let limit = path.file_name().and_then(|name| name.to_str());
    let in_group = text.starts_with("/sys/fs/cgroup/");
    if COMPARED.contains(&text) || in_group && limit.is_some_and(|n| COMPARED_LIMITS.contains(&n)) {
        Pseudo::Compare
    } else {
        Pseudo::Note
    }
}

/// /dev/shm holds ordinary files.
fn device(second: Option<&str>) -> Option<Pseudo> {
    match second {
        Some("shm") => None,
        None | Some("fd" | "pts") => Some(Pseudo::Ignore),
        Some(name) if HARMLESS_DEVICES.contains(&name) => Some(Pseudo::Ignore),
        Some(_) => Some(Pseudo::Device),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str) -> Option<Pseudo> {
        classify(Path::new(path), 42)
    }

    #[test]
    fn each_class_has_its_examples() {
        assert_eq!(of("/home/me/proc"), None);
        assert_eq!(of("/dev/shm/sem.x"), None);
        assert_eq!(of("/dev/urandom"), Some(Pseudo::Ignore));
        assert_eq!(of("/dev/nvidia0"), Some(Pseudo::Device));
        assert_eq!(of("/proc/self/maps"), Some(Pseudo::Ignore));
        assert_eq!(of("/proc/42/fd/3"), Some(Pseudo::Ignore));
        assert_eq!(of("/proc/43/stat"), Some(Pseudo::OtherProcess));
        assert_eq!(of("/proc/cpuinfo"), Some(Pseudo::Note));
        assert_eq!(of("/proc/self/cgroup"), Some(Pseudo::Note));
        assert_eq!(of("/sys/fs/cgroup/user.slice/cpu.max"), Some(Pseudo::Compare));
        assert_eq!(of("/sys/devices/system/cpu/online"), Some(Pseudo::Compare));
        assert_eq!(of("/sys/fs/cgroup/cpu.stat"), Some(Pseudo::Note));
    }
}
