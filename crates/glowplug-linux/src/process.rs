//! Looking at another process of the same user through /proc: its mappings, pages, memory, threads, descriptors.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Size of a page, bytes.
pub const PAGE: u64 = 4096;

/// A process, by its id. The caller keeps it from being reaped, or lives with an error or another process's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    pid: u32,
}

/// A line of `/proc/PID/maps`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// One past the last address.
    pub end: u64,
    /// Readable.
    pub read: bool,
    /// Writable.
    pub write: bool,
    /// Executable.
    pub exec: bool,
    /// Shared, not private.
    pub shared: bool,
    /// Inode, 0 for anonymous memory.
    pub inode: u64,
    /// Path, or a name in brackets, as the kernel gives it; empty for plain anonymous memory.
    pub name: String,
}

impl Mapping {
    /// Whether a file is behind it.
    pub fn is_file(&self) -> bool {
        self.inode != 0 && self.name.starts_with('/')
    }

    /// The file behind it, without the kernel's mark of a deleted one.
    pub fn path(&self) -> Option<&Path> {
        self.is_file().then(|| Path::new(self.name.trim_end_matches(" (deleted)")))
    }

    fn parse(line: &str) -> Option<Mapping> {
        let mut fields = line.splitn(6, ' ');
        let (start, end) = fields.next()?.split_once('-')?;
        let permissions = fields.next()?.as_bytes();
        let inode = fields.nth(2)?.parse().ok()?;
        Some(Mapping {
            start: u64::from_str_radix(start, 16).ok()?,
            end: u64::from_str_radix(end, 16).ok()?,
            read: permissions.first() == Some(&b'r'),
            write: permissions.get(1) == Some(&b'w'),
            exec: permissions.get(2) == Some(&b'x'),
            shared: permissions.get(3) == Some(&b's'),
            inode,
            name: fields.next().unwrap_or_default().trim_start().to_owned(),
        })
    }
}

/// Properties of a mapping that only `/proc/PID/smaps` shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VmFlags {
    /// `wf`: wiped in a forked child.
    pub wiped_on_fork: bool,
    /// `dp`: the kernel may drop it.
    pub droppable: bool,
}

/// An entry of `/proc/PID/pagemap`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page(u64);

impl Page {
    /// Bits 63 and 62: in memory or swapped out.
    pub fn is_present(self) -> bool {
        self.0 >> 62 != 0
    }

    /// Bit 61: a page of a file, not a private copy.
    pub fn is_of_file(self) -> bool {
        self.0 >> 61 & 1 != 0
    }

    /// Bit 58 (Linux 6.14): a guard region.
    pub fn is_guard(self) -> bool {
        self.0 >> 58 & 1 != 0
    }
}

/// What the kernel keeps of a process's layout, from `/proc/PID/stat`; addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatLayout {
    /// Field 26.
    pub start_code: u64,
    /// Field 27.
    pub end_code: u64,
    /// Field 45.
    pub start_data: u64,
    /// Field 46.
    pub end_data: u64,
    /// Field 47.
    pub start_brk: u64,
}

impl Process {
    /// The process with this id.
    pub fn new(pid: u32) -> Process {
        Process { pid }
    }

    /// Its id.
    pub fn pid(self) -> u32 {
        self.pid
    }

    fn path(self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.pid))
    }

    /// Its mappings, by address.
    pub fn mappings(self) -> io::Result<Vec<Mapping>> {
        let text = fs::read(self.path("maps"))?;
        Ok(String::from_utf8_lossy(&text).lines().filter_map(Mapping::parse).collect())
    }

    /// Mappings with one of the properties of [`VmFlags`], by their first address.
    pub fn vm_flags(self) -> io::Result<HashMap<u64, VmFlags>> {
        let mut found = HashMap::new();
        let mut start = 0;
        for line in BufReader::new(File::open(self.path("smaps"))?).split(b'\n') {
            let line = line?;
            let line = String::from_utf8_lossy(&line);
            if let Some(flags) = line.strip_prefix("VmFlags:") {
                let has = |name| flags.split_ascii_whitespace().any(|flag| flag == name);
                let flags = VmFlags { wiped_on_fork: has("wf"), droppable: has("dp") };
                if flags != VmFlags::default() {
                    found.insert(start, flags);
                }
            } else if let Some(mapping) = Mapping::parse(&line) {
                start = mapping.start;
            }
        }
        Ok(found)
    }

    /// Entries of the page map for a range of whole pages.
    pub fn pages(self, start: u64, end: u64) -> io::Result<Vec<Page>> {
        let mut bytes = vec![0; ((end - start) / PAGE * 8) as usize];
        File::open(self.path("pagemap"))?.read_exact_at(&mut bytes, start / PAGE * 8)?;
        let entry = |chunk: &[u8]| Page(chunk.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b)));
        Ok(bytes.chunks_exact(8).map(entry).collect())
    }

    /// Its memory, to be read with `read_exact_at(buffer, address)`.
    pub fn memory(self) -> io::Result<File> {
        File::open(self.path("mem"))
    }

    /// Layout from `/proc/PID/stat`.
    pub fn layout(self) -> io::Result<StatLayout> {
        let text = fs::read_to_string(self.path("stat"))?;
        // The command name may hold anything, so fields are counted from the last parenthesis: the next one is the third.
        let fields: Vec<u64> = text
            .rsplit_once(')')
            .map(|(_, rest)| rest)
            .unwrap_or_default()
            .split_ascii_whitespace()
            .map(|field| field.parse().unwrap_or(0))
            .collect();
        let field = |number: usize| fields.get(number - 3).copied().unwrap_or(0);
        Ok(StatLayout {
            start_code: field(26),
            end_code: field(27),
            start_data: field(45),
            end_data: field(46),
            start_brk: field(47),
        })
    }

    /// Ids of its threads.
    pub fn threads(self) -> io::Result<Vec<u32>> {
        let mut ids: Vec<u32> = fs::read_dir(self.path("task"))?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// The name of a thread, at most 15 bytes.
    pub fn thread_name(self, thread: u32) -> io::Result<String> {
        let name = fs::read(self.path(&format!("task/{thread}/comm")))?;
        Ok(String::from_utf8_lossy(name.trim_ascii_end()).into_owned())
    }

    /// Stack pointer of a thread that waits in a system call; `None` where it runs.
    pub fn thread_stack(self, thread: u32) -> io::Result<Option<u64>> {
        let text = fs::read_to_string(self.path(&format!("task/{thread}/syscall")))?;
        let mut fields = text.split_ascii_whitespace().rev();
        let stack = fields.nth(1).and_then(|field| field.strip_prefix("0x"));
        Ok(stack.and_then(|digits| u64::from_str_radix(digits, 16).ok()))
    }

    /// Ids of the children that all its threads have.
    pub fn children(self) -> io::Result<Vec<u32>> {
        let mut children = Vec::new();
        for thread in self.threads()? {
            let text = fs::read_to_string(self.path(&format!("task/{thread}/children")))?;
            children.extend(text.split_ascii_whitespace().filter_map(|id| id.parse::<u32>().ok()));
        }
        Ok(children)
    }

    /// The name of the program that it runs, as the kernel keeps it: its first 15 bytes.
    pub fn name(self) -> io::Result<String> {
        let name = fs::read(self.path("comm"))?;
        Ok(String::from_utf8_lossy(&name).trim_end().to_owned())
    }

    /// Its descriptors and what they refer to.
    pub fn descriptors(self) -> io::Result<Vec<(u32, PathBuf)>> {
        let mut found: Vec<(u32, PathBuf)> = fs::read_dir(self.path("fd"))?
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let number = entry.file_name().to_str()?.parse().ok()?;
                Some((number, fs::read_link(entry.path()).ok()?))
            })
            .collect();
        found.sort_unstable();
        Ok(found)
    }

    /// The one-letter state from `/proc/PID/stat`: `S` waits in a system call, `T` is stopped, `Z` a zombie.
    pub fn state(self) -> io::Result<char> {
        let text = fs::read_to_string(self.path("stat"))?;
        let state = text.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
        state.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Process {
        Process::new(std::process::id())
    }

    #[test]
    fn a_line_of_maps_is_understood() {
        let line = "7f00-7f10 r-xp 00001000 fe:00 123   /lib/a b.so (deleted)";
        let mapping = Mapping::parse(line).expect("a mapping");
        assert_eq!((mapping.start, mapping.end, mapping.inode), (0x7f00, 0x7f10, 123));
        assert!(mapping.read && !mapping.write && mapping.exec && !mapping.shared);
        assert_eq!(mapping.path(), Some(Path::new("/lib/a b.so")));
    }

    #[test]
    fn own_memory_is_read_through_mappings_and_pages() {
        let value = Box::new([0x5au8; 3 * PAGE as usize]);
        let address = value.as_ptr() as u64;
        let mappings = own().mappings().expect("maps");
        let mapping = mappings.iter().find(|m| m.start <= address && address < m.end);
        assert!(mapping.expect("the box is mapped").write);
        let page = address.next_multiple_of(PAGE);
        let pages = own().pages(page, page + PAGE).expect("pagemap");
        assert!(pages[0].is_present() && !pages[0].is_of_file());
        let mut bytes = [0; 16];
        own().memory().expect("mem").read_exact_at(&mut bytes, address).expect("read");
        assert_eq!(bytes, [0x5a; 16]);
    }

    #[test]
    fn own_layout_threads_and_descriptors_are_seen() {
        let layout = own().layout().expect("stat");
        assert!(layout.start_code < layout.end_code && layout.start_brk != 0);
        assert!(own().threads().expect("task").contains(&std::process::id()));
        let file = File::open("/proc/self/status").expect("open");
        let number = std::os::fd::AsRawFd::as_raw_fd(&file) as u32;
        assert!(own().descriptors().expect("fd").iter().any(|(fd, _)| *fd == number));
    }
}
