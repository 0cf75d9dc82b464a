//! What the processes of a fork server tell each other: bytes only, no I/O, nothing unsafe.
//!
//! ```text
//! client -> server    Hello     what is wanted: a spare, an answer about the server, its end
//! server -> client    Answer    granted (with the spare's socket and its pidfd), refused, or a text
//! client -> spare     Request   arguments, environment, limits; then the descriptors; or BRANCH, and descriptors
//! spare  -> client    Reply     the program begins, or this start does not fit the template
//! template -> client  Event     the program has ended, stopped, goes on
//! server -> template  Order     fork a spare; this client has taken it
//! template -> server  Word      a spare was forked; a process has ended
//! ```
//!
//! Everything but requests and texts has a fixed length. Lengths are bounded, and what comes from somebody else is parsed without
//! trust: a message of another version or with bytes that make no sense is [`Malformed`].
#![forbid(unsafe_code)]

mod answer;
mod event;
mod fields;
mod hello;
mod order;
mod reply;
mod request;

pub use answer::{Answer, MAX_TEXT, Verdict};
pub use event::Event;
pub use hello::{Hello, Wish};
pub use order::{Order, Word};
pub use reply::{Reply, Unfit};
pub use request::{DESCRIPTORS_AT_ONCE, LIMITS, Limit, MAX_DESCRIPTORS, MAX_REQUEST, Request};

/// Version of all messages. Whoever gets another one closes the connection.
pub const VERSION: u32 = 1;

/// In place of a request's length: the process is to become another server's template. With it come four descriptors: a socket, on which
/// it is spoken to as an interpreter that is to preload; a file for its record; one for what its imports print; and its working
/// directory.
pub const BRANCH: u32 = u32::MAX;

/// First bytes of a hello and of an answer.
const MAGIC: [u8; 8] = *b"GLOWPLUG";

/// A message that is none, is of another version, or exceeds a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a message makes no sense: {}", self.0)
    }
}

impl std::error::Error for Malformed {}

/// A little-endian number in a message of fixed length, which holds it.
fn number(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().rev().fold(0, |number, &byte| number << 8 | u32::from(byte))
}

/// Whether a message begins as one of this version does.
fn check_head(bytes: &[u8]) -> Result<(), Malformed> {
    if bytes[..8] != MAGIC {
        return Err(Malformed("it is none of Glowplug's"));
    }
    if number(bytes, 8) != VERSION {
        return Err(Malformed("it is of another version"));
    }
    Ok(())
}
