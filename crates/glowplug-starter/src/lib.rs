//! Starters: small programs that stand in an interpreter's place and hand what they are asked for to Glowplug.
//!
//! All starters are the same program. What one of them stands for is written behind its end, as zero-terminated strings and a
//! footer ([`Starter::append_to`]), so that a starter is one file that needs no other to know what it is.
#![forbid(unsafe_code)]

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The last bytes of a starter, the version of the format among them.
const MAGIC: &[u8; 12] = b"\x00glowplug\x00s1";
/// Bytes of the footer: the length of the strings (little endian), and [`MAGIC`].
const FOOTER: usize = 4 + MAGIC.len();
/// Most bytes of the strings.
const MOST: usize = 64 << 10;

/// The command of `glowplug` that a starter executes: behind it stand the starter's own path, and the arguments that the starter got,
/// its name included. Starters of any age use it with any later Glowplug.
pub const COMMAND: &str = "as-python";

/// What a starter stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Starter {
    /// The `glowplug` that it hands programs to.
    pub glowplug: PathBuf,
    /// The interpreter: what a bundle's programs take themselves to be started by; for a shim what is executed where its environment has
    /// lost the interpreter that was put aside.
    pub python: PathBuf,
    /// Which kind it is.
    pub kind: Kind,
}

/// Kinds of starters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It stands in place of an environment's interpreter, which was put aside beside the starter's folder under this name.
    Shim(OsString),
    /// It is an interpreter that has these modules preloaded.
    Bundle(Vec<String>),
}

impl Starter {
    /// What the file says that it stands for; `None` where it is no starter.
    pub fn read(file: &File) -> Option<Starter> {
        let len = file.metadata().ok()?.len();
        let mut footer = [0; FOOTER];
        let behind_strings = len.checked_sub(FOOTER as u64)?;
        file.read_exact_at(&mut footer, behind_strings).ok()?;
        let magic = footer.strip_prefix(&footer[..4]).filter(|magic| *magic == MAGIC);
        magic?;
        let strings_len = u32::from_le_bytes([footer[0], footer[1], footer[2], footer[3]]);
        let mut strings = vec![0; usize::try_from(strings_len).ok().filter(|&len| len <= MOST)?];
        file.read_exact_at(&mut strings, behind_strings.checked_sub(u64::from(strings_len))?)
            .ok()?;
        Starter::decode(&strings)
    }

    fn decode(strings: &[u8]) -> Option<Starter> {
        let mut strings = strings.strip_suffix(b"\0")?.split(|&byte| byte == 0);
        let mut path = || Some(PathBuf::from(OsStr::from_bytes(strings.next()?)));
        let (glowplug, python) = (path()?, path()?);
        let kind = match strings.next()? {
            b"shim" => Kind::Shim(OsStr::from_bytes(strings.next()?).to_owned()),
            b"bundle" => {
                let names = strings.map(|name| String::from_utf8(name.to_vec()));
                Kind::Bundle(names.collect::<Result<_, _>>().ok()?)
            }
            _ => return None,
        };
        Some(Starter { glowplug, python, kind })
    }

    /// A starter of this kind, from the program that all of them are.
    ///
    /// # Errors
    /// Where a string is too long or holds a zero byte.
    pub fn append_to(&self, mut program: Vec<u8>) -> io::Result<Vec<u8>> {
        let (kind, more): (&str, Vec<&[u8]>) = match &self.kind {
            Kind::Shim(name) => ("shim", vec![name.as_bytes()]),
            Kind::Bundle(modules) => ("bundle", modules.iter().map(String::as_bytes).collect()),
        };
        let [glowplug, python] = [&self.glowplug, &self.python].map(|p| p.as_os_str().as_bytes());
        let mut strings = Vec::new();
        for string in [glowplug, python, kind.as_bytes()].into_iter().chain(more) {
            if string.contains(&0) {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            strings.extend_from_slice(string);
            strings.push(0);
        }
        let len = u32::try_from(strings.len()).ok().filter(|&len| len as usize <= MOST);
        let len = len.ok_or(io::ErrorKind::InvalidInput)?;
        program.extend_from_slice(&strings);
        program.extend_from_slice(&len.to_le_bytes());
        program.extend_from_slice(MAGIC);
        Ok(program)
    }

    /// The interpreters that may be executed in place of the starter that lies at `place` and is called `name`, best first.
    ///
    /// A shim's own was put aside under the same name, so that the process is called as it would be without the shim.
    pub fn interpreters(&self, place: &Path, name: &OsStr) -> Vec<PathBuf> {
        let Kind::Shim(usual) = &self.kind else { return vec![self.python.clone()] };
        let Some(aside) = place.parent().and_then(Path::parent) else {
            return vec![self.python.clone()];
        };
        let same = Path::new(name).file_name().filter(|name| is_interpreter_name(name.as_bytes()));
        let names = same.into_iter().chain([usual.as_os_str()]);
        names.map(|name| aside.join(name)).chain([self.python.clone()]).collect()
    }

    /// The name by which the interpreter is to know itself: a shim's own, a bundle's interpreter's.
    pub fn name_of_interpreter<'a>(&'a self, name: &'a OsStr) -> &'a OsStr {
        match self.kind {
            Kind::Shim(_) => name,
            Kind::Bundle(_) => self.python.as_os_str(),
        }
    }
}

/// Whether a file name is one of CPython's: `python`, `python3`, `python3.11`.
pub fn is_interpreter_name(name: &[u8]) -> bool {
    let version = name.strip_prefix(b"python");
    version.is_some_and(|version| version.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.'))
}

/// Where the file of this process lies.
pub fn own_path(name: &OsStr) -> PathBuf {
    // Where there is no /proc, the name has to do.
    let path = std::fs::read_link("/proc/self/exe").unwrap_or_else(|_| PathBuf::from(name));
    let bytes = path.into_os_string().into_vec();
    // It has been replaced since; what it stands for is where it was all the same.
    let bytes = bytes.strip_suffix(b" (deleted)").map(<[u8]>::to_vec).unwrap_or(bytes);
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shim() -> Starter {
        Starter {
            glowplug: "/opt/bin/glowplug".into(),
            python: "/usr/bin/python3.11".into(),
            kind: Kind::Shim("python".into()),
        }
    }

    fn read(bytes: &[u8]) -> Option<Starter> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("starter");
        std::fs::write(&path, bytes).expect("a file");
        Starter::read(&File::open(path).expect("the file"))
    }

    #[test]
    fn what_a_starter_stands_for_is_read_back() {
        let bundle = |modules: &[&str]| Starter {
            kind: Kind::Bundle(modules.iter().map(|&module| module.to_owned()).collect()),
            ..shim()
        };
        for starter in [shim(), bundle(&[]), bundle(&["tensorflow", "a.b"])] {
            let bytes = starter.append_to(b"\x7fELF...".to_vec()).expect("no zero byte");
            assert!(bytes.starts_with(b"\x7fELF..."));
            assert_eq!(read(&bytes), Some(starter));
        }
    }

    #[test]
    fn anything_else_is_no_starter() {
        let whole = shim().append_to(b"\x7fELF".to_vec()).expect("no zero byte");
        assert_eq!(read(b""), None);
        assert_eq!(read(b"\x7fELF and what a program consists of"), None);
        for len in 0..whole.len() {
            assert_eq!(read(&whole[..len]), None, "{len}");
        }
        // A length that leads out of the file.
        let footer = whole.len() - FOOTER;
        let mut long = whole.clone();
        long[footer..footer + 4].copy_from_slice(&60_000u32.to_le_bytes());
        assert_eq!(read(&long), None);
    }

    #[test]
    fn a_zero_byte_has_no_place_in_a_starter() {
        let starter = Starter { python: OsString::from_vec(b"/a\0b".to_vec()).into(), ..shim() };
        assert!(starter.append_to(Vec::new()).is_err());
    }

    #[test]
    fn interpreters_are_sought_beside_the_shim_and_by_its_name() {
        let place = Path::new("/venv/.glowplug/starter/python");
        let found = |name: &str| shim().interpreters(place, OsStr::new(name));
        let aside = |name: &str| PathBuf::from(format!("/venv/.glowplug/{name}"));
        let usual = PathBuf::from("/usr/bin/python3.11");
        assert_eq!(found("/venv/bin/python3"), [aside("python3"), aside("python"), usual.clone()]);
        assert_eq!(found("starter"), [aside("python"), usual]);
    }
}
