//! Instructions of a program, as callgrind counts them.

use super::Context;
use super::measure::{Failure, last_lines};
use crate::profiling::Surroundings;
use std::ffi::OsString;
use std::fs;
use std::process::Command;

/// Valgrind reserves the highest descriptors for itself, which fails where there may be very many.
const WITH_FEW_DESCRIPTORS: &str = "ulimit -n 1024 2>/dev/null; exec \"$@\"";

/// Runs a program under callgrind and returns how many instructions it took. With a fixed layout and hash seed the number is the same
/// each time.
///
/// # Errors
/// Where valgrind is not installed or does not count.
pub fn count(
    line: &[OsString],
    surroundings: &Surroundings,
    context: &Context<'_>,
) -> Result<u64, Failure> {
    let log = context.scratch.join("callgrind.log");
    let mut command = Command::new("/bin/sh");
    let mut option = OsString::from("--log-file=");
    option.push(&log);
    command.args(["-c", WITH_FEW_DESCRIPTORS, "sh", "valgrind", "--tool=callgrind"]);
    command.arg("--callgrind-out-file=/dev/null").arg(option).args(line);
    let failed = |why: String| {
        let help =
            "install valgrind (on Debian: apt install valgrind), or drop the limit `instructions`";
        Failure::unmeasured(format!("instructions cannot be counted: {why}"), help)
    };
    surroundings.apply(&mut command).map_err(|error| failed(error.to_string()))?;
    command.status().map_err(|error| failed(error.to_string()))?;
    let text = fs::read_to_string(&log).unwrap_or_default();
    let said = surroundings.output.as_deref().map(last_lines).unwrap_or_default();
    collected(&text).ok_or_else(|| failed(format!("valgrind wrote no count; it said:\n{said}")))
}

/// The number behind `Collected :` of the first process.
fn collected(log: &str) -> Option<u64> {
    let line = log.lines().find_map(|line| line.split_once("Collected : "))?;
    line.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_stands_in_the_log() {
        let log = "==7== Events    : Ir\n==7== Collected : 123456\n==7== \n";
        assert_eq!(collected(log), Some(123_456));
        assert_eq!(collected("==7== killed"), None);
    }
}
