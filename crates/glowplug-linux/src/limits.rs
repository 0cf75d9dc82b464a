//! Limits on the processors and the memory of a program: by a control group where one may be made, else by stopping and continuing it.

use crate::Process;
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Where control groups are.
const ROOT: &str = "/sys/fs/cgroup";
/// The period over which a quota of processors is counted, as the kernel's default.
const PERIOD: Duration = Duration::from_millis(100);
/// How often a program that is throttled here is looked at.
const LOOK: Duration = Duration::from_millis(1);
/// How often the statistics are read of a group that vanishes with the program.
const STATISTICS: Duration = Duration::from_millis(5);

/// What a program is limited to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Wanted {
    /// Processors, as 0.1; `None` for no limit.
    pub cpus: Option<f64>,
    /// Bytes; `None` for no limit.
    pub memory: Option<u64>,
}

/// Limits that are in force for one run.
#[derive(Debug)]
pub struct Limits {
    wanted: Wanted,
    means: Means,
}

/// How a program was kept from running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Throttled {
    /// For how long, all in all.
    pub time: Duration,
    /// How often.
    pub periods: u64,
}

#[derive(Debug)]
enum Means {
    None,
    /// The group's folders; in version 1 one for processors and one for memory.
    Groups(Vec<PathBuf>, &'static str),
    /// systemd-run wraps the command, in a scope that is gone when the command has ended: what it said last.
    Systemd(Throttled),
    Stopping(Throttle),
}

impl Limits {
    /// Imposes limits by the best means there are on this machine.
    pub fn new(wanted: Wanted) -> Limits {
        let means = if wanted == Wanted::default() {
            Means::None
        } else if let Some(folder) = version_2(wanted) {
            Means::Groups(vec![folder], "cgroup v2")
        } else if let Some(folders) = version_1(wanted) {
            Means::Groups(folders, "cgroup v1")
        } else if has_user_manager() {
            Means::Systemd(Throttled::default())
        } else {
            Means::Stopping(Throttle::new(wanted.cpus))
        };
        Limits { wanted, means }
    }

    /// By which means; `None` without limits.
    pub fn method(&self) -> Option<&'static str> {
        match &self.means {
            Means::None => None,
            Means::Groups(_, name) => Some(name),
            Means::Systemd(_) => Some("systemd-run"),
            Means::Stopping(_) => Some("SIGSTOP and SIGCONT"),
        }
    }

    /// Whether memory is limited as was wanted: stopping cannot do that.
    pub fn holds_memory(&self) -> bool {
        self.wanted.memory.is_none() || !matches!(self.means, Means::Stopping(_))
    }

    /// The command line in front of the program's, empty where none is needed.
    pub fn wrapper(&self) -> Vec<String> {
        if !matches!(self.means, Means::Systemd(_)) {
            return Vec::new();
        }
        let mut line: Vec<String> =
            ["systemd-run", "--user", "--scope", "--quiet"].map(str::to_owned).into();
        if let Some(cpus) = self.wanted.cpus {
            line.push(format!("--property=CPUQuota={}%", cpus * 100.0));
        }
        if let Some(memory) = self.wanted.memory {
            line.push(format!("--property=MemoryMax={memory}"));
        }
        line.push("--".to_owned());
        line
    }

    /// Makes a command start within its groups.
    pub(crate) fn prepare(&mut self, command: &mut Command) {
        match &mut self.means {
            Means::Groups(folders, _) => {
                let files: Vec<File> = folders
                    .iter()
                    .filter_map(|folder| {
                        File::options().write(true).open(folder.join("cgroup.procs")).ok()
                    })
                    .collect();
                // SAFETY: between fork and exec only write is called, on descriptors that the closure keeps open.
                unsafe {
                    command.pre_exec(move || {
                        for file in &files {
                            libc::write(file.as_raw_fd(), b"0".as_ptr().cast(), 1);
                        }
                        Ok(())
                    });
                }
            }
            Means::Stopping(throttle) => throttle.began = Instant::now(),
            Means::None | Means::Systemd(_) => {}
        }
    }

    /// Does what is to be done while the program runs, which may take a millisecond; whether there is anything of the kind.
    pub(crate) fn tick(&mut self, pid: u32) -> bool {
        match &mut self.means {
            Means::Stopping(throttle) if throttle.cpus.is_some() => {
                throttle.tick(pid);
                true
            }
            Means::Systemd(last) if self.wanted.cpus.is_some() => {
                std::thread::sleep(STATISTICS);
                *last = statistics_of_process(pid).unwrap_or(*last);
                true
            }
            _ => false,
        }
    }

    /// How the program was kept from running so far.
    pub fn throttled(&self) -> Throttled {
        match &self.means {
            Means::Stopping(throttle) => throttle.throttled,
            Means::Systemd(last) => *last,
            Means::Groups(folders, _) => {
                folders.iter().find_map(|folder| statistics(folder)).unwrap_or_default()
            }
            Means::None => Throttled::default(),
        }
    }
}

impl Drop for Limits {
    fn drop(&mut self) {
        if let Means::Groups(folders, _) = &self.means {
            for folder in folders {
                // A program that left processes behind keeps its group.
                let _ = fs::remove_dir(folder);
            }
        }
    }
}

/// `cpu.stat` of a group.
fn statistics(folder: &Path) -> Option<Throttled> {
    throttled_in(&fs::read_to_string(folder.join("cpu.stat")).ok()?)
}

/// What a `cpu.stat` of either version says.
fn throttled_in(text: &str) -> Option<Throttled> {
    let number = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(key, _)| *key == name).and_then(|(_, value)| value.parse::<u64>().ok())
    };
    let time = number("throttled_usec")
        .map(Duration::from_micros)
        .or_else(|| number("throttled_time").map(Duration::from_nanos))?;
    Some(Throttled { time, periods: number("nr_throttled").unwrap_or(0) })
}

/// `cpu.stat` of the group that a process is in.
fn statistics_of_process(pid: u32) -> Option<Throttled> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let root = Path::new(ROOT);
    let folders = [
        group_in(&text, "cpu").map(|group| root.join("cpu").join(group)),
        group_in(&text, "").map(|group| root.join(group)),
    ];
    folders.into_iter().flatten().find_map(|folder| statistics(&folder))
}

/// This process's group in a hierarchy: the path behind `0::` in version 2, behind the controller's name in version 1.
pub(crate) fn own_group(controller: &str) -> Option<String> {
    group_in(&fs::read_to_string("/proc/self/cgroup").ok()?, controller)
}

/// A group in what `/proc/PID/cgroup` says: the path behind `0::` in version 2, behind the controller's name in version 1.
fn group_in(text: &str, controller: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        controllers
            .split(',')
            .any(|name| name == controller)
            .then(|| path.trim_start_matches('/').to_owned())
    })
}

fn quota(cpus: f64) -> u64 {
    // The kernel takes no less than a millisecond.
    ((PERIOD.as_micros() as f64 * cpus) as u64).max(1000)
}

/// Makes a folder and writes files in it; removes it again where one of them cannot be written.
fn group(folder: PathBuf, files: &[(&str, String)]) -> Option<PathBuf> {
    fs::create_dir(&folder).ok()?;
    let write = |(name, value): &(&str, String)| {
        File::options()
            .write(true)
            .open(folder.join(name))
            .and_then(|mut file| file.write_all(value.as_bytes()))
    };
    if files.iter().map(write).any(|outcome| outcome.is_err()) {
        let _ = fs::remove_dir(&folder);
        return None;
    }
    Some(folder)
}

fn group_name() -> String {
    format!("glowplug-profile-{}", std::process::id())
}

fn version_2(wanted: Wanted) -> Option<PathBuf> {
    let root = Path::new(ROOT);
    if !root.join("cgroup.controllers").exists() {
        return None;
    }
    let mut files = Vec::new();
    if let Some(cpus) = wanted.cpus {
        files.push(("cpu.max", format!("{} {}", quota(cpus), PERIOD.as_micros())));
    }
    if let Some(memory) = wanted.memory {
        files.push(("memory.max", memory.to_string()));
    }
    let own = root.join(own_group("")?);
    // A group with processes of its own cannot have groups with controllers; its parent can.
    [Some(own.as_path()), own.parent()]
        .into_iter()
        .flatten()
        .filter(|folder| folder.starts_with(root))
        .find_map(|folder| group(folder.join(group_name()), &files))
        .inspect(|folder| without_swap(folder, "memory.swap.max", wanted.memory.map(|_| 0)))
}

/// Keeps a group from swapping what it may not hold, where the kernel keeps account of swap.
fn without_swap(folder: &Path, file: &str, most: Option<u64>) {
    if let Some(most) = most {
        let _ = fs::write(folder.join(file), most.to_string());
    }
}

fn version_1(wanted: Wanted) -> Option<Vec<PathBuf>> {
    let root = Path::new(ROOT);
    let mut folders = Vec::new();
    let mut make = |controller: &str, files: &[(&str, String)]| {
        let folder = root.join(controller).join(own_group(controller)?).join(group_name());
        folders.push(group(folder, files)?);
        Some(())
    };
    let processors = wanted.cpus.is_none_or(|cpus| {
        let files = [
            ("cpu.cfs_period_us", PERIOD.as_micros().to_string()),
            ("cpu.cfs_quota_us", quota(cpus).to_string()),
        ];
        make("cpu", &files).is_some()
    });
    let memory = wanted.memory.is_none_or(|memory| {
        make("memory", &[("memory.limit_in_bytes", memory.to_string())]).is_some()
    });
    if processors && memory {
        for folder in &folders {
            without_swap(folder, "memory.memsw.limit_in_bytes", wanted.memory);
        }
        return Some(folders);
    }
    for folder in folders {
        let _ = fs::remove_dir(folder);
    }
    None
}

fn has_user_manager() -> bool {
    Command::new("systemd-run")
        .args(["--user", "--scope", "--quiet", "--", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A closed loop: a program that has used up its share of a period stands still until the next one.
#[derive(Debug)]
struct Throttle {
    cpus: Option<f64>,
    began: Instant,
    throttled: Throttled,
}

impl Throttle {
    fn new(cpus: Option<f64>) -> Throttle {
        Throttle { cpus, began: Instant::now(), throttled: Throttled::default() }
    }

    /// Lets the program run for a moment, or stops it for as long as it has run ahead of its share.
    fn tick(&mut self, pid: u32) {
        let Some(cpus) = self.cpus else { return };
        std::thread::sleep(LOOK);
        let processes = family(pid);
        let used: Duration = processes.iter().map(|&pid| cpu_time(pid)).sum();
        let periods = self.began.elapsed().as_nanos() / PERIOD.as_nanos() + 1;
        let allowed = PERIOD.mul_f64(periods as f64 * cpus);
        if used < allowed {
            return;
        }
        let due = Duration::from_secs_f64(used.as_secs_f64() / cpus);
        let next = PERIOD.mul_f64((due.as_secs_f64() / PERIOD.as_secs_f64()).ceil());
        let stopped = Instant::now();
        signal(&processes, libc::SIGSTOP);
        std::thread::sleep(next.saturating_sub(self.began.elapsed()));
        signal(&processes, libc::SIGCONT);
        self.throttled.time += stopped.elapsed();
        self.throttled.periods += 1;
    }
}

/// The process and all that descend from it.
fn family(pid: u32) -> Vec<u32> {
    let mut processes = vec![pid];
    let mut at = 0;
    while at < processes.len() {
        // One that has just ended has none.
        processes.extend(Process::new(processes[at]).children().unwrap_or_default());
        at += 1;
    }
    processes
}

fn signal(processes: &[u32], signal: libc::c_int) {
    for &pid in processes {
        // SAFETY: a system call without conditions; the program has not been waited for, and its descendants were there a moment ago.
        unsafe { libc::kill(pid as libc::pid_t, signal) };
    }
}

/// CPU time of all threads of a process so far, from the scheduler's own books.
fn cpu_time(pid: u32) -> Duration {
    let mut clock = 0;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: both variables outlive the calls.
    let known = unsafe {
        libc::clock_getcpuclockid(pid as libc::pid_t, &raw mut clock) == 0
            && libc::clock_gettime(clock, &raw mut time) == 0
    };
    if known { Duration::new(time.tv_sec as u64, time.tv_nsec as u32) } else { Duration::ZERO }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_both_versions_are_found() {
        let first = "8:memory:/a/b\n3:cpu,cpuacct:/run-r1.scope\n1:name=systemd:/x\n";
        assert_eq!(group_in(first, "cpu"), Some("run-r1.scope".to_owned()));
        assert_eq!(group_in(first, ""), None);
        let second = "0::/user.slice/run-r2.scope\n";
        assert_eq!(group_in(second, ""), Some("user.slice/run-r2.scope".to_owned()));
    }

    #[test]
    fn statistics_of_both_versions_are_read() {
        let first = throttled_in("nr_periods 9\nnr_throttled 4\nthrottled_time 70\n");
        assert_eq!(first, Some(Throttled { time: Duration::from_nanos(70), periods: 4 }));
        let second = throttled_in("usage_usec 9\nnr_throttled 2\nthrottled_usec 5\n");
        assert_eq!(second, Some(Throttled { time: Duration::from_micros(5), periods: 2 }));
    }
}
