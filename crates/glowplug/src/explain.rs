//! What Glowplug itself says on standard error: one line for `--explain`, errors, warnings.
//!
//! Nothing here fails: that standard error is closed or full must not keep a program from starting.

use std::fmt::Display;
use std::io::Write;
use std::time::Duration;

/// Says that the program goes on plainly, and why.
pub fn plain(reason: impl Display) {
    line(format_args!("glowplug: plain: {reason}"));
}

/// Says that the program was thawed, how many modules it has loaded already, and how long it took.
pub fn thawed(modules: usize, took: Duration) {
    let milliseconds = took.as_secs_f64() * 1e3;
    line(format_args!("glowplug: thawed {modules} modules in {milliseconds:.1} ms"));
}

/// Reports an error.
pub fn error(error: impl Display) {
    line(format_args!("error: {error}"));
}

/// Reports something that is wrong but keeps nobody from going on.
pub fn warning(warning: impl Display) {
    line(format_args!("warning: {warning}"));
}

fn line(text: impl Display) {
    // One write, so that lines of several processes do not mingle.
    let text = format!("{text}\n");
    let _ = std::io::stderr().write_all(text.as_bytes());
}
