//! What becomes of a program that was started.

use crate::{Malformed, number};

/// What has happened to a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It exited with this status.
    Exited(u8),
    /// This signal has killed it.
    Killed(u8),
    /// This signal has stopped it.
    Stopped(u8),
    /// It goes on.
    Continued,
}

impl Event {
    /// Length, bytes.
    pub const LEN: usize = 8;

    /// As it is sent.
    pub fn to_bytes(self) -> [u8; Event::LEN] {
        let (kind, value) = match self {
            Event::Exited(status) => (1u32, status),
            Event::Killed(signal) => (2, signal),
            Event::Stopped(signal) => (3, signal),
            Event::Continued => (4, 0),
        };
        let mut bytes = [0; Event::LEN];
        bytes[..4].copy_from_slice(&kind.to_le_bytes());
        bytes[4] = value;
        bytes
    }

    /// Reads what came.
    ///
    /// # Errors
    /// Where it is no event.
    pub fn parse(bytes: &[u8; Event::LEN]) -> Result<Event, Malformed> {
        Ok(match (number(bytes, 0), bytes[4]) {
            (1, status) => Event::Exited(status),
            (2, signal) => Event::Killed(signal),
            (3, signal) => Event::Stopped(signal),
            (4, _) => Event::Continued,
            _ => return Err(Malformed("an unknown event")),
        })
    }

    /// What `waitpid` says, told from its status word as Linux and the BSDs lay it out; `None` where it says something else.
    pub fn of_wait_status(status: i32) -> Option<Event> {
        let (low, high) = ((status & 0x7f) as u8, (status >> 8 & 0xff) as u8);
        match low {
            _ if status == 0xffff => Some(Event::Continued),
            0 => Some(Event::Exited(high)),
            0x7f => Some(Event::Stopped(high)),
            signal => Some(Event::Killed(signal)),
        }
    }

    /// Whether the program is no more.
    pub fn is_end(self) -> bool {
        matches!(self, Event::Exited(_) | Event::Killed(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_arrive_as_they_were_sent() {
        for event in [Event::Exited(255), Event::Killed(9), Event::Stopped(20), Event::Continued] {
            assert_eq!(Event::parse(&event.to_bytes()), Ok(event));
        }
        assert!(Event::parse(&[0; Event::LEN]).is_err());
    }

    #[test]
    fn a_wait_status_is_understood() {
        let of = Event::of_wait_status;
        assert_eq!(of(3 << 8), Some(Event::Exited(3)));
        assert_eq!(of(9), Some(Event::Killed(9)));
        assert_eq!(of(11 | 0x80), Some(Event::Killed(11)), "with a core dump");
        assert_eq!(of(20 << 8 | 0x7f), Some(Event::Stopped(20)));
        assert_eq!(of(0xffff), Some(Event::Continued));
    }
}
