//! What an interpreter says about itself. Asking costs a start of it, so only freezers ask, and the answer is kept.

use super::Interpreter;
use crate::cache::Cache;
use crate::{key, stamp};
use glowplug_image::inputs::Stamp;
use glowplug_pythons::Minor;
use serde::{Deserialize, Serialize};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::{fmt, io};

/// What an interpreter answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// `sys.implementation.name`.
    pub implementation: String,
    /// Major, minor and micro version.
    pub version: (u32, u32, u32),
    /// Built without the global lock.
    pub free_threaded: bool,
    /// Built with `--with-pydebug`.
    pub debug: bool,
    /// What the names of its extension modules end with.
    pub extension_suffix: String,
    /// `sys.executable`.
    pub executable: PathBuf,
    /// `sys.base_prefix`.
    pub base_prefix: PathBuf,
    /// The shared library that it lives in; `None` where the executable holds it.
    pub library: Option<PathBuf>,
    /// Size of a pointer, bytes.
    pub pointer_size: u32,
    /// `platform.machine()`.
    pub machine: String,
}

/// Why an interpreter gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// It cannot be started.
    #[error("cannot start {}: {source}", path.display())]
    Start {
        /// The interpreter.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It failed.
    #[error("{} cannot say what it is: {message}", path.display())]
    Answer {
        /// The interpreter.
        path: PathBuf,
        /// What it wrote to standard error, or what was wrong with its answer.
        message: String,
    },
}

/// Prints the fields of [`Probe`]. Without the site module, so that nobody's `.pth` file is run.
const QUESTION: &str = r#"
import json, os, sys
from importlib.machinery import EXTENSION_SUFFIXES
def library():
    with open("/proc/self/maps") as maps:
        for line in maps:
            path = line.split(None, 5)[-1].strip()
            if os.path.basename(path).startswith("libpython3."):
                return path
print(json.dumps({
    "implementation": sys.implementation.name,
    "version": list(sys.version_info[:3]),
    "free_threaded": "t" in getattr(sys, "abiflags", ""),
    "debug": hasattr(sys, "gettotalrefcount"),
    "extension_suffix": EXTENSION_SUFFIXES[0],
    "executable": sys.executable,
    "base_prefix": sys.base_prefix,
    "library": library(),
    "pointer_size": (sys.maxsize.bit_length() + 1) // 8,
    "machine": os.uname().machine,
}))
"#;

/// An answer with the stamps of what it depends on.
#[derive(Serialize, Deserialize)]
struct Kept {
    stamps: Vec<[u64; 5]>,
    probe: Probe,
}

impl Interpreter {
    /// What the interpreter says about itself, from the cache where its file has not changed.
    ///
    /// # Errors
    /// Where it cannot be started or gives no answer.
    pub fn probe(&self, cache: Option<&Cache>) -> Result<Probe, ProbeError> {
        if let Some(probe) = cache.and_then(|cache| self.known(cache)) {
            return Ok(probe);
        }
        let stamps = stamps(&self.path);
        let probe = ask(&self.path)?;
        if let Some(cache) = cache {
            let kept = Kept { stamps, probe: probe.clone() };
            // Not being able to keep the answer only means asking again.
            let _ =
                serde_json::to_vec(&kept).map(|bytes| cache.write(&kept_name(&self.path), &bytes));
        }
        Ok(probe)
    }

    /// What the interpreter has said about itself before, if its file has not changed since.
    pub fn known(&self, cache: &Cache) -> Option<Probe> {
        let bytes = cache.read(&kept_name(&self.path)).ok()?;
        let kept: Kept = serde_json::from_slice(&bytes).ok()?;
        (kept.stamps == stamps(&self.path)).then_some(kept.probe)
    }
}

fn kept_name(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    format!("interpreters/{}.json", key::digest("interpreter", &[absolute.as_os_str().as_bytes()]))
}

/// Stamps of the file, and of what makes it the interpreter of a virtual environment.
fn stamps(path: &Path) -> Vec<[u64; 5]> {
    let configuration = path.parent().and_then(Path::parent).map(|home| home.join("pyvenv.cfg"));
    [Some(path.to_owned()), configuration]
        .into_iter()
        .flatten()
        .map(|path| {
            let Stamp { size, mtime_ns, ctime_ns, inode, device } =
                rustix::fs::stat(path).map(|stat| stamp::of(&stat)).unwrap_or_default();
            [size, mtime_ns, ctime_ns, inode, device]
        })
        .collect()
}

fn ask(path: &Path) -> Result<Probe, ProbeError> {
    let output = super::command(path)
        .args(["-I", "-S", "-c", QUESTION])
        .stdin(Stdio::null())
        .output()
        .map_err(|source| ProbeError::Start { path: path.to_owned(), source })?;
    let answer = |message: String| ProbeError::Answer { path: path.to_owned(), message };
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        return Err(answer(message.lines().last().unwrap_or("no message").to_owned()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| answer(error.to_string()))
}

impl Probe {
    /// Why there is no runtime for this interpreter, if there is none.
    pub fn unsupported_reason(&self) -> Option<String> {
        let freezes = self.version.0 == 3
            && Minor::freezing().any(|m| u32::from(m.number()) == self.version.1);
        let is = if self.implementation != "cpython" {
            format!("this is {}", self.implementation)
        } else if !freezes {
            format!("this is CPython {self}")
        } else if self.free_threaded {
            format!("this is a free-threaded CPython {self}")
        } else if self.debug {
            format!("this is a debug build of CPython {self}")
        } else if self.machine != "x86_64" || self.pointer_size != 8 {
            format!("this is a {}-bit CPython for {}", self.pointer_size * 8, self.machine)
        } else {
            return None;
        };
        Some(format!("{is}; programs are frozen on {}", supported()))
    }

    /// Major and minor version, as `3.11`.
    pub fn minor(&self) -> String {
        format!("{}.{}", self.version.0, self.version.1)
    }
}

/// The interpreters on which programs are frozen.
fn supported() -> String {
    let ends = Minor::freezing().next().zip(Minor::freezing().next_back());
    let range =
        ends.map_or("no CPython".to_owned(), |(first, last)| format!("CPython {first} to {last}"));
    format!("{range} on x86-64, with the global lock")
}

/// The version, as `3.11.7`.
impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor, micro) = self.version;
        write!(f, "{major}.{minor}.{micro}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe() -> Probe {
        Probe {
            implementation: "cpython".into(),
            version: (3, 11, 7),
            free_threaded: false,
            debug: false,
            extension_suffix: ".cpython-311-x86_64-linux-gnu.so".into(),
            executable: "/usr/bin/python3".into(),
            base_prefix: "/usr".into(),
            library: None,
            pointer_size: 8,
            machine: "x86_64".into(),
        }
    }

    #[test]
    fn only_what_there_is_a_runtime_for_is_supported() {
        assert_eq!(probe().unsupported_reason(), None);
        let others = [
            Probe { implementation: "pypy".into(), ..probe() },
            Probe { version: (3, 8, 18), ..probe() },
            Probe { version: (3, 99, 0), ..probe() },
            Probe { version: (4, 11, 0), ..probe() },
            Probe { free_threaded: true, version: (3, 13, 0), ..probe() },
            Probe { debug: true, ..probe() },
            Probe { machine: "aarch64".into(), ..probe() },
        ];
        for other in others {
            let reason = other.unsupported_reason().expect("is not supported");
            assert!(reason.contains("CPython 3.9 to 3.15 on x86-64"), "{reason}");
        }
    }
}
