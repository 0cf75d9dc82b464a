//! What Glowplug itself says on standard error: one line for `--explain`, errors, warnings.
//!
//! Nothing here fails: that standard error is closed or full must not keep a program from starting.

use std::fmt::Display;
use std::io::Write;

/// Says that the program goes on plainly, and why.
pub fn plain(reason: impl Display) {
    line(format_args!("glowplug: plain: {reason}"));
}

/// Says that a module is not in the image, and why.
pub fn apart(module: &str, cause: &str) {
    line(format_args!("glowplug: not preloaded: {module}, which {cause} when it is imported"));
}

/// Says something about how a command comes along.
pub fn note(text: impl Display) {
    line(format_args!("note: {text}"));
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
