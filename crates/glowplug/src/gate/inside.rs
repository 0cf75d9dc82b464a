//! `glowplug gate inside`: a small process around a program, which says what it used, and ends a service that is ready.
//!
//! It is a process of its own because the kernel counts the memory of whoever starts a program into the program's greatest, and a gate
//! that has read profiles is large.

use super::config::{Ready, Sign};
use glowplug_linux::counting::{self, Usage};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Sender};
use std::time::{Duration, Instant};

/// How often a sign is looked for that does not announce itself.
const LOOK: Duration = Duration::from_millis(2);

/// What is written to the file of `--usage`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Used {
    /// Page faults that needed no I/O.
    pub minor_faults: u64,
    /// Greatest resident memory, bytes.
    pub peak_memory: u64,
}

/// The status where a service did not become ready in time, or ended before.
pub const NOT_READY: u8 = 124;

/// Runs a command line to its end, or until it is ready, and writes what it used. Returns the exit status.
///
/// # Errors
/// Where it cannot be started or waited for.
pub fn run(command: &[OsString], ready: Option<&Ready>, usage: Option<&Path>) -> io::Result<u8> {
    let mut line = Command::new(&command[0]);
    line.args(&command[1..]);
    let status = match ready {
        Some(ready) => until_ready(line, ready)?,
        None => code(line.status()?),
    };
    if let Some(path) = usage {
        let Usage { minor_faults, peak_memory, .. } = counting::of_children();
        fs::write(path, serde_json::to_vec(&Used { minor_faults, peak_memory })?)?;
    }
    Ok(status)
}

fn code(status: ExitStatus) -> u8 {
    let signal = status.signal().map(|signal| 128 + signal);
    status.code().or(signal).and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

enum Event {
    Ready,
    Ended,
}

fn until_ready(mut command: Command, ready: &Ready) -> io::Result<u8> {
    // A file of an earlier start would be a sign too early.
    if let Sign::File(path) = &ready.sign {
        let _ = fs::remove_file(path);
    }
    let wanted = match &ready.sign {
        Sign::Output(text) => Some(text.clone()),
        _ => None,
    };
    if wanted.is_some() {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
    }
    let mut child = command.process_group(0).spawn()?;
    let (tell, events) = mpsc::channel();
    watch_output(&mut child, wanted.as_deref(), &tell);
    let outcome = wait(&mut child, ready, &events)?;
    if !matches!(outcome, Some(Event::Ended))
        && let Some(group) = rustix::process::Pid::from_raw(child.id() as i32)
    {
        // That it has just ended is as good.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let status = child.wait()?;
    Ok(match outcome {
        Some(Event::Ready) => 0,
        Some(Event::Ended) if !status.success() => code(status),
        _ => NOT_READY,
    })
}

/// Hands the output on line by line, and tells when the line has come.
fn watch_output(child: &mut Child, wanted: Option<&str>, tell: &Sender<Event>) {
    let Some(wanted) = wanted else { return };
    let streams: [Option<Box<dyn io::Read + Send>>; 2] = [
        child.stdout.take().map(|stream| Box::new(stream) as _),
        child.stderr.take().map(|stream| Box::new(stream) as _),
    ];
    for stream in streams.into_iter().flatten() {
        let (wanted, tell) = (wanted.to_owned(), tell.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                let text = String::from_utf8_lossy(&line);
                let _ = writeln!(io::stdout(), "{text}");
                if text.contains(&wanted) {
                    let _ = tell.send(Event::Ready);
                }
            }
        });
    }
}

/// The first event; `None` where the time is up.
fn wait(
    child: &mut Child,
    ready: &Ready,
    events: &mpsc::Receiver<Event>,
) -> io::Result<Option<Event>> {
    let began = Instant::now();
    while began.elapsed() < ready.timeout {
        if let Ok(event) = events.recv_timeout(LOOK) {
            return Ok(Some(event));
        }
        let is_there = match &ready.sign {
            Sign::Output(_) => false,
            Sign::Port(port) => is_listened_on(*port),
            Sign::File(path) => Path::new(path).exists(),
        };
        if is_there {
            return Ok(Some(Event::Ready));
        }
        if child.try_wait()?.is_some() {
            // Its last lines may be on their way.
            let last = events.recv_timeout(Duration::from_millis(200));
            return Ok(Some(last.unwrap_or(Event::Ended)));
        }
    }
    Ok(None)
}

/// Whether a socket listens on a TCP port: by the kernel's tables, as a connection would be part of what is measured.
fn is_listened_on(port: u16) -> bool {
    const LISTENING: &str = "0A";
    let wanted = format!(":{port:04X}");
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().any(|table| {
        let text = fs::read_to_string(table).unwrap_or_default();
        text.lines().skip(1).any(|line| {
            let mut fields = line.split_whitespace().skip(1);
            let local = fields.next().is_some_and(|address| address.ends_with(&wanted));
            local && fields.nth(1) == Some(LISTENING)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(script: &str, sign: Sign) -> u8 {
        let ready = Ready { sign, timeout: Duration::from_secs(20) };
        let command = ["/bin/sh", "-c", script].map(OsString::from);
        run(&command, Some(&ready), None).unwrap()
    }

    #[test]
    fn a_service_is_ended_when_it_says_so() {
        assert_eq!(ended("echo up; exec sleep 1000", Sign::Output("up".into())), 0);
        assert_eq!(ended("echo up >&2; exec sleep 1000", Sign::Output("up".into())), 0);
    }

    #[test]
    fn one_that_ends_before_is_not_ready() {
        assert_eq!(ended("exit 0", Sign::Output("up".into())), NOT_READY);
        assert_eq!(ended("exit 5", Sign::Output("up".into())), 5);
        assert_eq!(ended("echo up", Sign::Output("up".into())), 0);
    }

    #[test]
    fn files_and_ports_are_signs() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ready").to_string_lossy().into_owned();
        fs::write(&file, "of an earlier start").unwrap();
        assert_eq!(ended(&format!("touch {file}; exec sleep 1000"), Sign::File(file)), 0);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(is_listened_on(listener.local_addr().unwrap().port()));
    }

    #[test]
    fn what_a_program_used_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("usage");
        let command = ["/bin/sh", "-c", "exit 4"].map(OsString::from);
        assert_eq!(run(&command, None, Some(&file)).unwrap(), 4);
        let used: Used = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        assert!(used.minor_faults > 0 && used.peak_memory > 0, "{used:?}");
    }
}
