//! The program and its children see the environment that they would see without the recorder.

use crate::start::{Start, compile, folder, pythons};

const SHOW: &str = "env; echo; cat /proc/self/environ; echo; echo; cat /proc/$$/environ";

/// What `SHOW` prints: variables, and twice the same as the kernel shows it, without trailing zeros.
fn shown(start: Start) -> [Vec<String>; 3] {
    let text = start.arguments(["-c", SHOW]).run().successful().text();
    let parts: Vec<_> = text.splitn(3, "\n\n").collect();
    let strings = |text: &str| text.trim_end_matches(['\0', '\n']).replace('\0', "\n");
    let lines = |text: String| text.lines().map(str::to_owned).collect();
    [lines(parts[0].to_owned()), lines(strings(parts[1])), lines(strings(parts[2]))]
}

#[test]
fn nothing_of_the_recorder_is_left() {
    for start in [Start::of("/bin/sh"), Start::of("/bin/sh").light()] {
        let [variables, child, own] = shown(start.variable("ZEBRA", "last"));
        let expected = ["A_VARIABLE=first", "HOME=/", "PATH=/usr/bin:/bin", "ZEBRA=last"];
        assert_eq!(own, expected);
        // The shell adds a variable for its children.
        let is_expected = |variables: &[String]| {
            expected.iter().all(|variable| variables.iter().any(|found| found == variable))
                && variables
                    .iter()
                    .all(|found| found.starts_with("PWD=") || expected.contains(&found.as_str()))
        };
        assert!(is_expected(&variables), "{variables:?}");
        assert!(is_expected(&child), "{child:?}");
    }
}

#[test]
fn what_the_user_preloads_stays() {
    let place = folder("user-preload");
    let library = compile("preloaded", &place.join("user.so"), &["-shared".as_ref()]);
    let preload = format!("LD_PRELOAD={}", library.display());
    let start = Start::of("/bin/sh").variable("GLOWPLUG_LD_PRELOAD", &library);
    let [variables, _, own] = shown(start);
    let expected = ["A_VARIABLE=first", &preload, "HOME=/", "PATH=/usr/bin:/bin"];
    assert_eq!(own, expected);
    assert!(variables.contains(&preload), "{variables:?}");
    // It is in the program: its constructor has set a variable. It asked for one, too.
    let recorded = Start::of("env").variable("GLOWPLUG_LD_PRELOAD", &library).run().successful();
    assert!(recorded.text().contains("USER_LIBRARY=first\n"), "{}", recorded.text());
    assert!(!recorded.text().contains("GLOWPLUG"), "{}", recorded.text());
    assert!(recorded.has("EA_VARIABLE"), "{:?}", recorded.entries);
}

#[test]
fn no_descriptor_is_left() {
    let place = folder("descriptors");
    let script = "ls -l /proc/self/fd /proc/$$/fd; cat /proc/$$/maps";
    let recorded = Start::of("/bin/sh").arguments(["-c", script]).folder(&place).run().successful();
    let descriptors = recorded.text().lines().filter(|line| line.contains("/memfd:")).count();
    // One line of the maps: the record of the shell. Its children have none.
    assert_eq!(descriptors, 1, "{}", recorded.text());
}

#[test]
fn without_a_request_nothing_is_touched() {
    let recorded = Start::of("env").unrecorded().run().successful();
    assert!(recorded.text().contains("LD_PRELOAD="), "{}", recorded.text());
    assert_eq!((recorded.process, recorded.used), (0, 0));
}

#[test]
fn a_request_that_makes_no_sense_records_nothing() {
    for request in ["", "light", "77,full", "0,some", "-1,light", "99999999999,full"] {
        let start = Start::of("env").unrecorded().variable("GLOWPLUG_RECORD", request);
        let text = start.run().successful().text();
        assert_eq!(text, "A_VARIABLE=first\nHOME=/\nPATH=/usr/bin:/bin\n", "{request}");
    }
}

#[test]
fn python_sees_its_usual_environment() {
    let script = "import os
print(sorted(os.environ))
print(open('/proc/self/environ').read().rstrip(chr(0)).count(chr(0)))
print(os.popen('env').read().count('GLOWPLUG'))";
    for python in pythons() {
        let text = Start::of(&python).arguments(["-I", "-c", script]).run().successful().text();
        let mut lines = text.lines();
        let names = lines.next().expect("names");
        let usual =
            ["['A_VARIABLE', 'HOME', 'PATH']", "['A_VARIABLE', 'HOME', 'LC_CTYPE', 'PATH']"];
        assert!(usual.contains(&names), "{names}");
        assert_eq!(lines.collect::<Vec<_>>(), ["2", "0"]);
    }
}

#[test]
fn a_big_environment_is_kept() {
    let mut start = Start::of("env");
    for number in 0..2000 {
        start = start.variable(&format!("K{number:04}"), "x".repeat(200));
    }
    let text = start.run().successful().text();
    assert_eq!(text.lines().count(), 2003);
    let kept = text.lines().filter(|line| line.starts_with('K')).all(|line| line.len() == 206);
    assert!(kept, "{text}");
}
