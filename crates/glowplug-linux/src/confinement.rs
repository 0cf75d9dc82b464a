//! What this process is confined to: limits of the control groups that it is in, and what `/proc/self/status` says.

use crate::limits::own_group;
use std::fs;
use std::path::{Path, PathBuf};

/// The root of the control groups.
const GROUPS: &str = "/sys/fs/cgroup";

/// Limits of the control groups of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Imposed {
    /// Processors, as 0.1; `None` for no limit.
    pub cpus: Option<f64>,
    /// Memory, bytes; `None` for no limit.
    pub memory: Option<u64>,
}

impl Imposed {
    /// The lowest limits from the process's own groups up to the root, in either version of control groups.
    pub fn read() -> Imposed {
        let root = Path::new(GROUPS);
        let version_2 = own_group("").unwrap_or_default();
        let groups = |controller: &str| {
            let own = own_group(controller).unwrap_or_default();
            upwards(root.join(controller), &own)
        };
        let lowest = |limits: Vec<f64>| limits.into_iter().reduce(f64::min);
        let mut cpus: Vec<f64> = upwards(root.to_owned(), &version_2)
            .iter()
            .filter_map(|group| quota(&fs::read_to_string(group.join("cpu.max")).ok()?))
            .collect();
        cpus.extend(groups("cpu").iter().filter_map(|group| {
            let read = |name| fs::read_to_string(group.join(name)).ok();
            let [quota_us, period_us] = ["cpu.cfs_quota_us", "cpu.cfs_period_us"].map(read);
            quota(&format!("{} {}", quota_us?.trim(), period_us?.trim()))
        }));
        let memory = upwards(root.to_owned(), &version_2)
            .iter()
            .map(|group| group.join("memory.max"))
            .chain(groups("memory").iter().map(|group| group.join("memory.limit_in_bytes")))
            .filter_map(|file| bytes(&fs::read_to_string(file).ok()?))
            .min();
        Imposed { cpus: lowest(cpus), memory }
    }
}

/// A group and those that it is in, below `root` and with it.
fn upwards(root: PathBuf, group: &str) -> Vec<PathBuf> {
    let own = root.join(group);
    own.ancestors().take_while(|folder| folder.starts_with(&root)).map(Path::to_owned).collect()
}

/// A quota and its period, in microseconds each, as a number of processors; `max` and what is below zero are none.
fn quota(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

/// A limit of memory; `max`, and what version 1 writes where there is none, are none.
fn bytes(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|&bytes| bytes < 1 << 60)
}

/// A field of `/proc/self/status`, as `Seccomp` or `NoNewPrivs`.
pub fn status(field: &str) -> Option<String> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let value = |line: &str| line.strip_prefix(field)?.strip_prefix(':').map(str::to_owned);
    text.lines().find_map(value).map(|value| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_the_kernel_writes_them() {
        assert_eq!(quota("10000 100000\n"), Some(0.1));
        assert_eq!(quota("max 100000\n"), None);
        assert_eq!(quota("-1 100000"), None);
        assert_eq!(bytes("134217728\n"), Some(128 << 20));
        assert_eq!(bytes("max\n"), None);
        assert_eq!(bytes("9223372036854771712\n"), None);
    }

    #[test]
    fn a_group_is_in_all_those_above_it() {
        let found = upwards("/sys/fs/cgroup".into(), "a/b");
        let names: Vec<_> = found.iter().map(|path| path.display().to_string()).collect();
        assert_eq!(names, ["/sys/fs/cgroup/a/b", "/sys/fs/cgroup/a", "/sys/fs/cgroup"]);
        assert_eq!(upwards("/sys/fs/cgroup".into(), "").len(), 1);
    }

    #[test]
    fn the_status_has_fields() {
        assert_eq!(status("Threads").map(|count| count.parse::<u32>().is_ok()), Some(true));
        assert_eq!(status("Nonexistent"), None);
    }
}
