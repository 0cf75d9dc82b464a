//! After how long and how many thaws an image is made anew, with their spelling.

use serde::Deserialize;
use std::fmt;
use std::time::Duration;

/// When images are made anew, though nothing that their imports read has changed: what an image cannot draw at each thaw (the layout of
/// memory, the hash seed, the stack canary, the pointer guard) would stay the same for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// At this age.
    pub age: Age,
    /// After so many thaws.
    pub thaws: Thaws,
}

impl Default for Renewal {
    fn default() -> Renewal {
        Renewal { age: Age(Some(Duration::from_secs(DAY))), thaws: Thaws(Some(10_000)) }
    }
}

/// How old an image may become, spelled `1d`, `12h`, `30min`, `45s` or `never`; `0s` makes every start renew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Age(pub Option<Duration>);

/// How often an image may be thawed, spelled `10000` or `never`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Spelling")]
pub struct Thaws(pub Option<u64>);

/// Seconds of a day.
const DAY: u64 = 86_400;

/// In seconds, the largest first.
const UNITS: [(&str, u64); 5] = [("w", 7 * DAY), ("d", DAY), ("h", 3600), ("min", 60), ("s", 1)];

/// How the absence of a limit is spelled.
const NEVER: &str = "never";

/// Why a text is no age.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no age of an image; write it like `1d`, `12h`, `30min` or `never`")]
pub struct BadAge(String);

/// Why a text is no number of thaws.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no number of thaws; write it like `10000` or `never`")]
pub struct BadThaws(String);

impl std::str::FromStr for Age {
    type Err = BadAge;

    fn from_str(text: &str) -> Result<Age, BadAge> {
        if text == NEVER {
            return Ok(Age(None));
        }
        let bad = || BadAge(text.to_owned());
        let end = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
        let (digits, unit) = (&text[..end], text[end..].trim_start());
        let seconds = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(bad)?.1;
        let number: u64 = digits.parse().map_err(|_| bad())?;
        let seconds = number.checked_mul(seconds).ok_or_else(bad)?;
        Ok(Age(Some(Duration::from_secs(seconds))))
    }
}

impl TryFrom<String> for Age {
    type Error = BadAge;

    fn try_from(text: String) -> Result<Age, BadAge> {
        text.parse()
    }
}

/// In the largest unit that divides it.
impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(age) = self.0 else { return f.write_str(NEVER) };
        let seconds = age.as_secs();
        let whole = |(_, unit): &&(&str, u64)| seconds >= *unit && seconds.is_multiple_of(*unit);
        let (name, unit) = UNITS.iter().find(whole).unwrap_or(&("s", 1));
        write!(f, "{}{name}", seconds / unit)
    }
}

impl std::str::FromStr for Thaws {
    type Err = BadThaws;

    fn from_str(text: &str) -> Result<Thaws, BadThaws> {
        if text == NEVER {
            return Ok(Thaws(None));
        }
        let number: Option<u64> = text.parse().ok();
        number.filter(|&n| n > 0).map(|n| Thaws(Some(n))).ok_or_else(|| BadThaws(text.to_owned()))
    }
}

/// A number or a text, as a file has it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Spelling {
    Number(i64),
    Text(String),
}

impl TryFrom<Spelling> for Thaws {
    type Error = BadThaws;

    fn try_from(spelling: Spelling) -> Result<Thaws, BadThaws> {
        match spelling {
            Spelling::Number(number) => number.to_string().parse(),
            Spelling::Text(text) => text.parse(),
        }
    }
}

impl fmt::Display for Thaws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(number) => number.fmt(f),
            None => f.write_str(NEVER),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_read_as_they_are_printed() {
        let age = |seconds| Age(Some(Duration::from_secs(seconds)));
        for (text, seconds) in
            [("1d", DAY), ("36h", 129_600), ("90min", 5400), ("7s", 7), ("2w", 14 * DAY)]
        {
            assert_eq!(text.parse(), Ok(age(seconds)), "{text}");
            assert_eq!(age(seconds).to_string(), text);
        }
        assert_eq!("0 s".parse(), Ok(age(0)));
        assert_eq!(age(0).to_string(), "0s");
        assert_eq!("never".parse(), Ok(Age(None)));
        for bad in ["", "1", "d", "-1d", "1.5d", "1 day", "99999999999999999999d"] {
            assert!(bad.parse::<Age>().is_err(), "{bad}");
        }
    }

    #[test]
    fn thaws_are_read_as_they_are_printed() {
        for text in ["1", "10000", "never"] {
            assert_eq!(text.parse::<Thaws>().map(|thaws| thaws.to_string()).as_deref(), Ok(text));
        }
        for bad in ["", "0", "-1", "many", "1e4"] {
            assert!(bad.parse::<Thaws>().is_err(), "{bad}");
        }
    }
}
