//! What a server orders of its template, and what it hears from it.

use crate::{Event, Malformed, number};

/// An order to a template. A descriptor comes with the first two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Fork a process that waits for its request on the socket that comes along.
    Fork {
        /// Make it ready in advance: it says so before it waits.
        rehearsed: bool,
    },
    /// The client whose connection comes along has taken this process: it is told of its events, and its end is the process's.
    Start {
        /// The process.
        pid: u32,
    },
    /// Kill all that runs, and end.
    End,
}

impl Order {
    /// Length, bytes.
    pub const LEN: usize = 8;

    /// As it is sent.
    pub fn to_bytes(self) -> [u8; Order::LEN] {
        let (kind, value) = match self {
            Order::Fork { rehearsed } => (1u32, u32::from(rehearsed)),
            Order::Start { pid } => (2, pid),
            Order::End => (3, 0),
        };
        pair(kind, value)
    }

    /// Reads what came.
    ///
    /// # Errors
    /// Where it is no order.
    pub fn parse(bytes: &[u8; Order::LEN]) -> Result<Order, Malformed> {
        Ok(match (number(bytes, 0), number(bytes, 4)) {
            (1, rehearsed) => Order::Fork { rehearsed: rehearsed != 0 },
            (2, pid) => Order::Start { pid },
            (3, _) => Order::End,
            _ => return Err(Malformed("an unknown order")),
        })
    }
}

fn pair(one: u32, other: u32) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&one.to_le_bytes());
    bytes[4..].copy_from_slice(&other.to_le_bytes());
    bytes
}

/// What a template tells its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// A process was forked, in the order of the orders; its pidfd comes along.
    Forked {
        /// The process; 0 where there is none, as the fork failed.
        pid: u32,
    },
    /// Something has happened to a process.
    Of {
        /// The process.
        pid: u32,
        /// What.
        event: Event,
    },
}

impl Word {
    /// Length, bytes.
    pub const LEN: usize = 16;

    /// As it is sent.
    pub fn to_bytes(self) -> [u8; Word::LEN] {
        let mut bytes = [0; Word::LEN];
        let (kind, pid, event) = match self {
            Word::Forked { pid } => (1u32, pid, [0; Event::LEN]),
            Word::Of { pid, event } => (2, pid, event.to_bytes()),
        };
        bytes[..8].copy_from_slice(&pair(kind, pid));
        bytes[8..].copy_from_slice(&event);
        bytes
    }

    /// Reads what came.
    ///
    /// # Errors
    /// Where it is no word of a template.
    pub fn parse(bytes: &[u8; Word::LEN]) -> Result<Word, Malformed> {
        let pid = number(bytes, 4);
        match number(bytes, 0) {
            1 => Ok(Word::Forked { pid }),
            2 => {
                let mut event = [0; Event::LEN];
                event.copy_from_slice(&bytes[8..]);
                Ok(Word::Of { pid, event: Event::parse(&event)? })
            }
            _ => Err(Malformed("an unknown word")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_and_words_arrive_as_they_were_sent() {
        for order in [Order::Fork { rehearsed: true }, Order::Start { pid: 77 }, Order::End] {
            assert_eq!(Order::parse(&order.to_bytes()), Ok(order));
        }
        let event = Event::Killed(15);
        for word in [Word::Forked { pid: 8 }, Word::Of { pid: 9, event }] {
            assert_eq!(Word::parse(&word.to_bytes()), Ok(word));
        }
    }
}
