//! What a server answers to a hello.

use crate::{MAGIC, Malformed, VERSION, check_head, number};

/// Longest text of an answer, bytes.
pub const MAX_TEXT: u32 = 1 << 20;

/// How a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The socket of a process that was forked for this client, and its pidfd, come with the answer.
    Forked,
    /// As `Forked`, but the process has been ready.
    Ready,
    /// The text says why there is none.
    Refused,
    /// The text says what was asked for.
    Told,
}

const VERDICTS: [Verdict; 4] = [Verdict::Forked, Verdict::Ready, Verdict::Refused, Verdict::Told];

/// The head of an answer; `text_len` bytes of text follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How the server answers.
    pub verdict: Verdict,
    /// The process, as the server knows it.
    pub pid: u32,
    /// The descriptor that the template has opened itself, which no client can hand over under its number; 0 for none.
    pub held: u32,
    /// Length of the text, bytes.
    pub text_len: u32,
}

impl Answer {
    /// Length without the text, bytes.
    pub const LEN: usize = 32;

    /// As it is sent.
    pub fn to_bytes(self) -> [u8; Answer::LEN] {
        let mut bytes = [0; Answer::LEN];
        let verdict = VERDICTS.iter().position(|v| *v == self.verdict).unwrap_or(0) as u32;
        bytes[..8].copy_from_slice(&MAGIC);
        let numbers = [VERSION, verdict, self.pid, self.held, self.text_len];
        for (place, number) in bytes[8..].chunks_exact_mut(4).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    /// Reads what came.
    ///
    /// # Errors
    /// Where it is no answer of this version, or its text is too long.
    pub fn parse(bytes: &[u8; Answer::LEN]) -> Result<Answer, Malformed> {
        check_head(bytes)?;
        let verdict = VERDICTS.get(number(bytes, 12) as usize);
        let answer = Answer {
            verdict: *verdict.ok_or(Malformed("an unknown verdict"))?,
            pid: number(bytes, 16),
            held: number(bytes, 20),
            text_len: number(bytes, 24),
        };
        if answer.text_len > MAX_TEXT {
            return Err(Malformed("its text is too long"));
        }
        Ok(answer)
    }
}
