//! Digests that name things in the cache: above all the key, which selects an image before its inputs are checked.

use crate::commandline::{CommandLine, Target, holds};
use crate::privilege;
use crate::settings::{Environment, Preload};
use rustix::thread::CpuSet;
use std::ffi::CStr;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The first 16 bytes of a blake3 digest.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 16]);

impl Digest {
    /// As 32 lower-case hexadecimal digits.
    pub fn hex(&self) -> String {
        let mut hex = String::with_capacity(32);
        for byte in self.0 {
            let _ = write!(hex, "{byte:02x}");
        }
        hex
    }

    /// Reads what [`Digest::hex`] wrote.
    pub fn from_hex(hex: &str) -> Option<Digest> {
        let bytes = hex.as_bytes();
        if bytes.len() != 32 {
            return None;
        }
        let mut digest = [0; 16];
        for (byte, pair) in digest.iter_mut().zip(bytes.chunks_exact(2)) {
            *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
        }
        Some(Digest(digest))
    }
}

const fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.hex())
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.hex())
    }
}

/// A digest of fields in the making. Fields are preceded by their length, so that moving a byte from one to the next changes it.
pub struct Fields(blake3::Hasher);

impl Fields {
    /// Starts a digest; other domains give other digests of the same fields.
    pub fn new(domain: &str) -> Fields {
        let mut fields = Fields(blake3::Hasher::new());
        fields.add(b"glowplug");
        fields.add(domain.as_bytes());
        fields
    }

    /// Adds a field.
    pub fn add(&mut self, field: &[u8]) -> &mut Self {
        self.0.update(&(field.len() as u64).to_le_bytes());
        self.0.update(field);
        self
    }

    /// Adds a field that may be absent, which is not the same as empty.
    pub fn add_optional(&mut self, field: Option<&[u8]>) -> &mut Self {
        match field {
            Some(field) => self.add(b"+").add(field),
            None => self.add(b"-"),
        }
    }

    /// The digest of what was added.
    pub fn finish(&self) -> Digest {
        let mut digest = [0; 16];
        digest.copy_from_slice(&self.0.finalize().as_bytes()[..16]);
        Digest(digest)
    }
}

/// The digest of some fields.
pub fn digest(domain: &str, fields: &[&[u8]]) -> Digest {
    let mut digest = Fields::new(domain);
    for field in fields {
        digest.add(field);
    }
    digest.finish()
}

/// The digest of this build of Glowplug: other sources, another digest.
pub const BUILD: Digest = build();

const fn build() -> Digest {
    let hex = env!("GLOWPLUG_BUILD_DIGEST").as_bytes();
    let mut digest = [0; 16];
    let mut i = 0;
    while i < 16 {
        match (hex_digit(hex[2 * i]), hex_digit(hex[2 * i + 1])) {
            (Some(high), Some(low)) => digest[i] = high << 4 | low,
            _ => panic!("the build digest is not hexadecimal"),
        }
        i += 1;
    }
    Digest(digest)
}

/// What a key is for.
#[derive(Clone, Copy, Debug)]
pub enum Purpose<'a> {
    /// The program of the command line.
    Program,
    /// Any program that the server of this preload set starts.
    Set(&'a str),
}

/// What a key depends on.
#[derive(Clone, Copy, Debug)]
pub struct KeyParts<'a> {
    /// What the key is for.
    pub purpose: Purpose<'a>,
    /// The interpreter as it is invoked, absolute.
    pub interpreter: &'a Path,
    /// The command line.
    pub command: &'a CommandLine<'a>,
    /// Where the script really lies; `None` for other targets.
    pub script: Option<&'a Path>,
    /// What is preloaded beside what was learned.
    pub preload: &'a Preload,
    /// What may be in the image although it looks like a credential.
    pub allowed_secrets: &'a [String],
    /// The working directory; `None` where it has been removed.
    pub folder: Option<&'a Path>,
    /// The environment.
    pub environment: &'a Environment,
}

/// Variables beside `PYTHON*`, `LC_*` and `LD_*` that an interpreter reads before it runs anything. `HOME` is where the user's
/// site-packages lie.
const VARIABLES: [&[u8]; 4] = [b"LANG", b"LANGUAGE", b"TZ", b"HOME"];

/// `PYTHON*` variables that hold paths; where one is relative, the working directory counts.
const PATH_VARIABLES: [&str; 4] =
    ["PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONPYCACHEPREFIX"];

/// Variables that only look like the interpreter's: PySpark tells its workers by them where to answer and what to show for it, which is
/// drawn anew for each session.
const SECRETS_OF_PYSPARK: &[u8] = b"PYTHON_WORKER_FACTORY_";

/// The key of a start.
pub fn of_start(parts: &KeyParts<'_>) -> Digest {
    let mut fields = Fields::new("key");
    fields.add(&glowplug_image::FORMAT_VERSION.to_le_bytes());
    fields.add(&BUILD.0);
    fields.add(parts.interpreter.as_os_str().as_bytes());
    fields.add(&(parts.command.flags.len() as u64).to_le_bytes());
    for flag in &parts.command.flags {
        fields.add(&[flag.letter]).add(flag.argument);
    }
    match parts.purpose {
        Purpose::Program => {
            add_target(&mut fields, parts);
            for entry in parts.preload.entries() {
                fields.add(b"preload").add(entry.as_bytes());
            }
        }
        Purpose::Set(name) => {
            fields.add(b"set").add(name.as_bytes());
        }
    }
    for entry in parts.allowed_secrets {
        fields.add(b"secret").add(entry.as_bytes());
    }
    let folder = parts.folder.filter(|_| needs_folder(parts));
    fields.add_optional(folder.map(|folder| folder.as_os_str().as_bytes()));
    add_variables(&mut fields, parts.environment);
    let ids = [
        rustix::process::getuid().as_raw(),
        rustix::process::geteuid().as_raw(),
        rustix::process::getgid().as_raw(),
        rustix::process::getegid().as_raw(),
    ];
    for id in ids {
        fields.add(&id.to_le_bytes());
    }
    for group in rustix::process::getgroups().unwrap_or_default() {
        fields.add(b"group").add(&group.as_raw().to_le_bytes());
    }
    for set in privilege::capabilities() {
        fields.add(&set.bits().to_le_bytes());
    }
    add_processors(&mut fields);
    fields.finish()
}

/// The processors that the process may run on: libraries size and pin their pools by them when they are loaded.
fn add_processors(fields: &mut Fields) {
    let Ok(allowed) = rustix::thread::sched_getaffinity(None) else {
        fields.add(b"any");
        return;
    };
    let mut words = [0u8; CpuSet::MAX_CPU / 8];
    for cpu in (0..CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu)) {
        words[cpu / 8] |= 1 << (cpu % 8);
    }
    fields.add(&words);
}

fn add_target(fields: &mut Fields, parts: &KeyParts<'_>) {
    match parts.command.target {
        Target::Script(path) => {
            let folder = parts.folder.filter(|_| path.is_relative());
            fields.add(b"script").add_optional(folder.map(|folder| folder.as_os_str().as_bytes()));
            fields.add(path.as_os_str().as_bytes());
            fields.add_optional(parts.script.map(|script| script.as_os_str().as_bytes()));
        }
        Target::Module(name) => {
            fields.add(b"module").add(name.as_bytes());
        }
        Target::Command(code) => {
            fields.add(b"command").add(code);
        }
        Target::Stdin => {
            fields.add(b"stdin");
        }
        Target::Interactive | Target::Answer => {
            fields.add(b"none");
        }
    }
}

/// Whether modules can be found relative to the working directory.
fn needs_folder(parts: &KeyParts<'_>) -> bool {
    let command = parts.command;
    let variables = !command.ignores_environment();
    let environment = parts.environment;
    let safe =
        command.has_safe_path() || (variables && environment.non_empty("PYTHONSAFEPATH").is_some());
    let is_program = matches!(parts.purpose, Purpose::Program);
    let on_path = is_program && !safe && !matches!(command.target, Target::Script(_));
    let relative = |name: &&str| {
        environment.non_empty(name).is_some_and(|value| {
            value.as_bytes().split(|&b| b == b':').any(|entry| !entry.starts_with(b"/"))
        })
    };
    on_path || (variables && PATH_VARIABLES.iter().any(relative))
}

fn add_variables(fields: &mut Fields, environment: &Environment) {
    let mut variables: Vec<_> =
        environment.variables().filter(|(name, _)| is_key_variable(name)).collect();
    variables.sort_unstable();
    fields.add(&(variables.len() as u64).to_le_bytes());
    for (name, value) in variables {
        fields.add(name).add(value);
    }
}

/// Whether a variable belongs to the key, so that no selector need name it.
pub fn is_key_variable(name: &[u8]) -> bool {
    let prefixes: [&[u8]; 3] = [b"PYTHON", b"LC_", b"LD_"];
    if name.starts_with(SECRETS_OF_PYSPARK) {
        return false;
    }
    VARIABLES.contains(&name) || prefixes.iter().any(|prefix| name.starts_with(prefix))
}

/// What stands before a word in place of the name of a variable.
const WORD: &[u8] = b"==";

/// What a selector has in place of a name where imports asked what the standard streams are: an image is for starts of which none is a
/// terminal. As a word it is empty, which no argument holds.
pub const TERMINALS: &[u8] = WORD;

/// The name, for a selector, of a word that imports look for in the program's arguments: an image is for starts without it.
pub fn word_name(word: &[u8]) -> Vec<u8> {
    [WORD, word].concat()
}

/// The word that a selector has in place of the name of a variable.
pub fn as_word(name: &[u8]) -> Option<&[u8]> {
    name.strip_prefix(WORD)
}

/// The first word among the names of a selector that one of `arguments` holds.
pub fn word_among<'n>(
    names: impl IntoIterator<Item = &'n [u8]>,
    arguments: &[&CStr],
) -> Option<&'n [u8]> {
    let mut words = names.into_iter().filter_map(as_word);
    words.find(|word| arguments.iter().any(|argument| holds(argument.to_bytes(), word)))
}

/// The digest of the values of the variables that a selector names; unset is not the same as empty.
pub fn of_values<'a>(
    names: impl IntoIterator<Item = &'a [u8]>,
    environment: &Environment,
) -> Digest {
    let mut fields = Fields::new("values");
    for name in names.into_iter().filter(|name| as_word(name).is_none()) {
        if let [b'=', prefix @ ..] = name {
            let mut variables: Vec<_> =
                environment.variables().filter(|(name, _)| name.starts_with(prefix)).collect();
            variables.sort_unstable();
            fields.add(name).add(&(variables.len() as u64).to_le_bytes());
            for (name, value) in variables {
                fields.add(name).add(value);
            }
            continue;
        }
        fields.add(name).add_optional(environment.get(name).map(|value| value.as_bytes()));
    }
    fields.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CString;

    #[test]
    fn hexadecimal_is_read_back() {
        let digest = digest("test", &[b"x"]);
        assert_eq!(Digest::from_hex(&digest.hex()), Some(digest));
        assert_eq!(Digest::from_hex("zz"), None);
        assert_eq!(Digest::from_hex(&"A".repeat(32)), None);
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        let all = [
            digest("a", &[b"xy", b"z"]),
            digest("a", &[b"x", b"yz"]),
            digest("a", &[b"xyz"]),
            digest("a", &[b"xyz", b""]),
            digest("b", &[b"xy", b"z"]),
        ];
        for (i, one) in all.iter().enumerate() {
            assert!(!all[i + 1..].contains(one), "{i}");
        }
        assert_eq!(digest("a", &[b"xyz"]), digest("a", &[b"xyz"]));
    }

    fn environment(strings: &[&str]) -> Environment {
        Environment::from_strings(strings.iter().map(|s| CString::new(*s).expect("no NUL")))
    }

    fn key(arguments: &[&CStr], strings: &[&str], folder: &str, preload: &[&str]) -> Digest {
        let command = crate::commandline::parse(arguments).expect("own options are right");
        let mut entries = Preload::default();
        entries.extend(preload.iter().copied());
        of_start(&KeyParts {
            purpose: Purpose::Program,
            interpreter: Path::new("/usr/bin/python3"),
            command: &command,
            script: None,
            preload: &entries,
            allowed_secrets: &[],
            folder: Some(Path::new(folder)),
            environment: &environment(strings),
        })
    }

    #[test]
    fn what_matters_changes_the_key() {
        let base = key(&[c"/a.py"], &["LANG=C"], "/w", &[]);
        assert_ne!(base, key(&[c"/b.py"], &["LANG=C"], "/w", &[]));
        assert_ne!(base, key(&[c"-O", c"/a.py"], &["LANG=C"], "/w", &[]));
        assert_ne!(base, key(&[c"/a.py"], &["LANG=de"], "/w", &[]));
        assert_ne!(base, key(&[c"/a.py"], &["LANG=C", "PYTHONHASHSEED=1"], "/w", &[]));
        assert_ne!(base, key(&[c"/a.py"], &["LANG=C", "LD_PRELOAD=x"], "/w", &[]));
        assert_ne!(base, key(&[c"/a.py"], &["LANG=C"], "/w", &["json"]));
        assert_ne!(base, key(&[c"-m", c"/a.py"], &["LANG=C"], "/w", &[]));
    }

    #[test]
    fn what_does_not_matter_leaves_the_key() {
        let base = key(&[c"/a.py"], &["LANG=C", "TZ=UTC"], "/w", &[]);
        assert_eq!(base, key(&[c"/a.py", c"arg"], &["TZ=UTC", "X=1", "LANG=C"], "/v", &[]));
        assert_eq!(base, key(&[c"--explain", c"/a.py"], &["LANG=C", "TZ=UTC"], "/w", &[]));
        let worker = ["LANG=C", "TZ=UTC", "PYTHON_WORKER_FACTORY_SECRET=x"];
        assert_eq!(base, key(&[c"/a.py"], &worker, "/w", &[]));
    }

    #[test]
    fn the_working_directory_counts_where_modules_are_found_in_it() {
        let differs = |arguments: &[&CStr], strings: &[&str]| {
            key(arguments, strings, "/v", &[]) != key(arguments, strings, "/w", &[])
        };
        assert!(differs(&[c"-m", c"mod"], &[]));
        assert!(differs(&[c"-c", c"pass"], &[]));
        assert!(differs(&[c"a.py"], &[]));
        assert!(differs(&[c"/a.py"], &["PYTHONPATH=/x:lib"]));
        assert!(differs(&[c"/a.py"], &["PYTHONPATH=/x:"]));
        assert!(!differs(&[c"/a.py"], &["PYTHONPATH=/x:/lib"]));
        assert!(!differs(&[c"-E", c"/a.py"], &["PYTHONPATH=lib"]));
        assert!(!differs(&[c"-Pm", c"mod"], &[]));
        assert!(!differs(&[c"-Im", c"mod"], &[]));
        assert!(!differs(&[c"-m", c"mod"], &["PYTHONSAFEPATH=1"]));
    }

    #[test]
    fn values_tell_unset_from_empty() {
        let names = || [&b"A"[..], b"B"].into_iter();
        let unset = of_values(names(), &environment(&[]));
        let empty = of_values(names(), &environment(&["A="]));
        assert_ne!(unset, empty);
        assert_eq!(unset, of_values(names(), &environment(&["C=1"])));
    }

    #[test]
    fn words_are_looked_for_in_arguments_and_are_no_variables() {
        let names = [&b"A"[..], b"=B", b"==gpu", TERMINALS];
        assert_eq!(word_name(b"gpu"), names[2]);
        assert_eq!(word_among(names, &[c"a.py", c"--with-gpu=1"]), Some(&b"gpu"[..]));
        assert_eq!(word_among(names, &[c"a.py", c"A", c"=B"]), None);
        let with = of_values(names, &environment(&["A=1"]));
        assert_eq!(with, of_values(names[..2].iter().copied(), &environment(&["A=1"])));
    }
}
