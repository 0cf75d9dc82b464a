//! What a process may do: two processes of the same identity can do each other's work without anybody gaining a right by it.

use std::fs;
use std::io::{self, Error};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

/// `SO_PEERPIDFD` (Linux 6.5).
const SO_PEERPIDFD: libc::c_int = 77;

/// Lines of `/proc/PID/status`: ids, groups, capabilities, and what limits system calls.
const LINES: [&str; 12] = [
    "Uid",
    "Gid",
    "Groups",
    "CapInh",
    "CapPrm",
    "CapEff",
    "CapBnd",
    "CapAmb",
    "NoNewPrivs",
    "Seccomp",
    "Seccomp_filters",
    "THP_enabled",
];

/// Links in `/proc/PID/ns`.
const NAMESPACES: [&str; 8] = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];

/// The rights of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    facts: Vec<(&'static str, String)>,
}

impl Identity {
    /// That of the process with this id.
    ///
    /// # Errors
    /// Where the process is gone, or may not be looked at.
    pub fn of(pid: u32) -> io::Result<Identity> {
        let place = |name: &str| format!("/proc/{pid}/{name}");
        let status = fs::read_to_string(place("status"))?;
        let mut facts = Vec::with_capacity(LINES.len() + NAMESPACES.len() + 2);
        for name in LINES {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            facts.push((name, line.unwrap_or_default().to_owned()));
        }
        for name in NAMESPACES {
            let link = fs::read_link(place(&format!("ns/{name}")));
            // Older kernels do not have them all.
            let link = link.map(|link| link.to_string_lossy().into_owned());
            facts.push((name, none_if_missing(link)?));
        }
        let root = fs::metadata(place("root"))?;
        facts.push(("root", format!("{}:{}", root.dev(), root.ino())));
        // No security module, no label.
        for (name, file) in [("security label", "attr/current"), ("personality", "personality")] {
            facts.push((name, fs::read_to_string(place(file)).unwrap_or_default()));
        }
        Ok(Identity { facts })
    }

    /// What differs first between two; `None` where they are the same.
    pub fn difference(&self, other: &Identity) -> Option<&'static str> {
        let mut pairs = self.facts.iter().zip(&other.facts);
        pairs.find(|(one, other)| one != other).map(|(fact, _)| fact.0)
    }
}

impl Identity {
    /// Whether two have the same user and are confined in the same way.
    pub fn differs_in_capabilities_alone(&self, other: &Identity) -> bool {
        let pairs = self.facts.iter().zip(&other.facts).filter(|(one, other)| one != other);
        pairs.into_iter().all(|(fact, _)| fact.0.starts_with("Cap"))
    }
}

fn none_if_missing(link: io::Result<String>) -> io::Result<String> {
    match link {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        link => link,
    }
}

/// A process at the other end of a socket.
#[derive(Debug)]
pub struct Peer {
    /// Its id, which is its own as long as `alive` says so.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
    pidfd: OwnedFd,
}

impl Peer {
    /// The process that has connected a socket.
    ///
    /// # Errors
    /// Where it is gone.
    pub fn of(socket: BorrowedFd<'_>) -> io::Result<Peer> {
        let mut credentials = libc::ucred { pid: 0, uid: 0, gid: 0 };
        option(socket, libc::SO_PEERCRED, &mut credentials)?;
        let mut number: libc::c_int = -1;
        if option(socket, SO_PEERPIDFD, &mut number).is_err() {
            // SAFETY: a system call on a number; the descriptor is new.
            number =
                unsafe { libc::syscall(libc::SYS_pidfd_open, credentials.pid, 0) } as libc::c_int;
        }
        if number < 0 {
            return Err(Error::last_os_error());
        }
        // SAFETY: the kernel has just made the descriptor for this process.
        let pidfd = unsafe { OwnedFd::from_raw_fd(number) };
        Ok(Peer { pid: credentials.pid as u32, uid: credentials.uid, pidfd })
    }

    /// Whether it has not ended. What was read about its id before is about it, then.
    pub fn is_alive(&self) -> bool {
        let mut entry =
            libc::pollfd { fd: self.pidfd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one live entry; the call does not wait.
        unsafe { libc::poll(&raw mut entry, 1, 0) == 0 }
    }
}

/// Reads an option of a socket into a struct of plain data.
fn option<T>(socket: BorrowedFd<'_>, name: libc::c_int, value: &mut T) -> io::Result<()> {
    let mut len = size_of::<T>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes, and the callers' types are plain C data.
    let result = unsafe {
        let value = std::ptr::from_mut(value).cast();
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, name, value, &raw mut len)
    };
    if result == 0 { Ok(()) } else { Err(Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn the_process_at_the_other_end_is_known() {
        let (one, _other) = UnixStream::pair().expect("a socket pair");
        let peer = Peer::of(one.as_fd()).expect("it is this process");
        assert_eq!(peer.pid, std::process::id());
        let identity = Identity::of(peer.pid).expect("this process may look at itself");
        assert!(peer.is_alive());
        assert_eq!(identity.difference(&Identity::of(std::process::id()).expect("again")), None);
    }

    #[test]
    fn other_rights_are_another_identity() {
        let own = Identity::of(std::process::id()).expect("this process may look at itself");
        for place in 0..own.facts.len() {
            let mut other = own.clone();
            other.facts[place].1.push('x');
            assert_eq!(own.difference(&other), Some(own.facts[place].0));
        }
    }
}
