//! Frames on the socket to the interpreter that is frozen: a 4-byte little-endian length and NUL-terminated strings.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

/// Longest frame that is accepted, bytes.
const MAX_FRAME: u32 = 64 << 20;

/// A note of the interpreter: kind and two values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// What is told.
    pub kind: String,
    /// First value.
    pub a: Vec<u8>,
    /// Second value, empty where there is none.
    pub b: Vec<u8>,
}

/// Sends a job: pairs of a name and a value.
pub fn send(socket: &mut UnixStream, job: &[(&str, &[u8])]) -> io::Result<()> {
    let mut frame = vec![0; 4];
    for (name, value) in job {
        for part in [name.as_bytes(), value] {
            frame.extend_from_slice(part);
            frame.push(0);
        }
    }
    let len = u32::try_from(frame.len() - 4).map_err(|_| io::ErrorKind::InvalidInput)?;
    frame[..4].copy_from_slice(&len.to_le_bytes());
    socket.write_all(&frame)
}

/// Receives a frame of notes.
pub fn receive(socket: &mut UnixStream) -> io::Result<Vec<Note>> {
    let mut len = [0; 4];
    socket.read_exact(&mut len)?;
    let len = u32::from_le_bytes(len);
    if len > MAX_FRAME {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut frame = vec![0; len as usize];
    socket.read_exact(&mut frame)?;
    let mut strings = frame.split(|&b| b == 0);
    let mut notes = Vec::new();
    while let (Some(kind), Some(a), Some(b)) = (strings.next(), strings.next(), strings.next()) {
        let kind = String::from_utf8_lossy(kind).into_owned();
        notes.push(Note { kind, a: a.to_vec(), b: b.to_vec() });
    }
    Ok(notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_arrive_as_they_were_sent() {
        let (mut ours, mut theirs) = UnixStream::pair().expect("a socket pair");
        send(&mut ours, &[("lookup", b"/usr/lib"), ("re", b""), ("module", b"os")]).expect("send");
        drop(ours);
        let notes = receive(&mut theirs).expect("receive");
        assert_eq!(notes.len(), 2);
        assert_eq!(notes[0].kind, "lookup");
        assert_eq!((notes[0].a.as_slice(), notes[0].b.as_slice()), (&b"/usr/lib"[..], &b"re"[..]));
        assert!(receive(&mut theirs).is_err(), "the other end is closed");
    }
}
