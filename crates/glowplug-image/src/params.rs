//! What a launcher tells the restorer: one environment string, removed before the program can see it.
//!
//! `GLOWPLUG_THAW=<tries>,<image fd>,<kind>,<index>,<flags>,<start ns>,<path of python>`

/// Name of the environment variable with its equals sign.
pub const NAME: &[u8] = b"GLOWPLUG_THAW=";

/// The target is a script.
pub const TARGET_SCRIPT: u64 = 0;
/// The target is a module (`-m`).
pub const TARGET_MODULE: u64 = 1;
/// The target is code (`-c`).
pub const TARGET_COMMAND: u64 = 2;
/// The target is standard input (`-`).
pub const TARGET_STDIN: u64 = 3;

/// Print how the program was started (`--explain`).
pub const FLAG_EXPLAIN: u64 = 1;
/// A failure is an error, not a reason to start plainly (`--via thaw`).
pub const FLAG_FORCED: u64 = 2;
/// The freezer's rehearsal: report the pages that were written.
pub const FLAG_REHEARSAL: u64 = 4;
/// Say it where the machine is why the program starts plainly (`glowplug thaw`).
pub const FLAG_NOTICE: u64 = 8;

/// Exit status of the restorer where a forced thaw is impossible.
pub const EXIT_FORCED: i32 = 124;

/// How often the restorer starts itself again for another random layout.
pub const MAX_TRIES: u8 = 8;

/// The parameters of a thaw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params<'a> {
    /// How often the restorer has started itself again.
    pub tries: u8,
    /// Descriptor of the open, checked image.
    pub image_fd: u64,
    /// `TARGET_*`.
    pub target_kind: u64,
    /// Index in argv of the target.
    pub target_index: u64,
    /// `FLAG_*`.
    pub flags: u64,
    /// `CLOCK_MONOTONIC` in nanoseconds when the launcher started.
    pub start_ns: u64,
    /// The interpreter to execute where the image does not fit.
    pub python: &'a [u8],
}

impl<'a> Params<'a> {
    /// Parses an environment string without its trailing NUL; `None` where it is not of this form.
    pub fn parse(string: &'a [u8]) -> Option<Params<'a>> {
        let mut rest = string.strip_prefix(NAME)?;
        let mut number = || {
            let comma = rest.iter().position(|&b| b == b',')?;
            let (digits, tail) = rest.split_at_checked(comma)?;
            rest = tail.get(1..)?;
            parse_number(digits)
        };
        let tries = u8::try_from(number()?).ok()?;
        let [image_fd, target_kind, target_index, flags, start_ns] =
            [number()?, number()?, number()?, number()?, number()?];
        (tries <= 9).then_some(Params {
            tries,
            image_fd,
            target_kind,
            target_index,
            flags,
            start_ns,
            python: rest,
        })
    }
}

/// The string up to and including the comma before the interpreter's path, which need not be UTF-8 and is appended as it is.
impl core::fmt::Display for Params<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "GLOWPLUG_THAW={},{},{},{},{},{},",
            self.tries,
            self.image_fd,
            self.target_kind,
            self.target_index,
            self.flags,
            self.start_ns
        )
    }
}

fn parse_number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |n, &d| {
        let digit = d.is_ascii_digit().then(|| u64::from(d - b'0'))?;
        n.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn what_is_written_is_read_back() {
        let params = Params {
            tries: 3,
            image_fd: 7,
            target_kind: TARGET_MODULE,
            target_index: 2,
            flags: FLAG_EXPLAIN,
            start_ns: 123_456_789_012,
            python: b"/usr/bin/python3,odd",
        };
        let mut string = params.to_string().into_bytes();
        string.extend_from_slice(params.python);
        assert_eq!(Params::parse(&string), Some(params));
    }

    #[test]
    fn garbage_is_refused() {
        for bad in ["", "GLOWPLUG_THAW=", "GLOWPLUG_THAW=1,2,3", "GLOWPLUG_THAW=1,2,3,4,5,x,/p"] {
            assert_eq!(Params::parse(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(Params::parse(b"GLOWPLUG_THAW=99999999999999999999,1,1,1,1,1,p"), None);
    }
}
