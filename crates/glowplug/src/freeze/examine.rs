//! What a preloaded interpreter has that no image can hold.

use super::report::Report;
use super::subject::Subject;
use glowplug_linux::process::{Mapping, Process};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Duration;

/// A thread that may vanish, since its library does without it or starts it again; a test shows it for each.
struct Harmless {
    /// Part of the name of the library that started it, in small letters; empty where it may be linked into any.
    library: &'static str,
    /// The name that it gives itself; `None` where it gives itself none.
    name: Option<&'static str>,
}

/// The threads that may vanish.
const HARMLESS: [Harmless; 3] = [
    // OpenBLAS (numpy, scipy) ends its workers before a fork, and starts new ones at the next call.
    Harmless { library: "openblas", name: None },
    // jemalloc (in polars, pyarrow and others): its own fork handler does without the thread in the child, where the threads that
    // allocate return memory themselves.
    Harmless { library: "", name: Some("jemalloc_bg_thd") },
    // Held back by the recorder, and started in each thawed process (polars' cleaner).
    Harmless { library: "", name: Some("glowplug-held") },
];

/// How often, and how long each time, a thread is given time to come to rest: OpenBLAS's workers spin before they wait.
const PATIENCE: (u32, Duration) = (400, Duration::from_millis(5));

/// How much of a thread's stack is searched for the library that started it, bytes.
const SEARCHED: usize = 16 << 10;

/// What an import can leave behind, by the names that the interpreter's reports have for it.
pub const LEFTOVERS: [&str; 4] = ["thread", "descriptor", "child", "shared"];

/// Which of them there are.
pub fn leftovers(subject: &Subject) -> io::Result<Vec<&'static str>> {
    let process = subject.process();
    let mappings = process.mappings()?;
    let there = [
        foreign_thread(process, &mappings)?.is_some(),
        unexpected_descriptor(subject)?.is_some(),
        !process.children()?.is_empty() || !subject.orphans()?.is_empty(),
        mappings.iter().any(is_shared_writable),
    ];
    Ok(LEFTOVERS.into_iter().zip(there).filter(|(_, there)| *there).map(|(kind, _)| kind).collect())
}

/// What an open descriptor leads to that the freezer did not hand over.
fn unexpected_descriptor(subject: &Subject) -> io::Result<Option<PathBuf>> {
    let mappings = subject.process().mappings()?;
    // 0 to 2, the socket and the record.
    let socket = format!("socket:[{}]", subject.peer());
    let mut descriptors = subject.process().descriptors()?.into_iter();
    let found = descriptors.find(|(number, target)| {
        let target = target.to_string_lossy();
        *number > 2
            && !target.starts_with("/memfd:glowplug-")
            && !is_libffi(&target, &mappings)
            && target != socket
    });
    Ok(found.map(|(_, target)| target))
}

/// Why the process must not be frozen, if there is a reason.
pub fn refusal(subject: &Subject, report: &Report) -> io::Result<Option<String>> {
    let process = subject.process();
    let mappings = process.mappings()?;
    let module = |kind: &str| match report.first(kind) {
        Some(module) => format!("module `{module}`"),
        None => "an import".to_owned(),
    };
    if let Some(library) = foreign_thread(process, &mappings)? {
        let module = module("thread");
        return Ok(Some(format!("{module} starts a thread ({library}) when it is imported")));
    }
    if let Some(target) = unexpected_descriptor(subject)? {
        let module = module("descriptor");
        let target = target.display();
        return Ok(Some(format!(
            "{module} leaves a descriptor open ({target}) when it is imported"
        )));
    }
    if let Some(&child) = process.children()?.iter().chain(&subject.orphans()?).next() {
        let module = module("child");
        // It may just have ended.
        let name = Process::new(child).name().unwrap_or_else(|_| format!("process {child}"));
        return Ok(Some(format!("{module} leaves a child process ({name}) when it is imported")));
    }
    if let Some(shared) = mappings.iter().find(|m| is_shared_writable(m)) {
        let module = module("shared");
        let name = if shared.name.is_empty() { "anonymous" } else { &shared.name };
        return Ok(Some(format!(
            "{module} maps shared, writable memory ({name}) when it is imported"
        )));
    }
    let output = subject.output()?;
    let output = &output[..report.printed.unwrap_or(output.len()).min(output.len())];
    if !output.is_empty() {
        let text = String::from_utf8_lossy(output);
        let line = text.lines().next().unwrap_or_default();
        return Ok(Some(format!("an import prints: {line}")));
    }
    Ok(None)
}

/// Whether a descriptor is libffi's on itself, which the thawed process opens again.
fn is_libffi(target: &str, mappings: &[Mapping]) -> bool {
    let name = target.rsplit('/').next().unwrap_or_default();
    name.starts_with("libffi.so") && mappings.iter().any(|m| m.name == target)
}

/// Whether the process must be refused for what it shares with others.
pub fn maps_shared_memory(subject: &Subject) -> io::Result<bool> {
    Ok(subject.process().mappings()?.iter().any(is_shared_writable))
}

/// Whether a mapping is shared with others and can be written; the record is the recorder's and goes before the process stands still.
fn is_shared_writable(mapping: &Mapping) -> bool {
    mapping.shared && mapping.write && !mapping.name.starts_with("/memfd:glowplug-")
}

/// The library of a thread that must not vanish.
fn foreign_thread(process: Process, mappings: &[Mapping]) -> io::Result<Option<String>> {
    for thread in process.threads()? {
        if thread == process.pid() {
            continue;
        }
        let library = library_of(process, thread, mappings)?;
        let library = library.unwrap_or_else(|| "of an unknown library".to_owned());
        let name = process.thread_name(thread).unwrap_or_default();
        if !is_harmless(&library, &name) {
            return Ok(Some(library));
        }
    }
    Ok(None)
}

fn is_harmless(library: &str, thread: &str) -> bool {
    let library = library.to_ascii_lowercase();
    HARMLESS.iter().any(|known| {
        library.contains(known.library) && known.name.is_none_or(|name| name == thread)
    })
}

/// The stack pointer of a thread as soon as it waits for something; `None` where it does not come to rest.
fn resting_stack(process: Process, thread: u32) -> Option<u64> {
    let (tries, pause) = PATIENCE;
    for _ in 0..tries {
        match process.thread_stack(thread) {
            Ok(None) => std::thread::sleep(pause),
            Ok(stack) => return stack,
            Err(_) => return None,
        }
    }
    None
}

/// The file name of the outermost library, the C library left out, whose code is on a thread's stack.
fn library_of(process: Process, thread: u32, mappings: &[Mapping]) -> io::Result<Option<String>> {
    let Some(stack) = resting_stack(process, thread) else { return Ok(None) };
    let Some(mapping) = mappings.iter().find(|m| m.start <= stack && stack < m.end) else {
        return Ok(None);
    };
    let len = usize::try_from(mapping.end - stack).unwrap_or(SEARCHED).min(SEARCHED) & !7;
    let mut words = vec![0; len];
    process.memory()?.read_exact_at(&mut words, stack)?;
    let mut found = None;
    for word in words.chunks_exact(8) {
        let address = word.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b));
        let code = mappings.iter().find(|m| m.exec && m.start <= address && address < m.end);
        let name = code.and_then(|m| m.path()?.file_name()?.to_str());
        if let Some(name) = name.filter(|name| !is_system(name)) {
            found = Some(name.to_owned());
        }
    }
    Ok(found)
}

/// The C library and the dynamic linker stand on every stack.
fn is_system(library: &str) -> bool {
    ["libc.so", "libc-", "ld-linux", "libpthread", "recorder.so"]
        .iter()
        .any(|prefix| library.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_known_by_library_and_name() {
        assert!(is_harmless("libscipy_openblas64_-fdde5778.so", "python3"));
        assert!(is_harmless("libarrow.so.2600", "jemalloc_bg_thd"));
        assert!(is_harmless("of an unknown library", "glowplug-held"));
        assert!(
            !is_harmless("_polars_runtime.abi3.so", "polars-ooc-clea"),
            "it is to be held back"
        );
        assert!(!is_harmless("_polars_runtime.abi3.so", "polars-0"), "a pool does not come back");
        assert!(!is_harmless("libarrow.so.2600", "python3"));
        assert!(!is_harmless("libgomp-a34b3233.so.1.0.0", "python3"), "an OpenMP pool hangs");
    }
}
