use super::*;
use proptest::prelude::*;

const HEADER: &str = "import time: self [us] | cumulative | imported package\n";

fn entry(own: i64, cumulative: i64, depth: usize, name: &str) -> String {
    format!("import time: {own:>9} | {cumulative:>10} | {}{name}\n", "  ".repeat(depth))
}

/// As 3.14 prints it.
fn cached(depth: usize, name: &str) -> String {
    format!("import time: cached    | cached     | {name:>width$}\n", width = 2 * depth)
}

fn profile_of(log: &str) -> Profile {
    read(log.as_bytes(), "log").unwrap()
}

fn tree_of(profile: &Profile) -> Vec<(String, Option<String>, u64, u64)> {
    let modules = &profile.processes[0].modules;
    let name = |index: u32| modules[index as usize].name.clone();
    let row = |m: &Module| {
        (m.name.clone(), m.parent.map(name), m.own.wall_ns / 1000, m.cumulative.wall_ns / 1000)
    };
    modules.iter().skip(1).map(row).collect()
}

fn row(name: &str, parent: &str, own: u64, all: u64) -> (String, Option<String>, u64, u64) {
    (name.into(), Some(parent.into()), own, all)
}

#[test]
fn children_stand_before_their_parents() {
    let log = HEADER.to_owned()
        + &entry(10, 10, 0, "zipimport")
        + &entry(3, 3, 2, "c")
        + &entry(4, 7, 1, "b")
        + &entry(5, 5, 1, "d")
        + &entry(6, 18, 0, "a");
    let profile = profile_of(&log);
    assert_eq!(
        tree_of(&profile),
        [
            row("zipimport", "__main__", 10, 10),
            row("a", "__main__", 6, 18),
            row("b", "a", 4, 7),
            row("c", "b", 3, 3),
            row("d", "a", 5, 5)
        ]
    );
    assert_eq!(profile.run.notes.len(), 1);
    assert!(Profile::from_json(&profile.to_json()).is_ok());
}

#[test]
fn entries_are_found_behind_text_of_the_program() {
    let log = format!(
        "loading...{}50% import time: nonsense {}plain text\n",
        entry(7, 7, 1, "b"),
        entry(1, 8, 0, "a")
    );
    let profile = profile_of(&log);
    assert_eq!(tree_of(&profile), [row("a", "__main__", 1, 8), row("b", "a", 7, 7)]);
    assert!(profile.run.notes.iter().any(|note| note.starts_with("2 entries stood behind")));
}

#[test]
fn what_threads_do_to_a_log_is_said() {
    let log = entry(-40, 20, 1, "b") + &entry(9, 100, 3, "lost") + &entry(5, 25, 0, "a");
    let profile = profile_of(&log);
    assert_eq!(
        tree_of(&profile),
        [row("lost", "__main__", 9, 9), row("a", "__main__", 5, 5), row("b", "a", 0, 0)]
    );
    let notes = profile.run.notes.join("\n");
    for expected in
        ["1 negative time", "modules whose times do not add up", "1 module whose importer"]
    {
        assert!(notes.contains(expected), "{expected}: {notes}");
    }
}

#[test]
fn a_log_that_was_cut_off_keeps_what_it_has() {
    let profile = profile_of(&(entry(1, 1, 2, "c") + &entry(2, 3, 1, "b") + "import time:   4"));
    assert_eq!(tree_of(&profile), [row("b", "__main__", 2, 3), row("c", "b", 1, 1)]);
    let notes = profile.run.notes.join("\n");
    assert!(notes.contains("1 line of the log could not be read"), "{notes}");
}

#[test]
fn several_processes_in_one_log_are_said() {
    let log = format!("{HEADER}{HEADER}{}", entry(1, 1, 0, "a"));
    assert!(profile_of(&log).run.notes.iter().any(|note| note.starts_with("2 processes")));
}

#[test]
fn no_entry_is_an_error() {
    assert_eq!(read(b"hello\nworld\n", "log"), Err(LogError::NoEntry { lines: 2 }));
    assert_eq!(read(b"", "log"), Err(LogError::NoEntry { lines: 0 }));
}

fn edges_of(profile: &Profile) -> Vec<(String, String)> {
    let process = &profile.processes[0];
    let name = |index: u32| process.modules[index as usize].name.clone();
    let cached = process.edges.iter().filter(|edge| !edge.first);
    cached.map(|edge| (name(edge.importer), name(edge.module))).collect()
}

#[test]
fn importers_of_cached_modules_are_told_where_they_can_be() {
    // a imports b, b imports c; a then imports c again, and os (padded: its depth is printed).
    let log = entry(1, 1, 0, "os")
        + &entry(3, 3, 2, "c")
        + &entry(4, 7, 1, "b")
        + &cached(1, "c")
        + &cached(1, "os")
        + &entry(6, 13, 0, "a");
    let profile = profile_of(&log);
    assert_eq!(edges_of(&profile), [("a".into(), "c".into()), ("a".into(), "os".into())]);
    assert_eq!(profile.run.notes.len(), 1, "{:?}", profile.run.notes);
}

#[test]
fn importers_that_cannot_be_told_are_counted() {
    // Between the end of `x` (depth 0) and that of `deep` (depth 2) stands an import by the program, by a, or by b.
    let log = entry(1, 1, 0, "some.module")
        + &cached(2, "some.module")
        + &entry(1, 1, 2, "deep")
        + &entry(1, 2, 1, "b")
        + &entry(1, 3, 0, "a");
    let profile = profile_of(&log);
    assert!(edges_of(&profile).is_empty());
    assert!(profile.run.notes[1].starts_with("1 import of modules"), "{:?}", profile.run.notes);
}

#[test]
fn a_short_cached_name_tells_its_depth() {
    let log = entry(1, 1, 0, "re")
        + &cached(2, "re")
        + &entry(1, 1, 2, "deep")
        + &entry(1, 2, 1, "b")
        + &entry(1, 3, 0, "a");
    assert_eq!(edges_of(&profile_of(&log)), [("b".into(), "re".into())]);
}

#[test]
fn cached_entries_that_are_indented_are_understood() {
    let indented = format!("import time: cached    | cached     | {}{}\n", "    ", "some.module");
    let log = entry(1, 1, 0, "some.module")
        + &indented
        + &entry(1, 1, 2, "deep")
        + &entry(1, 2, 1, "b")
        + &entry(1, 3, 0, "a");
    assert_eq!(edges_of(&profile_of(&log)), [("b".into(), "some.module".into())]);
}

/// A load and what it imports: names are given in the order of beginnings.
#[derive(Clone, Debug)]
struct Load {
    own: i64,
    below: Vec<Load>,
}

fn loads() -> impl Strategy<Value = Vec<Load>> {
    let leaf = (0..100_000i64).prop_map(|own| Load { own, below: vec![] });
    let tree = leaf.prop_recursive(6, 40, 5, |inner| {
        (0..100_000i64, prop::collection::vec(inner, 0..5))
            .prop_map(|(own, below)| Load { own, below })
    });
    prop::collection::vec(tree, 1..6)
}

/// Prints loads as CPython does and collects their tree as it should be read.
fn print(
    loads: &[Load],
    parent: &str,
    depth: usize,
    log: &mut String,
    rows: &mut Vec<(String, Option<String>, u64, u64)>,
) -> i64 {
    let mut sum = 0;
    for load in loads {
        let name = format!("m{}", rows.len());
        let at = rows.len();
        rows.push(row(&name, parent, load.own as u64, 0));
        let cumulative = load.own + print(&load.below, &name, depth + 1, log, rows);
        rows[at].3 = cumulative as u64;
        log.push_str(&entry(load.own, cumulative, depth, &name));
        sum += cumulative;
    }
    sum
}

proptest! {
    #[test]
    fn what_was_printed_is_read_again(loads in loads(), glue in "[a-z |:%0-9]{0,12}") {
        let (mut log, mut rows) = (String::new(), Vec::new());
        let total = print(&loads, "__main__", 0, &mut log, &mut rows);
        let noisy: String = log.lines().map(|line| format!("{glue}{line}\r\nnoise\n")).collect();
        for text in [log, noisy] {
            let profile = profile_of(&text);
            prop_assert_eq!(&tree_of(&profile), &rows);
            prop_assert_eq!(profile.run.wall_ns, total as u64 * 1000);
        }
    }

    #[test]
    fn no_text_breaks_the_reader(
        lines in prop::collection::vec("(import time: )?(cached|-?[0-9]{1,20}| ){1,2} ?\\| ?(cached|-?[0-9]{1,20}) ?\\| {0,9}[a-z.\u{e4}\u{202e}]{0,9}", 0..40),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        for log in [lines.join("\n").into_bytes(), bytes] {
            if let Ok(profile) = read(&log, "log") {
                prop_assert!(Profile::from_json(&profile.to_json()).is_ok());
                let process = &profile.processes[0];
                let own: u64 = process.modules.iter().map(|module| module.own.wall_ns).sum();
                prop_assert_eq!(own, process.wall_ns);
            }
        }
    }
}
