//! A client's first message.

use crate::{MAGIC, Malformed, VERSION, check_head, number};

/// What a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// A spare that has been forked in advance; where none is ready, one that is forked now.
    Pool,
    /// A process that is forked now.
    Fork,
    /// A spare that is ready, or nothing.
    Ready,
    /// A process that is forked now, to become the template of a set that adds to this server's.
    Branch,
    /// What there is to tell about the server.
    Status,
    /// The server's end, with that of all programs that it has started.
    Stop,
    /// The server's end when the programs have ended that it has started.
    Drain,
}

const WISHES: [Wish; 7] =
    [Wish::Pool, Wish::Fork, Wish::Ready, Wish::Status, Wish::Stop, Wish::Drain, Wish::Branch];

/// A client's first message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// What it wants.
    pub wish: Wish,
}

impl Hello {
    /// Length, bytes.
    pub const LEN: usize = 16;

    /// As it is sent.
    pub fn to_bytes(self) -> [u8; Hello::LEN] {
        let mut bytes = [0; Hello::LEN];
        let wish = WISHES.iter().position(|wish| *wish == self.wish).unwrap_or(0) as u32;
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&wish.to_le_bytes());
        bytes
    }

    /// Reads what came.
    ///
    /// # Errors
    /// Where it is no hello of this version.
    pub fn parse(bytes: &[u8; Hello::LEN]) -> Result<Hello, Malformed> {
        check_head(bytes)?;
        let wish = WISHES.get(number(bytes, 12) as usize).ok_or(Malformed("an unknown wish"))?;
        Ok(Hello { wish: *wish })
    }
}
