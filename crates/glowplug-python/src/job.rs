//! The conversation with the freezer over a socket: frames of a 4-byte little-endian length and NUL-terminated strings.
//!
//! The freezer sends the job: pairs of a name and a value. The interpreter answers with notes: triples of a kind and two values.
//! Then the freezer looks at the process from outside and sends one byte to let it go on and stand still.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{FromRawFd, IntoRawFd, RawFd};

/// Least number that the socket gets.
const FAR: RawFd = 100;

/// Longest frame that is accepted, bytes.
const MAX_FRAME: u32 = 64 << 20;

/// What the freezer asks for: values by name, in order.
pub type Job = BTreeMap<Vec<u8>, Vec<Vec<u8>>>;

/// Something that the freezer is told.
#[derive(Debug)]
pub struct Note {
    /// What is told: `module`, `name`, `lookup`, `refused`, …
    pub kind: Vec<u8>,
    /// First value.
    pub a: Vec<u8>,
    /// Second value, empty where there is none.
    pub b: Vec<u8>,
}

impl Note {
    /// The process must not be frozen.
    pub fn refused(reason: &str) -> Note {
        Note { kind: b"refused".to_vec(), a: reason.as_bytes().to_vec(), b: Vec::new() }
    }
}

/// The freezer's end of the conversation.
pub struct Freezer {
    socket: File,
}

impl Freezer {
    /// Takes the socket with this number; `None` for -1.
    ///
    /// # Safety
    /// The descriptor belongs to the caller, who gives it away.
    pub unsafe fn at(descriptor: RawFd) -> Option<Freezer> {
        if descriptor < 0 {
            return None;
        }
        // SAFETY: by the caller.
        unsafe {
            // Out of the way: what imports open gets the number that it has in a plain process.
            let far = libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, FAR);
            if far >= 0 {
                libc::close(descriptor);
            }
            let number = if far >= 0 { far } else { descriptor };
            Some(Freezer { socket: File::from_raw_fd(number) })
        }
    }

    /// The socket's number, which stays open.
    pub fn into_descriptor(self) -> RawFd {
        self.socket.into_raw_fd()
    }

    /// Reads the job.
    pub fn receive(&mut self) -> io::Result<Job> {
        let mut len = [0; 4];
        self.socket.read_exact(&mut len)?;
        let len = u32::from_le_bytes(len);
        if len > MAX_FRAME {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut frame = vec![0; len as usize];
        self.socket.read_exact(&mut frame)?;
        let mut job = Job::new();
        let mut strings = frame.split(|&b| b == 0);
        while let (Some(name), Some(value)) = (strings.next(), strings.next()) {
            job.entry(name.to_vec()).or_default().push(value.to_vec());
        }
        Ok(job)
    }

    /// Sends notes as one frame.
    pub fn send(&mut self, notes: &[Note]) -> io::Result<()> {
        self.socket.write_all(&frame(notes))
    }

    /// Sends notes and waits until the freezer is gone. From the moment in which the freezer has them it reads this process's
    /// memory, so nothing is allocated or freed from then on: an image of half a change to the heap would be one of a broken heap.
    pub fn send_and_stand_still(&mut self, notes: Vec<Note>) {
        let frame = frame(&notes);
        drop(notes);
        if self.socket.write_all(&frame).is_ok() {
            let mut byte = [0];
            // Nothing is ever sent: the read ends when the freezer is gone.
            let _ = self.socket.read(&mut byte);
        }
        drop(frame);
    }

    /// Waits for the freezer's leave to stand still; `false` where it does not want the process.
    pub fn may_stand_still(&mut self) -> bool {
        let mut byte = [0];
        self.socket.read_exact(&mut byte).is_ok() && byte == *b"g"
    }
}

fn frame(notes: &[Note]) -> Vec<u8> {
    let mut frame = vec![0; 4];
    for note in notes {
        for value in [&note.kind, &note.a, &note.b] {
            frame.extend(value.iter().filter(|&&b| b != 0));
            frame.push(0);
        }
    }
    let len = (frame.len() - 4) as u32;
    frame[..4].copy_from_slice(&len.to_le_bytes());
    frame
}
