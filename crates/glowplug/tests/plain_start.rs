//! A plain start hands on exactly what it was given: arguments, environment, descriptors, signals, working directory.
//!
//! Small programs stand in for python, as they tell what they were given without changing it first, which python does.

mod support;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const GLOWPLUG: &str = env!("CARGO_BIN_EXE_glowplug");

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().expect("tempdir"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("GLOWPLUG_CACHE_DIR", self.path("cache"))
            .current_dir(self.0.path());
        command
    }

    /// Runs `glowplug run` with these arguments.
    fn run(&self, arguments: &[&str]) -> Output {
        self.command(GLOWPLUG).arg("run").args(arguments).output().expect("glowplug starts")
    }

    /// What `program` prints when it is started by `shell`, directly and by Glowplug. In the script, `"$@"` is the command.
    fn both(&self, script: &str, program: &str, arguments: &[&str]) -> [String; 2] {
        let mut direct = vec![program];
        direct.extend(arguments);
        let mut by_glowplug = vec![GLOWPLUG, "run", "--via", "plain", "--python", program];
        by_glowplug.extend(arguments);
        [direct, by_glowplug].map(|words| {
            let mut command = self.command("/bin/sh");
            command.args(["-c", script, "sh"]).args(words);
            let output = command.output().expect("a shell starts");
            String::from_utf8_lossy(&output.stdout).into_owned()
        })
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn signal_lines(status: &str) -> Vec<&str> {
    status.lines().filter(|line| line.starts_with("Sig") && !line.starts_with("SigQ")).collect()
}

#[test]
fn signal_dispositions_and_mask_are_handed_on() {
    let place = Place::new();
    for script in [
        r#"exec "$@""#,
        r#"trap "" PIPE; exec "$@""#,
        r#"trap "" INT HUP PIPE; exec "$@""#,
        r#"exec env --block-signal=USR1 --block-signal=PIPE --ignore-signal=QUIT "$@""#,
    ] {
        let [direct, ours] = place.both(script, "/bin/cat", &["/proc/self/status"]);
        assert!(direct.contains("SigIgn"), "{script}: {direct}");
        assert_eq!(signal_lines(&ours), signal_lines(&direct), "{script}");
    }
    // The first two must differ, or nothing was proved about SIGPIPE.
    let ignoring = |script| {
        let [_, ours] = place.both(script, "/bin/cat", &["/proc/self/status"]);
        signal_lines(&ours).join("\n")
    };
    assert_ne!(ignoring(r#"exec "$@""#), ignoring(r#"trap "" PIPE; exec "$@""#));
}

#[test]
fn descriptors_are_handed_on_and_none_is_added() {
    let place = Place::new();
    for script in [
        r#"exec "$@""#,
        r#"exec "$@" 7</dev/null 9>/dev/null"#,
        r#"exec "$@" <&-"#,
        r#"exec "$@" 2>&-"#,
        r#"exec "$@" <&- 2>&- 5</dev/null"#,
    ] {
        let [direct, ours] = place.both(script, "/bin/ls", &["/proc/self/fd"]);
        assert!(!direct.is_empty(), "{script}");
        assert_eq!(ours, direct, "{script}");
    }
}

#[test]
fn a_closed_standard_output_stays_closed() {
    let place = Place::new();
    // `ls` fails where it cannot write, and would not where something was put in the place of its standard output.
    let script = r#""$@" >&- 2>/dev/null; echo "status $?""#;
    let [direct, ours] = place.both(script, "/bin/ls", &["/"]);
    assert!(direct.starts_with("status ") && !direct.starts_with("status 0"), "{direct}");
    assert_eq!(ours, direct);
}

#[test]
fn the_environment_is_handed_on_in_order() {
    let place = Place::new();
    let script = r#"exec env -i B=2 A=1 EMPTY= "LINES=a
b" "$@""#;
    let [direct, ours] = place.both(script, "/usr/bin/env", &["-0"]);
    assert!(direct.starts_with("B=2\0A=1\0"), "{direct}");
    assert_eq!(ours, direct);
}

#[test]
fn arguments_are_handed_on_to_the_byte() {
    let place = Place::new();
    let script = r#"exec "$@" "" "a b" "$(printf '\377\001')" --explain"#;
    let [direct, ours] = place.both(script, "/bin/cat", &["/proc/self/cmdline", "--"]);
    let arguments = |cmdline: &str| cmdline.split_once("--").map(|(_, rest)| rest.to_owned());
    assert!(direct.contains("a b"), "{direct}");
    assert_eq!(arguments(&ours), arguments(&direct));
    assert!(ours.starts_with("/bin/cat\0"), "{ours}");
}

#[test]
fn a_removed_working_directory_is_no_obstacle() {
    let place = Place::new();
    let script = r#"mkdir gone && cd gone && rmdir ../gone && exec "$@""#;
    let [direct, ours] = place.both(script, "/bin/readlink", &["/proc/self/cwd"]);
    assert!(direct.contains("(deleted)"), "{direct}");
    assert_eq!(ours, direct);
}

#[test]
fn python_is_what_runs_and_its_status_passes_through() {
    let place = Place::new();
    let code = "import sys; print(sys.argv, getattr(sys, 'orig_argv', [])[1:], sys.executable); sys.exit(41)";
    for python in support::interpreters() {
        let python = python.to_str().expect("UTF-8");
        let ours = place.run(&["--via=plain", "--python", python, "-Bc", code, "--explain", "x"]);
        let direct = place
            .command(python)
            .args(["-Bc", code, "--explain", "x"])
            .output()
            .expect("python starts");
        assert_eq!(text(&ours.stdout), text(&direct.stdout));
        assert_eq!(ours.status.code(), Some(41), "{}", text(&ours.stderr));
    }
}

#[test]
fn the_reason_is_explained_on_one_line() {
    let place = Place::new();
    let python = support::interpreters().remove(0);
    let python = python.to_str().expect("UTF-8");
    for (arguments, reason) in [
        (&["--via", "plain", "-c", "pass"][..], "asked for by `--via plain`"),
        (&["-X", "dev", "-c", "pass"], "`-X dev` needs a fresh interpreter"),
        (&["-V"], "only answers or complains"),
        (&["/nonexistent/script.py"], "the script cannot be read"),
    ] {
        let mut words = vec!["--explain", "--python", python];
        words.extend(arguments);
        let output = place.run(&words);
        let stderr = text(&output.stderr);
        let first = stderr.lines().next().unwrap_or_default();
        assert!(first.starts_with("glowplug: plain: ") && first.contains(reason), "{stderr}");
    }
}

#[test]
fn a_forced_thaw_without_an_image_has_its_own_status() {
    let place = Place::new();
    let python = support::interpreters().remove(0);
    let output = place.run(&[
        "--via",
        "thaw",
        "--python",
        python.to_str().expect("UTF-8"),
        "-c",
        "print(1)",
    ]);
    assert_eq!(output.status.code(), Some(124));
    assert!(output.stdout.is_empty());
    let stderr = text(&output.stderr);
    assert!(stderr.starts_with("error: cannot thaw: "), "{stderr}");
    assert!(stderr.contains("help: run the program once"), "{stderr}");
    assert!(!place.path("cache").exists(), "a failed start must not leave anything");
}

#[test]
fn own_errors_have_documented_statuses() {
    let place = Place::new();
    let status = |arguments: &[&str]| place.run(arguments).status.code();
    assert_eq!(status(&["--via", "ferry", "a.py"]), Some(2));
    assert_eq!(status(&["--python"]), Some(2));
    assert_eq!(status(&["--python", "/nonexistent/python", "a.py"]), Some(127));
    std::fs::write(place.path("not-executable"), "\x7fELF").expect("write");
    assert_eq!(status(&["--via", "plain", "--python", "./not-executable", "a.py"]), Some(126));
}

#[test]
fn wrong_settings_are_reported_and_the_program_runs() {
    let place = Place::new();
    std::fs::create_dir(place.path(".git")).expect("mkdir");
    std::fs::write(place.path("glowplug.toml"), "speed = 'high'\n").expect("write");
    std::fs::write(place.path("a.py"), "print('ran'); raise SystemExit(7)").expect("write");
    let python = support::interpreters().remove(0);
    let output = place.run(&["--python", python.to_str().expect("UTF-8"), "a.py"]);
    assert_eq!(text(&output.stdout), "ran\n");
    assert_eq!(output.status.code(), Some(7));
    let stderr = text(&output.stderr);
    assert!(stderr.contains("unknown field `speed`"), "{stderr}");
    assert!(stderr.contains("glowplug.toml:1:1"), "{stderr}");
    assert!(!place.path("cache").exists());
}

#[test]
fn a_wrapper_script_is_used_but_not_frozen() {
    let place = Place::new();
    let python = support::interpreters().remove(0);
    let wrapper = place.path("python-wrapper");
    let script = format!("#!/bin/sh\nexec {} \"$@\"\n", python.display());
    write_executable(&wrapper, &script);
    let output = place.run(&["--explain", "--python", "./python-wrapper", "-c", "print('ran')"]);
    assert_eq!(text(&output.stdout), "ran\n");
    let stderr = text(&output.stderr);
    assert!(stderr.contains("is a wrapper script, not an interpreter"), "{stderr}");
}

fn write_executable(path: &Path, contents: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, contents).expect("write");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("chmod");
}
