//! A virtual environment, also on a Debian that has taken pip out of its Python.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};

/// A virtual environment with pip in it.
pub struct Venv {
    folder: PathBuf,
}

impl Venv {
    /// Takes the environment at `folder` where it works, and makes it otherwise, by the first way that this machine has:
    /// venv, uv, virtualenv, venv with another Python's pip, and at last, as root, venv after installing Debian's package
    /// for it.
    ///
    /// # Errors
    /// None of the ways works; says what to install.
    pub fn ensure(python: &str, folder: &Path) -> Result<Self> {
        let venv = Self { folder: folder.to_path_buf() };
        if venv.works() {
            return Ok(venv);
        }
        check_version(python)?;
        for way in ways(python, folder) {
            if way.iter().all(|argv| succeeds(argv)) && venv.works() {
                return Ok(venv);
            }
        }
        bail!(
            "{python} cannot make a virtual environment: it has no ensurepip\n  \
             help: `apt install python3-venv` gives Debian's Python one; or name another one with PYTHON=…"
        )
    }

    /// A program of the environment.
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join("bin").join(name)
    }

    /// Installs by pip; its output is shown.
    ///
    /// # Errors
    /// pip fails; it has said why.
    pub fn install(&self, what: &[&str]) -> Result<()> {
        let mut pip = python_command(&self.program("python"));
        pip.args(["-m", "pip", "install", "--disable-pip-version-check", "--quiet"]).args(what);
        let status = pip.status().context("cannot start pip")?;
        ensure!(status.success(), "`pip install {}` failed ({status})", what.join(" "));
        Ok(())
    }

    fn works(&self) -> bool {
        succeeds(&[self.program("python"), "-m".into(), "pip".into(), "--version".into()])
    }
}

/// Each way is a list of commands that must all succeed.
fn ways(python: &str, folder: &Path) -> Vec<Vec<Vec<PathBuf>>> {
    let argv = |words: &[&str]| -> Vec<PathBuf> {
        words.iter().map(PathBuf::from).chain([folder.to_path_buf()]).collect()
    };
    let venv = argv(&[python, "-m", "venv", "--clear"]);
    let bare = argv(&[python, "-m", "venv", "--clear", "--without-pip"]);
    let mut borrowed = argv(&[python, "-m", "pip", "--python"]);
    borrowed.extend(["install", "pip"].map(PathBuf::from));
    let mut ways = vec![
        vec![venv.clone()],
        vec![argv(&["uv", "venv", "--quiet", "--clear", "--seed", "--python", python])],
        vec![argv(&["virtualenv", "--quiet", "--clear", "--python", python])],
        vec![bare, borrowed],
    ];
    if nix::unistd::geteuid().is_root() {
        let apt = ["apt-get", "install", "--yes", "--quiet", "python3-venv"].map(PathBuf::from);
        ways.push(vec![apt.to_vec(), venv]);
    }
    ways
}

fn check_version(python: &str) -> Result<()> {
    let mut command = python_command(Path::new(python));
    command.args(["-I", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]);
    let output = command
        .output()
        .with_context(|| format!("cannot start {python}; install Python 3.10 or later"))?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let minor = version.strip_prefix("3.").and_then(|minor| minor.parse::<u32>().ok());
    ensure!(
        minor.is_some_and(|minor| minor >= 10),
        "{python} is Python {version}; 3.10 or later is needed, name one with PYTHON=…"
    );
    Ok(())
}

fn succeeds(argv: &[PathBuf]) -> bool {
    let mut command = python_command(&argv[0]);
    command.args(&argv[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// A command without what the caller's shell says to every Python, and without the library path that Cargo sets.
pub fn python_command(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name == "LD_LIBRARY_PATH" || name.as_encoded_bytes().starts_with(b"PYTHON") {
            command.env_remove(name);
        }
    }
    command
}
