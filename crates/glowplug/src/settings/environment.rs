//! The only place that reads environment variables.

use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;

/// The environment as the process was given it.
///
/// The strings live as long as the process, so that they can be handed on to another program without being copied.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    strings: Vec<&'static CStr>,
}

impl Environment {
    /// The environment of this process. Capture it once and pass it on.
    pub fn capture() -> Environment {
        Environment { strings: glowplug_linux::startup::environment() }
    }

    /// An environment of other strings (`NAME=value`), which stay allocated as long as the process lives.
    pub fn from_strings(strings: impl IntoIterator<Item = CString>) -> Environment {
        Environment {
            strings: strings.into_iter().map(|s| &*Box::leak(s.into_boxed_c_str())).collect(),
        }
    }

    /// All strings as they were given, in order.
    pub fn strings(&self) -> &[&'static CStr] {
        &self.strings
    }

    /// Names and values in order; strings without `=` are left out.
    pub fn variables(&self) -> impl Iterator<Item = (&'static [u8], &'static [u8])> {
        self.strings.iter().filter_map(|string| {
            let bytes = string.to_bytes();
            let equals = bytes.iter().position(|&b| b == b'=')?;
            Some((&bytes[..equals], &bytes[equals + 1..]))
        })
    }

    /// The variables whose names begin with `PYTHON`.
    pub fn python_variables(&self) -> impl Iterator<Item = (&'static [u8], &'static [u8])> {
        self.variables().filter(|(name, _)| name.starts_with(b"PYTHON"))
    }

    /// The value of a variable as `getenv` gives it: the first of that name.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&'static OsStr> {
        let name = name.as_ref();
        self.strings.iter().find_map(|string| {
            string.to_bytes().strip_prefix(name)?.strip_prefix(b"=").map(OsStr::from_bytes)
        })
    }

    /// The value of a variable that is set to something else than nothing.
    pub fn non_empty(&self, name: impl AsRef<[u8]>) -> Option<&'static OsStr> {
        self.get(name).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_name_counts_and_odd_strings_are_kept() {
        let strings = [c"A=1", c"odd", c"A=2", c"AB=3", c"E="];
        let environment = Environment::from_strings(strings.map(CStr::to_owned));
        assert_eq!(environment.get("A"), Some(OsStr::new("1")));
        assert_eq!(environment.get("AB"), Some(OsStr::new("3")));
        assert_eq!(environment.get("odd"), None);
        assert_eq!(environment.get("E"), Some(OsStr::new("")));
        assert_eq!(environment.non_empty("E"), None);
        assert_eq!(environment.strings(), strings);
        assert_eq!(environment.variables().count(), 4);
    }
}
