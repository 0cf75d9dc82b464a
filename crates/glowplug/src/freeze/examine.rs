//! What a preloaded interpreter has that no image can hold.

use super::report::Report;
use super::subject::Subject;
use glowplug_linux::process::{Mapping, Process};
use std::io;
use std::os::unix::fs::FileExt;

/// Libraries whose threads may vanish: they start them again when they need them, which a test shows for each.
///
/// OpenBLAS (numpy, scipy) ends its workers before a fork and starts new ones at the next call. jemalloc's background thread (polars, pyarrow)
/// is optional and restarted by its own fork handler. polars' cleaner only returns memory.
const HARMLESS: [(&str, &str); 4] = [
    ("openblas", "OpenBLAS starts its workers again"),
    ("jemalloc", "jemalloc purges without its background thread"),
    ("polars", "polars starts its pools when they are used"),
    ("_polars_runtime", "polars starts its pools when they are used"),
];

/// How much of a thread's stack is searched for the library that started it, bytes.
const SEARCHED: usize = 16 << 10;

/// Why the process must not be frozen, if there is a reason.
pub fn refusal(subject: &Subject, report: &Report) -> io::Result<Option<String>> {
    let process = subject.process();
    let mappings = process.mappings()?;
    let module = |modules: &[String]| match modules.first() {
        Some(module) => format!("module `{module}`"),
        None => "an import".to_owned(),
    };
    if let Some(library) = foreign_thread(process, &mappings)? {
        let module = module(&report.started);
        return Ok(Some(format!("{module} starts a thread ({library}) when it is imported")));
    }
    // 0 to 2, the socket and the record.
    let descriptors = process.descriptors()?;
    let unexpected = descriptors.iter().find(|(number, target)| {
        let target = target.to_string_lossy();
        *number > 2
            && !target.starts_with("/memfd:glowplug-")
            && target != format!("socket:[{}]", subject.peer())
    });
    if let Some((_, target)) = unexpected {
        let module = module(&report.opened);
        let target = target.display();
        return Ok(Some(format!(
            "{module} leaves a descriptor open ({target}) when it is imported"
        )));
    }
    if let Some(&child) = process.children()?.iter().chain(&subject.orphans()?).next() {
        let module = module(&report.spawned);
        // It may just have ended.
        let name = Process::new(child).name().unwrap_or_else(|_| format!("process {child}"));
        return Ok(Some(format!("{module} leaves a child process ({name}) when it is imported")));
    }
    if let Some(shared) = mappings.iter().find(|m| is_shared_writable(m)) {
        let module = module(&report.shared);
        let name = if shared.name.is_empty() { "anonymous" } else { &shared.name };
        return Ok(Some(format!(
            "{module} maps shared, writable memory ({name}) when it is imported"
        )));
    }
    let output = subject.output()?;
    if !output.is_empty() {
        let text = String::from_utf8_lossy(&output);
        let line = text.lines().next().unwrap_or_default();
        return Ok(Some(format!("an import prints: {line}")));
    }
    Ok(None)
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
        if !HARMLESS.iter().any(|(name, _)| library.to_ascii_lowercase().contains(name)) {
            return Ok(Some(library));
        }
    }
    Ok(None)
}

/// The file name of the outermost library, the C library left out, whose code is on a thread's stack.
fn library_of(process: Process, thread: u32, mappings: &[Mapping]) -> io::Result<Option<String>> {
    let Ok(Some(stack)) = process.thread_stack(thread) else { return Ok(None) };
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
