//! Our reading of python's options against python's own: what it runs, and with which arguments.

mod support;

use glowplug::commandline::{self, CommandLine, Target};
use std::ffi::{CStr, CString, OsStr};
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Prints what python made of its command line. The first line is left to `-x`.
const PROBE: &str = r#"
import sys
f = sys.flags
print("RAN", sys.argv[0], sys.argv[1:], getattr(sys, "orig_argv", [])[1:], [f.bytes_warning, f.dont_write_bytecode,
    f.ignore_environment, f.optimize, f.no_user_site, f.no_site, f.isolated, f.inspect, f.quiet], sep="\x1f")
sys.exit(0)
"#;
const CODE: &str = "exec(open('probe.py').read())";

/// Words that command lines are made of: options whole, clustered, with their arguments attached or not, and misspelled.
const WORDS: [&str; 36] = [
    "-B",
    "-bb",
    "-E",
    "-Es",
    "-S",
    "-u",
    "-q",
    "-O",
    "-OO",
    "-W",
    "ignore",
    "-Wignore",
    "-X",
    "utf8",
    "-Xutf8",
    "--check-hash-based-pycs",
    "never",
    "-b-check-hash-based-pycs",
    "-I",
    "-d",
    "-Rs",
    "-t",
    "-BW",
    "-m",
    "-mprobe",
    "-Bm",
    "probe",
    "-c",
    CODE,
    "-Sc",
    "--",
    "-",
    "-z",
    "-J",
    "-?",
    "--help-none",
];

/// A sequence that is the same in each run.
struct Sequence(u64);

impl Sequence {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        usize::try_from(self.0 >> 33).expect("31 bits") % limit
    }
}

#[test]
fn python_runs_what_we_say_it_runs() {
    let folder = tempfile::tempdir().expect("tempdir");
    std::fs::write(folder.path().join("probe.py"), PROBE).expect("write");
    let mut sequence = Sequence(20);
    let mut cases: Vec<Vec<&str>> = WORDS.iter().map(|word| vec![*word]).collect();
    cases.extend((0..50).map(|_| {
        let len = 1 + sequence.below(5);
        (0..len).map(|_| WORDS[sequence.below(WORDS.len())]).collect()
    }));
    let mut wrong = String::new();
    for python in support::interpreters() {
        for case in &cases {
            let mut words = case.clone();
            words.extend(["probe.py", "first", "-B"]);
            if let Err(difference) = compare(&python, folder.path(), &words) {
                let _ = writeln!(wrong, "{} {words:?}: {difference}", python.display());
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn compare(python: &Path, folder: &Path, words: &[&str]) -> Result<(), String> {
    let strings: Vec<CString> = words.iter().map(|w| CString::new(*w).expect("no NUL")).collect();
    let arguments: Vec<&CStr> = strings.iter().map(CString::as_c_str).collect();
    let command = commandline::parse(&arguments).map_err(|error| error.to_string())?;
    let output = run(python, folder, words);
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let ran = stdout.lines().find_map(|line| line.strip_prefix("RAN\x1f"));
    match (&command.target, ran) {
        (Target::Answer, None) => Ok(()),
        (Target::Answer | Target::Interactive, Some(_)) => Err("python ran something".to_owned()),
        (_, Some(ran)) => same_program(&command, ran, words),
        (target, None) => {
            if is_complaint_about(target, folder, &stderr) {
                return Ok(());
            }
            Err(format!("we read {target:?}, python ran nothing and said: {stderr}"))
        }
    }
}

fn run(python: &Path, folder: &Path, words: &[&str]) -> Output {
    let mut child = Command::new(python)
        .args(words)
        .current_dir(folder)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python starts");
    // A python that reads no standard input may be gone before this arrives.
    let _ = std::io::Write::write_all(&mut child.stdin.take().expect("piped"), PROBE.as_bytes());
    child.wait_with_output().expect("python ends")
}

/// Whether python says that it finds no such program: that it looked for this one shows that it read the same.
fn is_complaint_about(target: &Target<'_>, folder: &Path, stderr: &str) -> bool {
    match target {
        Target::Script(path) => {
            let path = path.to_string_lossy();
            !folder.join(&*path).is_file()
                && stderr.contains("can't open file")
                && stderr.contains(&*path)
        }
        Target::Module(name) => {
            let first = name.to_string_lossy().split('.').next().unwrap_or_default().to_owned();
            stderr.contains("odule") && stderr.contains(&first)
        }
        // A word that is no code: the name in it is not defined.
        Target::Command(code) => {
            let code = String::from_utf8_lossy(code);
            let name = code.trim_start_matches('-').split(['-', '.']).next().unwrap_or_default();
            stderr.contains("File \"<string>\"") && stderr.contains(&format!("'{name}'"))
        }
        _ => false,
    }
}

/// Whether python's own account of what it runs is ours.
fn same_program(command: &CommandLine<'_>, ran: &str, words: &[&str]) -> Result<(), String> {
    let fields: Vec<&str> = ran.split('\x1f').collect();
    let [name, arguments, original, flags] = fields[..] else {
        return Err(format!("an odd account: {ran}"));
    };
    let after = command.python_argv.get(command.target_index..).unwrap_or_default();
    let expected_arguments = list(after.iter().map(|a| OsStr::from_bytes(a.to_bytes())));
    let expected_name = match command.target {
        Target::Script(path) => Some(path.display().to_string()),
        Target::Command(_) => Some("-c".to_owned()),
        Target::Stdin => Some("-".to_owned()),
        _ => None,
    };
    let expected_flags = flags_of(command);
    let expected_original = list(words.iter().map(OsStr::new));
    let same = [
        expected_name.is_none_or(|expected| expected == name),
        expected_arguments == arguments,
        // CPython 3.9 does not keep its original arguments.
        expected_original == original || original == "[]",
        expected_flags == flags,
    ];
    if same == [true; 4] {
        return Ok(());
    }
    Err(format!("we read {command:?} with {expected_flags}, python says {fields:?}"))
}

/// The values that `sys.flags` gets from our decoded flags, as Python prints them.
fn flags_of(command: &CommandLine<'_>) -> String {
    let count = |letter: u8| command.flags.iter().filter(|flag| flag.letter == letter).count();
    let isolated = count(b'I').min(1);
    let any = |letter: u8| count(letter).min(1);
    let values = [
        count(b'b'),
        any(b'B'),
        any(b'E').max(isolated),
        count(b'O'),
        any(b's').max(isolated),
        any(b'S'),
        isolated,
        any(b'i'),
        any(b'q'),
    ];
    let values: Vec<String> = values.iter().map(usize::to_string).collect();
    format!("[{}]", values.join(", "))
}

/// A list of strings without escapes, as Python prints it.
fn list<'a>(words: impl Iterator<Item = &'a OsStr>) -> String {
    let words: Vec<String> = words
        .map(|word| {
            let word = word.to_string_lossy();
            let quote = if word.contains('\'') { '"' } else { '\'' };
            format!("{quote}{word}{quote}")
        })
        .collect();
    format!("[{}]", words.join(", "))
}
