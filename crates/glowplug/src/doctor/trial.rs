//! Freezes a program and thaws it, as the commands do: the proof that all of it works together.

use super::{Check, Part, places};
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// What the thawed program prints, so that nothing else passes for it.
const PROOF: &str = "thawed";

/// Thaws of the image; the quickest is told.
const THAWS: usize = 3;

/// The check, in a folder of its own below `place`.
pub fn check(interpreter: &Path, place: PathBuf) -> Check {
    let images = &[Part::Run, Part::Freeze];
    match attempt(interpreter, &place) {
        Ok(thawed) => {
            let [thawed, plain] = [thawed.thaw, thawed.plain].map(|time| time.as_secs_f64() * 1e3);
            let found = format!("a program thaws in {thawed:.1} ms; plainly {plain:.1} ms");
            Check::works("trial", found).affecting(images)
        }
        Err(Failure::Folder(error)) => Check::fails("trial", format!("no folder for it: {error}"))
            .so("it is not known whether images work")
            .help("set TMPDIR to a folder that can be written to")
            .affecting(images),
        Err(Failure::Freeze(error)) => Check::fails("trial", format!("freezing: {error}"))
            .so("no image can be made here")
            .help("see the lines above; a program can be frozen elsewhere with -o FILE")
            .affecting(&[Part::Freeze]),
        Err(Failure::Thaw(error)) => Check::fails("trial", format!("thawing: {error}"))
            .so("programs start plainly")
            .help("see the lines above")
            .affecting(&[Part::Run]),
    }
}

/// How long starts took.
struct Times {
    thaw: Duration,
    plain: Duration,
}

enum Failure {
    Folder(io::Error),
    Freeze(String),
    Thaw(String),
}

fn attempt(interpreter: &Path, place: &Path) -> Result<Times, Failure> {
    let folder = tempfile::Builder::new()
        .prefix(places::PREFIX)
        .tempdir_in(place)
        .map_err(Failure::Folder)?;
    let image = folder.path().join("trial.image");
    let python = interpreter.as_os_str();
    let code = format!("print({PROOF:?})");
    let glowplug = OsStr::new("/proc/self/exe");
    let freeze = ["freeze".as_ref(), "--preload".as_ref(), "json".as_ref(), "--python".as_ref()];
    let out = ["-o".as_ref(), image.as_os_str()];
    run(glowplug, &[&freeze[..], &[python], &out].concat()).map_err(Failure::Freeze)?;
    let thaw = [
        "thaw".as_ref(),
        image.as_os_str(),
        "--via".as_ref(),
        "thaw".as_ref(),
        "-c".as_ref(),
        OsStr::new(&code),
    ];
    let plain = ["-c".as_ref(), OsStr::new(&code)];
    let mut times = Times { thaw: Duration::MAX, plain: Duration::MAX };
    for _ in 0..THAWS {
        times.thaw = times.thaw.min(prove(glowplug, &thaw)?);
        times.plain = times.plain.min(prove(python, &plain)?);
    }
    Ok(times)
}

/// How long a program took that must print the proof.
fn prove(program: &OsStr, arguments: &[&OsStr]) -> Result<Duration, Failure> {
    let began = Instant::now();
    let output = run(program, arguments).map_err(Failure::Thaw)?;
    let took = began.elapsed();
    let printed = String::from_utf8_lossy(&output.stdout);
    if printed.trim_end() != PROOF {
        return Err(Failure::Thaw(format!("the program printed {printed:?}")));
    }
    Ok(took)
}

/// Runs a program that must succeed; else what it said first.
fn run(program: &OsStr, arguments: &[&OsStr]) -> Result<Output, String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let first = said.lines().next().map(|line| line.trim_start_matches("error: ").to_owned());
    Err(first.unwrap_or_else(|| format!("it ended with {}", output.status)))
}
