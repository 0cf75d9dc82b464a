//! `glowplug images show`.

use super::{Failure, ago, print, select};
use crate::anatomy::{self, Anatomy, Input};
use crate::cache::{Cache, OpenImage};
use crate::key;
use crate::renewal;
use crate::settings::{Age, ByteSize, Renewal};
use serde::Serialize;
use std::fmt::Write;
use std::time::{Duration, SystemTime};

#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    #[serde(flatten)]
    anatomy: Anatomy,
    #[serde(skip_serializing_if = "Option::is_none")]
    renewal: Option<Due>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_list: Option<Vec<Input>>,
}

/// When an image of the cache is made anew.
#[derive(Clone, Copy, Serialize)]
struct Due {
    /// How often it was thawed, about.
    thaws: u64,
    /// At which age it is made anew, seconds; `None` for never.
    after_seconds: Option<u64>,
    /// After how many thaws; `None` for never.
    after_thaws: Option<u64>,
    /// Whether the next start has it made anew.
    due: bool,
}

impl Due {
    /// `None` for a file outside the cache, which is whose who made it, and for a refusal.
    fn of(cache: Option<&Cache>, limits: Renewal, selected: &select::Selected) -> Option<Due> {
        let (key, values) = selected.digests.filter(|_| !selected.image.head().is_refusal())?;
        let thaws = cache?.history(&key, &values).thaws();
        let created_ns = selected.image.head().created_ns;
        let old = renewal::is_old(limits.age, created_ns, SystemTime::now());
        Some(Due {
            thaws,
            after_seconds: limits.age.0.map(|age| age.as_secs()),
            after_thaws: limits.thaws.0,
            due: old || renewal::is_worn(limits.thaws, thaws),
        })
    }

    fn describe(&self) -> String {
        if self.due {
            return "at the next start, in the background".to_owned();
        }
        let age = self
            .after_seconds
            .map(|seconds| format!("at the age of {}", Age(Some(Duration::from_secs(seconds)))));
        let thaws = self.after_thaws.map(|thaws| format!("after {thaws} thaws"));
        let limits: Vec<_> = age.into_iter().chain(thaws).collect();
        if limits.is_empty() { "never".to_owned() } else { limits.join(" or ") }
    }
}

/// Explains the images that `name` means: one as a rule, several where the program's variables had several values.
pub fn show(
    cache: Option<&Cache>,
    limits: Renewal,
    name: &str,
    json: bool,
    inputs: bool,
) -> Result<(), Failure> {
    let images = select::open(cache, name)?;
    let due = |selected| Due::of(cache, limits, selected);
    if json {
        let shown: Vec<_> =
            images.iter().map(|selected| shown(selected, due(selected), inputs)).collect();
        let text = serde_json::to_string_pretty(&shown).map_err(std::io::Error::from)?;
        return print(&(text + "\n"));
    }
    let texts: Vec<_> =
        images.iter().map(|selected| text(selected, due(selected), inputs)).collect();
    print(&texts.join("\n"))
}

fn shown(selected: &select::Selected, renewal: Option<Due>, inputs: bool) -> Shown<'_> {
    let input_list = inputs.then(|| anatomy::inputs(&selected.image));
    Shown { name: &selected.name, anatomy: Anatomy::of(&selected.image), renewal, input_list }
}

fn text(selected: &select::Selected, due: Option<Due>, inputs: bool) -> String {
    let image: &OpenImage = &selected.image;
    let anatomy = Anatomy::of(image);
    let mut text = Text(String::new());
    text.field("image", &selected.name);
    describe_program(&mut text, &anatomy);
    if let Some(due) = due {
        text.field("thawed", counted(due.thaws, "time", "times"));
        text.field("renewed", due.describe());
    }
    if !anatomy.refusal {
        describe_memory(&mut text, &anatomy);
    }
    describe_inputs(&mut text, &anatomy);
    if inputs {
        for input in anatomy::inputs(image) {
            text.line(format_args!("{:<10} {}", input.kind, input.path));
        }
        for name in &anatomy.meta.env_names {
            let (kind, name) = match key::as_word(name.as_bytes()) {
                Some([]) => ("streams", "no terminal".into()),
                Some(word) => ("argument", String::from_utf8_lossy(word)),
                None => ("variable", name.into()),
            };
            text.line(format_args!("{kind:<10} {name}"));
        }
    }
    if !anatomy.refusal {
        describe_needs(&mut text, &anatomy);
    }
    for kept in &anatomy.meta.apart {
        text.field("apart", format_args!("{}, which {}", kept.module, kept.cause));
    }
    for note in &anatomy.meta.notes {
        text.field("note", note);
    }
    text.0
}

fn describe_program(text: &mut Text, anatomy: &Anatomy) {
    let meta = &anatomy.meta;
    if anatomy.refusal {
        let reason = meta.reason.as_deref().unwrap_or("no reason is noted");
        text.field("refusal", format_args!("the program may not be frozen: {reason}"));
    }
    if let Some(target) = &meta.target {
        text.field("target", target);
    }
    if let Some(python) = &meta.python {
        let version = meta.python_version.as_deref().unwrap_or("unknown version");
        text.field("python", format_args!("{python} ({version})"));
    }
    if !meta.options.is_empty() {
        text.field("options", meta.options.join(" "));
    }
    text.field("made", format_args!("{}, by build {}", ago(anatomy.created_ns), anatomy.build));
    if !meta.preload.is_empty() {
        text.field("preloaded", meta.preload.join(", "));
    }
    if !meta.modules.is_empty() {
        text.field("modules", format_args!("{} loaded", meta.modules.len()));
    }
}

fn describe_memory(text: &mut Text, anatomy: &Anatomy) {
    let tables = ByteSize(anatomy.table_bytes);
    text.field("size", format_args!("{}, {tables} of it tables", ByteSize(anatomy.file_bytes)));
    let count: u64 = anatomy.regions.iter().map(|group| group.count).sum();
    let bytes: u64 = anatomy.regions.iter().map(|group| group.bytes).sum();
    text.field("regions", format_args!("{count}, {} of memory", ByteSize(bytes)));
    for group in &anatomy.regions {
        let size = ByteSize(group.bytes).to_string();
        text.line(format_args!(
            "{:<10} {} {:>6} {size:>12}",
            group.kind, group.protection, group.count
        ));
    }
    let hot = anatomy.hot;
    text.field(
        "hot",
        format_args!(
            "{} in {}, {}.{} % of the contents",
            ByteSize(hot.bytes),
            counted(hot.ranges, "range", "ranges"),
            hot.per_mille / 10,
            hot.per_mille % 10
        ),
    );
}

fn describe_inputs(text: &mut Text, anatomy: &Anatomy) {
    let counts = anatomy.inputs;
    let parts = [
        (counts.files, "file", "files"),
        (counts.links, "link", "links"),
        (counts.listed_directories, "listed directory", "listed directories"),
        (counts.directories, "other directory", "other directories"),
        (counts.absences, "absent path", "absent paths"),
        (counts.contents, "file by its contents", "files by their contents"),
        (counts.variables, "variable", "variables"),
    ];
    let parts: Vec<_> = parts
        .iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, many)| counted(*count, one, many))
        .collect();
    text.field("inputs", if parts.is_empty() { "none".to_owned() } else { parts.join(", ") });
}

fn describe_needs(text: &mut Text, anatomy: &Anatomy) {
    let needs = &anatomy.needs;
    match &anatomy.meta.cpu {
        Some(level) => text.field("cpu", format_args!("of level {level} or higher")),
        None => text.field("cpu", needs.cpu.join(" ")),
    }
    let mut kernel = vec![format!("vdso with {}", vdso_names(&needs.vdso).join(", "))];
    if needs.rseq_bytes > 0 {
        kernel.push(format!("restartable sequences of {} bytes", needs.rseq_bytes));
    }
    for (count, one, many) in [
        (needs.droppable, "droppable mapping", "droppable mappings"),
        (needs.wiped, "mapping wiped on fork", "mappings wiped on fork"),
        (needs.guards, "guard region", "guard regions"),
    ] {
        if count > 0 {
            kernel.push(counted(count, one, many));
        }
    }
    text.field("kernel", kernel.join("; "));
    let limit = needs.stack_limit.map_or_else(
        || "without limit".to_owned(),
        |limit| format!("limited to {}", ByteSize(limit)),
    );
    text.field("stack", limit);
}

/// Each function once: the vdso exports it under its name and under that with a prefix.
fn vdso_names(symbols: &[String]) -> Vec<&str> {
    let mut names: Vec<_> =
        symbols.iter().map(|name| name.strip_prefix("__vdso_").unwrap_or(name)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

struct Text(String);

impl Text {
    fn field(&mut self, name: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.0, "{name:<10}  {value}");
    }

    fn line(&mut self, value: impl std::fmt::Display) {
        let _ = writeln!(self.0, "{:<10}  {value}", "");
    }
}
