//! The reviewed table: modules of popular packages that ask for the time, the process id, random numbers or the host's name when
//! they are imported, and what becomes of it. `docs/imports.md` shows it; a test holds the two together.

use serde::Deserialize;
use std::fmt;
use std::sync::LazyLock;

/// Something that is another thing at each start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// A clock.
    Time,
    /// The process id.
    Pid,
    /// The kernel's random numbers.
    Entropy,
    /// The host's name.
    Host,
    /// The generators that everybody shares: `random`'s and numpy's.
    Shared,
    /// The program's arguments.
    Arguments,
    /// What the standard streams are: terminals or not, of which size and settings.
    Terminal,
    /// Resource limits and the priority.
    Limits,
}

impl Moment {
    /// As the recorder calls it.
    pub fn from_name(name: &str) -> Option<Moment> {
        Some(match name {
            "time" => Moment::Time,
            "pid" => Moment::Pid,
            "entropy" => Moment::Entropy,
            "host" => Moment::Host,
            "terminal" => Moment::Terminal,
            "limits" => Moment::Limits,
            _ => return None,
        })
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Moment::Time => "the time",
            Moment::Pid => "the process id",
            Moment::Entropy => "random numbers of the kernel",
            Moment::Host => "the host's name",
            Moment::Shared => "shared random numbers",
            Moment::Arguments => "the program's arguments",
            Moment::Terminal => "the terminal",
            Moment::Limits => "resource limits",
        })
    }
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// A thaw makes it again.
    Renewed,
    /// Nothing is kept of it that a program could tell.
    NotKept,
    /// What is kept of it means something within a process alone: another value would do as well.
    Immaterial,
    /// Nothing but whether an argument holds one of the entry's words: where one does, the start is plain.
    Words,
    /// The module is not preloaded.
    KeptApart,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Answer::Renewed => "renewed at each start",
            Answer::NotKept => "not kept",
            Answer::Immaterial => "kept, and immaterial",
            Answer::Words => "plain where an argument holds one of its words",
            Answer::KeptApart => "imported at each start",
        })
    }
}

/// An entry of the table.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Entry {
    /// The module; with `.*` at its end, the package and all in it.
    pub module: String,
    /// What it asks for.
    pub uses: Vec<Moment>,
    /// What becomes of it.
    pub answer: Answer,
    /// What it looks for in the program's arguments, where that is the answer.
    #[serde(default)]
    pub words: Vec<String>,
    /// What it asks for it for.
    pub why: String,
    /// The test that shows it.
    pub test: String,
}

#[derive(Deserialize)]
struct Table {
    entry: Vec<Entry>,
}

static TABLE: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let table: Table = toml::from_str(include_str!("../../data/reviewed.toml"))
        .expect("the table is read by a test when Glowplug is built");
    table.entry
});

/// All entries.
pub fn entries() -> &'static [Entry] {
    &TABLE
}

/// What becomes of what a module asks for; `None` where nobody has looked.
pub fn answer(module: &str, moment: Moment) -> Option<Answer> {
    find(module, moment).map(|entry| entry.answer)
}

/// What a module looks for in the program's arguments; `None` where nobody has looked.
pub fn words(module: &str) -> Option<&'static [String]> {
    let entry = find(module, Moment::Arguments)?;
    (entry.answer == Answer::Words).then_some(&entry.words)
}

fn find(module: &str, moment: Moment) -> Option<&'static Entry> {
    entries().iter().find(|entry| entry.covers(module) && entry.uses.contains(&moment))
}

impl Entry {
    fn covers(&self, module: &str) -> bool {
        match self.module.strip_suffix(".*") {
            Some(package) => module
                .strip_prefix(package)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.')),
            None => self.module == module,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_name_modules_once() {
        for (index, entry) in entries().iter().enumerate() {
            assert!(!entry.uses.is_empty() && !entry.why.is_empty(), "{}", entry.module);
            let has_words = entry.answer == Answer::Words;
            assert_eq!(has_words, !entry.words.is_empty(), "{}", entry.module);
            assert!(!has_words || entry.uses == [Moment::Arguments], "{}", entry.module);
            let again = entries()[..index].iter().find(|other| {
                other.module == entry.module && other.uses.iter().any(|u| entry.uses.contains(u))
            });
            assert!(again.is_none(), "{} twice", entry.module);
        }
    }

    #[test]
    fn a_package_covers_what_is_in_it() {
        let entry = Entry {
            module: "a.b.*".to_owned(),
            uses: vec![Moment::Time],
            answer: Answer::NotKept,
            words: Vec::new(),
            why: String::new(),
            test: String::new(),
        };
        assert!(entry.covers("a.b") && entry.covers("a.b.c"));
        assert!(!entry.covers("a") && !entry.covers("a.bc"));
    }

    #[test]
    fn the_page_shows_the_table() {
        let page = include_str!("../../../../docs/imports.md");
        for entry in entries() {
            let uses: Vec<String> = entry.uses.iter().map(ToString::to_string).collect();
            let line = format!(
                "| `{}` | {} | {} | {} |",
                entry.module,
                uses.join(", "),
                entry.answer,
                entry.why
            );
            assert!(page.contains(&line), "docs/imports.md lacks this line:\n{line}");
        }
        let lines = page.lines().filter(|line| line.starts_with("| `")).count();
        let scans = page.lines().filter(|line| line.ends_with("_*` |")).count();
        assert_eq!(lines - scans, entries().len(), "docs/imports.md has lines of its own");
    }
}
