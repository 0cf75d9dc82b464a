//! Halts a program, and all that it starts, where it is about to make one of some system calls: a seccomp filter hands the call to
//! whoever has started the program, who looks at it while it stands still there, and may let it go on.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsRawFd, OwnedFd, RawFd};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::io::{self, IoSliceMut};
use std::mem::{MaybeUninit, offset_of};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

/// Binding a socket: its descriptor, the address, the address's length.
pub const BIND: libc::c_long = libc::SYS_bind;

/// Connecting a socket; the arguments of [`BIND`].
pub const CONNECT: libc::c_long = libc::SYS_connect;

/// `AUDIT_ARCH_X86_64`: calls by another convention are let through.
const ARCHITECTURE: u32 = 0xC000_003E;

/// Most instructions of a filter: five, and one for each call.
const MOST_INSTRUCTIONS: usize = 16;

/// A command that will halt.
#[derive(Debug)]
pub struct Halting {
    socket: UnixStream,
}

/// The calls at which a program, and what it has started, stand still.
#[derive(Debug)]
pub struct Halts {
    listener: OwnedFd,
    leader: OwnedFd,
}

/// A call that is not made yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    id: u64,
    /// The thread that makes it, as this process sees it.
    pub thread: u32,
    /// `SYS_*`.
    pub number: libc::c_long,
    /// Its arguments.
    pub arguments: [u64; 6],
}

/// Has `command`, and all that it starts, halt at `calls`, at most eleven. It gains no privileges by any exec from then on.
///
/// It cannot be started where the kernel has no such filters (Linux 5.0 brought them), or where another one that hands over calls is in
/// place already.
///
/// # Errors
/// Where there are no descriptors left, or there are too many calls.
pub fn halt_at(command: &mut Command, calls: &[libc::c_long]) -> io::Result<Halting> {
    let (socket, theirs) = UnixStream::pair()?;
    let (instructions, count) = filter(calls)?;
    // SAFETY: between fork and exec the child makes system calls alone, and allocates nothing; the filter and the socket were moved in.
    unsafe {
        command.pre_exec(move || {
            let listener = install(&instructions[..count])?;
            send(theirs.as_raw_fd(), listener)
        });
    }
    Ok(Halting { socket })
}

impl Halting {
    /// After the start; `leader` is the process that was started, not reaped yet.
    ///
    /// # Errors
    /// Where the kernel does not tell the end of processes (before Linux 5.3).
    pub fn started(self, leader: u32) -> io::Result<Halts> {
        let pid = i32::try_from(leader).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH)?;
        let leader = pidfd_open(pid, PidfdFlags::empty())?;
        Ok(Halts { listener: receive(&self.socket)?, leader })
    }
}

impl Halts {
    /// Waits for the next call; `None` where the program ended before it made one.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] after `patience`.
    pub fn next(&self, patience: Duration) -> io::Result<Option<Call>> {
        let end = Instant::now() + patience;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let mut polled = [
                PollFd::new(&self.listener, PollFlags::IN),
                PollFd::new(&self.leader, PollFlags::IN),
            ];
            let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
            match poll(&mut polled, Some(&timeout)) {
                Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
                Err(Errno::INTR) => continue,
                ready => ready?,
            };
            if polled[0].revents().contains(PollFlags::IN) {
                match self.take() {
                    // Whoever made it was killed meanwhile.
                    Err(error) if error.raw_os_error() == Some(libc::ENOENT) => continue,
                    call => return call.map(Some),
                }
            }
            return Ok(None);
        }
    }

    /// Has the call be made, and the program go on.
    ///
    /// # Errors
    /// Where the kernel cannot (before Linux 5.5), or the thread is no more.
    pub fn let_go(&self, call: &Call) -> io::Result<()> {
        let flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32;
        let mut answer = libc::seccomp_notif_resp { id: call.id, val: 0, error: 0, flags };
        // SAFETY: the kernel reads a response from where it is told to.
        match unsafe {
            libc::ioctl(self.listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut answer)
        } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    fn take(&self) -> io::Result<Call> {
        let mut taken = MaybeUninit::<libc::seccomp_notif>::zeroed();
        // SAFETY: the kernel fills in the zeroed notification that it is given, which is one of integers alone.
        let taken = unsafe {
            let listener = self.listener.as_raw_fd();
            if libc::ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_RECV, taken.as_mut_ptr()) != 0 {
                return Err(io::Error::last_os_error());
            }
            taken.assume_init()
        };
        let data = taken.data;
        Ok(Call { id: taken.id, thread: taken.pid, number: data.nr.into(), arguments: data.args })
    }
}

type Instructions = [libc::sock_filter; MOST_INSTRUCTIONS];

/// A filter that hands over `calls` and lets all others through; how many instructions it has.
fn filter(calls: &[libc::c_long]) -> io::Result<(Instructions, usize)> {
    const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    const JUMP: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
    let instruction = |code: u32, k, (jt, jf): (usize, usize)| {
        let narrow = |n: usize| u8::try_from(n).map_err(io::Error::other);
        let code = u16::try_from(code).map_err(io::Error::other)?;
        Ok::<_, io::Error>(libc::sock_filter { code, jt: narrow(jt)?, jf: narrow(jf)?, k })
    };
    let offset = |offset: usize| u32::try_from(offset).map_err(io::Error::other);
    let none = (0, 0);
    let mut all = [instruction(RETURN, libc::SECCOMP_RET_ALLOW, none)?; MOST_INSTRUCTIONS];
    // The last two: let through, hand over.
    let count = calls.len() + 5;
    let (through, over) = (count - 2, count - 1);
    let at = |index: usize| all.get(index).map(|_| index).ok_or(io::ErrorKind::InvalidInput);
    at(over)?;
    all[0] = instruction(LOAD, offset(offset_of!(libc::seccomp_data, arch))?, none)?;
    all[1] = instruction(JUMP, ARCHITECTURE, (0, through - 2))?;
    all[2] = instruction(LOAD, offset(offset_of!(libc::seccomp_data, nr))?, none)?;
    for (index, &call) in (3..).zip(calls) {
        let call = u32::try_from(call).map_err(io::Error::other)?;
        all[index] = instruction(JUMP, call, (over - index - 1, 0))?;
    }
    all[over] = instruction(RETURN, libc::SECCOMP_RET_USER_NOTIF, none)?;
    Ok((all, count))
}

/// Installs the filter for the calling thread, and what it becomes and starts; the descriptor by which calls are handed over is closed on exec.
fn install(instructions: &[libc::sock_filter]) -> io::Result<RawFd> {
    let len = u16::try_from(instructions.len()).unwrap_or(0);
    let program = libc::sock_fprog { len, filter: instructions.as_ptr().cast_mut() };
    // SAFETY: the kernel reads the program, which points at `len` instructions, and writes nothing.
    let listener = unsafe {
        if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 {
            return Err(io::Error::last_os_error());
        }
        let flag = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flag, &raw const program)
    };
    match RawFd::try_from(listener) {
        Ok(listener @ 0..) => Ok(listener),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Sends a descriptor over a socket. For the time between fork and exec: allocates nothing.
fn send(socket: RawFd, descriptor: RawFd) -> io::Result<()> {
    /// Room for a header and a descriptor, aligned as a header must be.
    #[repr(C, align(8))]
    struct Ancillary([u8; 32]);
    const LENGTH: u32 = size_of::<RawFd>() as u32;
    let mut ancillary = Ancillary([0; 32]);
    let mut byte = 0u8;
    let mut part = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    // SAFETY: the header points at locals that outlive the call; CMSG_FIRSTHDR and CMSG_DATA lie in the buffer, which has room for
    // CMSG_SPACE of a descriptor (24 bytes).
    let sent = unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = ancillary.0.as_mut_ptr().cast();
        message.msg_controllen = libc::CMSG_SPACE(LENGTH) as usize;
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(LENGTH) as usize;
        libc::CMSG_DATA(header).cast::<RawFd>().write_unaligned(descriptor);
        libc::sendmsg(socket, &raw const message, 0)
    };
    if sent == 1 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Takes the descriptor that [`send`] sent.
fn receive(socket: &UnixStream) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    recvmsg(socket, &mut [IoSliceMut::new(&mut byte)], &mut ancillary, flags)?;
    let descriptor = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    descriptor.ok_or_else(|| io::ErrorKind::NotFound.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Stdio;

    fn started(script: &str, calls: &[libc::c_long]) -> (std::process::Child, Halts) {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdout(Stdio::piped());
        let halting = halt_at(&mut command, calls).expect("descriptors");
        let child = command.spawn().expect("a shell");
        let halts = halting.started(child.id()).expect("a listener");
        (child, halts)
    }

    #[test]
    fn a_program_stands_still_before_the_call_is_made() {
        let (mut child, halts) = started("cd /; exit 3", &[libc::SYS_chdir]);
        let call = halts.next(Duration::from_secs(20)).expect("a call").expect("not the end");
        assert_eq!((call.number, call.thread), (libc::SYS_chdir, child.id()));
        let link = |pid| std::fs::read_link(format!("/proc/{pid}/cwd")).expect("alive");
        assert_eq!(link(child.id()), link(std::process::id()));
        halts.let_go(&call).expect("alive");
        assert_eq!(halts.next(Duration::from_secs(20)).expect("no error"), None);
        assert_eq!(child.wait().expect("a child").code(), Some(3));
    }

    #[test]
    fn what_it_starts_stands_still_as_well_and_patience_ends() {
        let (mut child, halts) =
            started("sh -c 'kill -CONT $$; true'; exit 4", &[libc::SYS_kill, libc::SYS_chdir]);
        let call = halts.next(Duration::from_secs(20)).expect("a call").expect("not the end");
        assert_eq!(call.number, libc::SYS_kill);
        assert_eq!(call.arguments[1], libc::SIGCONT as u64);
        let late = halts.next(Duration::ZERO).expect_err("it stands still");
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
        halts.let_go(&call).expect("alive");
        assert_eq!(halts.next(Duration::from_secs(20)).expect("no error"), None);
        assert_eq!(child.wait().expect("a child").code(), Some(4));
    }

    #[test]
    fn too_many_calls_are_refused() {
        let refused = halt_at(&mut Command::new("true"), &[0; MOST_INSTRUCTIONS]);
        assert_eq!(refused.expect_err("no room").kind(), io::ErrorKind::InvalidInput);
    }
}
