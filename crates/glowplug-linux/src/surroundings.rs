//! What a process has that Linux alone knows of, for handing it over to another process; and what Linux alone tells of other processes.

use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd};
use rustix::pty::OpenptFlags;
use std::fs;
use std::io;

/// Tells that the other end of a stream is closed (`POLLRDHUP`).
pub const HUNG_UP: rustix::event::PollFlags = rustix::event::PollFlags::RDHUP;

/// The control groups of this process: one line for each hierarchy, as in `/proc/PID/cgroup`.
pub fn control_groups() -> Vec<u8> {
    fs::read("/proc/self/cgroup").unwrap_or_default()
}

/// How readily the kernel ends this process where memory is short: from 0, for never, to 2000.
pub fn expendability() -> u64 {
    let text = fs::read_to_string("/proc/self/oom_score_adj").unwrap_or_default();
    let adjustment: i64 = text.trim().parse().unwrap_or(0);
    (adjustment + 1000).unsigned_abs()
}

/// By how much the kernel may delay this process's timers, nanoseconds.
pub fn timer_slack() -> u64 {
    rustix::thread::current_timer_slack().unwrap_or(0)
}

/// Whether processes become this one's children whose parents have ended.
pub fn adopts_orphans() -> bool {
    rustix::process::child_subreaper().is_ok_and(|adopts| adopts.is_some())
}

/// Opens the other end of a pseudo-terminal, by whatever name it has and wherever that leads.
///
/// # Errors
/// Where no more descriptors can be had.
pub fn open_other_end(terminal: &OwnedFd, flags: OpenptFlags) -> io::Result<OwnedFd> {
    Ok(rustix::pty::ioctl_tiocgptpeer(terminal, flags)?)
}

/// A path of something in an open folder that is short however deep the folder lies: an address of a socket has 107 bytes.
pub fn short_path(folder: BorrowedFd<'_>, name: &str) -> String {
    format!("/proc/self/fd/{}/{name}", folder.as_raw_fd())
}

/// Memory of a process, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Of its own.
    pub private: u64,
    /// That it shares with others.
    pub shared: u64,
}

impl Memory {
    /// That of the process with this id, as it is now. What has ended has none.
    pub fn of(pid: u32) -> Memory {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let sum = |names: [&str; 2]| {
            let lines = text.lines().filter(|line| names.iter().any(|name| line.starts_with(name)));
            let sizes =
                lines.filter_map(|line| line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok());
            sizes.sum::<u64>() * 1024
        };
        Memory {
            private: sum(["Private_Clean:", "Private_Dirty:"]),
            shared: sum(["Shared_Clean:", "Shared_Dirty:"]),
        }
    }

    /// That of a process whose heap lies in a file of memory with this name: all of the file is its own, of which little may be mapped.
    pub fn with_file(pid: u32, name: &str) -> Memory {
        let memory = Memory::of(pid);
        let text = fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap_or_default();
        let unmapped = unmapped(&text, &format!("/memfd:{name} (deleted)"));
        Memory { private: memory.private + unmapped, ..memory }
    }
}

/// How much of a file of memory is in no page table of a process, by the text of `smaps`, bytes. All of the file has one view.
fn unmapped(text: &str, name: &str) -> u64 {
    let mut is_view = false;
    let mut kibibytes = 0;
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some(word), Some(value)) = (words.next(), words.next()) else { continue };
        let number = value.parse::<u64>().unwrap_or(0);
        match word {
            "Size:" if is_view => kibibytes += number,
            // Copies of pages that were written to are no part of the file.
            "Rss:" if is_view => kibibytes = kibibytes.saturating_sub(number),
            "Anonymous:" if is_view => kibibytes += number,
            _ if word.contains('-') => is_view = line.ends_with(name),
            _ => {}
        }
    }
    kibibytes * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_memory_counts_where_it_is_not_mapped() {
        let text = "\
7f00-7f40 rw-p 00000000 00:01 7    /memfd:heap (deleted)
Size:                400 kB
Rss:                 100 kB
Anonymous:            40 kB
7f40-7f50 rw-p 00000000 00:00 0
Size:                900 kB
Rss:                 800 kB
Anonymous:           800 kB
";
        assert_eq!(unmapped(text, "/memfd:heap (deleted)"), 340 * 1024);
        assert_eq!(unmapped(text, "/memfd:other (deleted)"), 0);
    }

    #[test]
    fn this_process_has_memory_and_one_that_is_gone_has_none() {
        assert!(Memory::of(std::process::id()).private > 0);
        assert_eq!(Memory::of(u32::MAX), Memory::default());
    }
}
