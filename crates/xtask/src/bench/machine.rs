//! The machine that a result was taken on.

use std::{env, fs, thread};

use serde::{Deserialize, Serialize};

/// What somebody needs to judge a result, and nothing that names the machine.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Machine {
    /// Model name of the CPU.
    pub cpu: String,
    /// CPUs that this process may use.
    pub cpus: usize,
    /// Kernel version, without what its builder appended.
    pub kernel: String,
    /// Name of the distribution.
    pub system: String,
    /// Instruction set.
    pub architecture: String,
    /// Memory, in MiB.
    pub memory_mib: u64,
}

/// Describes this machine; what it does not tell is "unknown" or zero.
pub fn describe() -> Machine {
    Machine {
        cpu: value("/proc/cpuinfo", "model name", ':'),
        cpus: thread::available_parallelism().map_or(0, usize::from),
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
            .map_or_else(|_| "unknown".into(), |text| version(&text).into()),
        system: value("/etc/os-release", "PRETTY_NAME", '='),
        architecture: env::consts::ARCH.into(),
        memory_mib: value("/proc/meminfo", "MemTotal", ':')
            .trim_end_matches(" kB")
            .parse::<u64>()
            .map_or(0, |kib| kib / 1024),
    }
}

fn version(release: &str) -> &str {
    release.trim().split('-').next().unwrap_or_default()
}

fn value(path: &str, key: &str, separator: char) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines = text.lines().filter_map(|line| line.split_once(separator));
    let found = lines.into_iter().find(|(name, _)| name.trim() == key);
    found.map_or_else(|| "unknown".into(), |(_, value)| value.trim().trim_matches('"').into())
}
