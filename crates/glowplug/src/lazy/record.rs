//! What a run with lazy imports has noted: what became pending, what was loaded by whose first use, and what was there at the end.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Component, PathBuf};

/// An import statement whose names became pending.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Pending {
    /// The module that the statement stands in.
    pub importer: String,
    /// The module that it names, absolute.
    pub module: String,
    /// The names behind `from … import`.
    #[serde(default, deserialize_with = "none_is_empty")]
    pub names: Vec<String>,
    /// The line of the statement, from 1; 0 where it is not known.
    #[serde(default)]
    pub line: u32,
}

impl Pending {
    /// The modules that it may load: the one that it names and, as each name may be a submodule, those.
    pub fn targets(&self) -> Vec<String> {
        let submodules = self.names.iter().map(|name| format!("{}.{name}", self.module));
        std::iter::once(self.module.clone()).chain(submodules).collect()
    }
}

/// A first use that has loaded what was pending.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Load {
    /// The module whose name was pending.
    pub importer: String,
    /// The module that it was imported from.
    pub module: String,
    /// The name.
    pub name: String,
    /// How many loads it happened within.
    #[serde(default)]
    pub depth: u32,
    /// How many modules it has brought.
    #[serde(default)]
    pub modules: i64,
    /// How long it took, nanoseconds of wall time, with what was loaded within it.
    #[serde(default)]
    pub ns: u64,
    /// The file of the first use.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// Its line, from 1; 0 where it is not known.
    #[serde(default)]
    pub line: u32,
    /// The function that used it; `<module>` for a module's own code.
    #[serde(default)]
    pub function: Option<String>,
    /// Who called that function, the nearest first; empty where the load happened within another.
    #[serde(default)]
    pub stack: Vec<Caller>,
}

/// A function that waited for a load: its name, its file and the line of the call.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Caller(pub String, pub PathBuf, pub u32);

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Caller(function, file, line) = self;
        write!(f, "`{function}` ({}:{line})", file.display())
    }
}

impl Caller {
    /// Whether its code is the program's own: none of the interpreter, its library or an installed package.
    fn is_own(&self) -> bool {
        let in_library = |part: Component<'_>| {
            let part = part.as_os_str().as_encoded_bytes();
            part == b"site-packages" || part == b"dist-packages" || part.starts_with(b"python3.")
        };
        !self.1.as_os_str().as_encoded_bytes().starts_with(b"<")
            && !self.1.components().any(in_library)
    }
}

impl Load {
    /// Whether it was an import that needed it: of a module's own code, or of a function that this called.
    pub fn is_at_import(&self) -> bool {
        self.function.as_deref() == Some("<module>")
            || self.stack.iter().any(|caller| caller.1.starts_with("<frozen importlib._bootstrap>"))
    }

    /// The functions of the program's own that had to wait for it, the innermost first; the one that used the name where there are none.
    pub fn payers(&self) -> Vec<Caller> {
        let user = Caller(
            self.function.clone().unwrap_or_else(|| "?".to_owned()),
            self.file.clone().unwrap_or_else(|| "?".into()),
            self.line,
        );
        let all = std::iter::once(&user).chain(&self.stack);
        let own: Vec<_> = all.filter(|caller| caller.is_own()).cloned().collect();
        if own.is_empty() { vec![user] } else { own }
    }
}

#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Event {
    Pending(Pending),
    Load(Load),
    End { modules: BTreeMap<String, Option<PathBuf>> },
}

/// The record of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Statements whose names became pending, in order.
    pub pending: Vec<Pending>,
    /// First uses, in the order in which they were done.
    pub loads: Vec<Load>,
    /// The modules that were loaded in the end, with their files; empty where the program was killed.
    pub loaded: BTreeMap<String, Option<PathBuf>>,
}

impl Record {
    /// Reads a log: a line of JSON for each event. Lines that are none, as the last one of a killed program may be, are passed over.
    pub fn parse(log: &[u8]) -> Record {
        let mut record = Record::default();
        for line in log.split(|byte| *byte == b'\n') {
            match serde_json::from_slice(line) {
                Ok(Event::Pending(pending)) => record.pending.push(pending),
                Ok(Event::Load(load)) => record.loads.push(load),
                // Children that the program has forked end as well; they know no less than it does.
                Ok(Event::End { modules }) => record.loaded.extend(modules),
                Err(_) => {}
            }
        }
        record
    }
}

/// `null` for no names.
fn none_is_empty<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Vec<String>, D::Error> {
    Option::<Vec<String>>::deserialize(value).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_own_functions_pay() {
        let line = r#"{"event":"load","importer":"lib","module":"slow","name":"slow","file":"/v/lib/python3.11/site-packages/lib.py",
            "line":3,"function":"use","stack":[["inner","/app/views.py",7],["call","/usr/lib/python3.11/wsgi.py",1],["view","/app/views.py",9]]}"#;
        let record = Record::parse(line.replace('\n', "").as_bytes());
        let payers: Vec<_> = record.loads[0].payers().iter().map(Caller::to_string).collect();
        assert_eq!(payers, ["`inner` (/app/views.py:7)", "`view` (/app/views.py:9)"]);
        assert!(!record.loads[0].is_at_import());
    }

    #[test]
    fn a_log_is_read_line_by_line() {
        let log = br#"{"event":"pending","importer":"app","module":"json","names":["dumps"],"file":"app.py","line":3}
{"event":"pending","importer":"app","module":"re","names":null}
{"event":"load","importer":"app","module":"json","name":"dumps","depth":0,"file":"app.py","line":9,"function":"main","modules":5,"ns":812345}
{"event":"end","modules":{"json":"/lib/json/__init__.py","sys":null}}
{"event":"lo"#;
        let record = Record::parse(log);
        assert_eq!(record.pending[0].targets(), ["json", "json.dumps"]);
        assert_eq!(record.pending[1].targets(), ["re"]);
        assert_eq!((record.loads[0].modules, record.loads[0].line), (5, 9));
        assert_eq!(record.loaded["sys"], None);
        assert_eq!(record.loaded.len(), 2);
    }
}
