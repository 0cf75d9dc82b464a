//! Starts programs with the recorder that ships, and reads their records.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The library as it is shipped. `cargo test` itself builds one for unwinding, with std in it.
pub fn recorder() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a target folder");
        let status = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--release", "--package", "glowplug-recorder"])
            .arg("--target-dir")
            .arg(target)
            .status()
            .expect("cargo runs");
        assert!(status.success(), "the recorder does not build");
        target.join("release/libglowplug_recorder.so")
    })
}

/// Compiles `tests/programs/<name>.c` and returns the result. The options say what it becomes.
pub fn compile(name: &str, result: &Path, options: &[&OsStr]) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs").join(name);
    let output = Command::new("cc")
        .args(["-Wall", "-Werror", "-O1", "-D_GNU_SOURCE", "-fPIC", "-pthread", "-o"])
        .arg(result)
        .arg(source.with_extension("c"))
        .args(options)
        .output()
        .expect("a C compiler is installed");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    result.to_owned()
}

/// Compiles a program into a folder.
pub fn program(name: &str, folder: &Path) -> PathBuf {
    compile(name, &folder.join(name), &[])
}

/// The interpreters to test with: the first python3 on PATH and the system's.
pub fn pythons() -> Vec<PathBuf> {
    let ask = |python: &str| {
        let output = Command::new(python)
            .args(["-I", "-c", "import sys; print(sys.executable)"])
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim_end()))
    };
    let mut found: Vec<_> = ["python3", "/usr/bin/python3"].into_iter().filter_map(ask).collect();
    found.dedup();
    assert!(!found.is_empty(), "no python3 is installed");
    found
}

/// A start with the recorder in front.
pub struct Start {
    program: OsString,
    arguments: Vec<OsString>,
    folder: PathBuf,
    /// Beside those of the recorder, which sort between them: `A...`, `GLOWPLUG...`, `HOME`,
    /// `LD_PRELOAD`, `PATH`.
    variables: Vec<(OsString, OsString)>,
    record: Option<&'static str>,
    size: usize,
    strace_log: Option<PathBuf>,
}

/// What a start left behind.
pub struct Recorded {
    pub output: Output,
    pub process: u64,
    pub flags: u64,
    pub used: u64,
    pub entries: Vec<String>,
}

impl Start {
    pub fn of(program: impl AsRef<OsStr>) -> Self {
        let variables = [("A_VARIABLE", "first"), ("HOME", "/"), ("PATH", "/usr/bin:/bin")];
        Self {
            program: program.as_ref().to_owned(),
            arguments: Vec::new(),
            folder: "/".into(),
            variables: variables.map(|(name, value)| (name.into(), value.into())).to_vec(),
            record: Some("full"),
            size: 1 << 20,
            strace_log: None,
        }
    }

    pub fn arguments<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    pub fn variable(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.variables.push((name.into(), value.as_ref().into()));
        self
    }

    pub fn folder(mut self, folder: &Path) -> Self {
        folder.clone_into(&mut self.folder);
        self
    }

    pub fn light(mut self) -> Self {
        self.record = Some("light");
        self
    }

    pub fn unrecorded(mut self) -> Self {
        self.record = None;
        self
    }

    /// The size of the memory file in bytes.
    pub fn size(mut self, size: usize) -> Self {
        self.size = size;
        self
    }

    /// Has strace write down which files the kernel opens.
    pub fn strace(mut self, log: &Path) -> Self {
        self.strace_log = Some(log.to_owned());
        self
    }

    pub fn run(mut self) -> Recorded {
        let memory = memory_file(self.size);
        let mut own = vec![(OsString::from("LD_PRELOAD"), recorder().as_os_str().to_owned())];
        if let Some(library) = self.variables.iter().find(|(name, _)| name == "GLOWPLUG_LD_PRELOAD")
        {
            own[0].1.push(":");
            own[0].1.push(&library.1);
        }
        if let Some(detail) = self.record {
            let request = format!("{},{detail}", memory.as_raw_fd());
            own.push(("GLOWPLUG_RECORD".into(), request.into()));
        }
        self.variables.extend(own);
        let mut command = self.command();
        let descriptor = memory.as_raw_fd();
        // SAFETY: fcntl may be called between fork and exec.
        unsafe {
            command.pre_exec(move || match libc::fcntl(descriptor, libc::F_SETFD, 0) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            })
        };
        let output = command.output().expect("the program starts");
        Recorded::read(output, memory)
    }

    fn command(self) -> Command {
        let mut command = match self.strace_log {
            None => Command::new(&self.program),
            Some(log) => {
                let mut strace = Command::new("strace");
                strace.args(["-f", "-qq", "-e", "trace=open,openat", "-o"]).arg(log);
                for (name, value) in &self.variables {
                    let mut variable = name.clone();
                    variable.push("=");
                    variable.push(value);
                    strace.arg("-E").arg(variable);
                }
                strace.arg(&self.program);
                strace
            }
        };
        let traced = command.get_program() == "strace";
        command.env_clear().args(self.arguments).current_dir(self.folder);
        if traced {
            command.env("PATH", "/usr/bin:/bin")
        } else {
            command.envs(self.variables)
        };
        command
    }
}

impl Recorded {
    fn read(output: Output, mut memory: File) -> Self {
        let mut bytes = Vec::new();
        memory.read_to_end(&mut bytes).expect("the record can be read");
        let number = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
        let end = bytes.len().min(64 + usize::try_from(number(0)).expect("a size"));
        let entries = bytes[64..end].split(|&byte| byte == 0).filter(|entry| !entry.is_empty());
        Self {
            output,
            process: number(8),
            flags: number(16),
            used: number(0),
            entries: entries.map(|entry| String::from_utf8_lossy(entry).into_owned()).collect(),
        }
    }

    /// The same, for a program that is expected to end well.
    pub fn successful(self) -> Self {
        let errors = String::from_utf8_lossy(&self.output.stderr);
        assert!(self.output.status.success(), "{:?}: {errors}", self.output.status);
        self
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.output.stdout.clone()).expect("text")
    }

    pub fn has(&self, entry: &str) -> bool {
        self.entries.iter().any(|noted| noted == entry)
    }
}

fn memory_file(size: usize) -> File {
    // SAFETY: the name ends in a NUL; a descriptor that is returned is ours.
    let memory = unsafe {
        let descriptor = libc::memfd_create(c"record".as_ptr(), libc::MFD_CLOEXEC);
        assert!(descriptor >= 0, "memfd_create fails");
        File::from_raw_fd(descriptor)
    };
    memory.set_len(size as u64).expect("the memory file gets its size");
    memory
}

/// A folder of its own for a test, empty.
pub fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("recorder").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder for the test");
    folder.canonicalize().expect("the folder is there")
}
