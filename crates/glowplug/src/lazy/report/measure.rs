//! What the imports would have cost that were never used: measured in a fresh interpreter that has loaded what the program had.

use crate::interpreter;
use crate::lazy::record::Record;
use serde::Deserialize;
use std::io::{self, Write};
use std::path::Path;
use std::process::Stdio;

const SOURCE: &str = include_str!("measure.py");

/// What an import costs beside what is loaded already.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Cost {
    /// The module.
    pub module: String,
    /// Wall time, nanoseconds.
    pub ns: u64,
    /// Modules that it brings.
    pub modules: i64,
    /// Resident memory that it brings, bytes.
    pub bytes: i64,
    /// The type of the exception that it ends with.
    pub error: Option<String>,
}

/// Measures the imports of `spared`, in order, each beside what stands before it.
///
/// # Errors
/// Where the interpreter cannot be started or gives no answer.
pub fn measure(python: &Path, record: &Record, spared: &[String]) -> io::Result<Vec<Cost>> {
    let folder =
        record.loaded.get("__main__").and_then(|file| file.as_deref()).and_then(Path::parent);
    let question = serde_json::json!({
        "path": [folder.map_or_else(|| "".into(), Path::to_string_lossy)],
        "loaded": record.loaded.keys().filter(|name| *name != "__main__").collect::<Vec<_>>(),
        "spared": spared,
    });
    let mut child = interpreter::command(python)
        .args(["-c", SOURCE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(question.to_string().as_bytes())?;
    }
    let output = child.wait_with_output()?;
    serde_json::from_slice(&output.stdout).map_err(io::Error::from)
}
