//! A program's `main` given to another library.

use crate::start::{Start, compile, folder, pythons};

#[test]
fn the_library_runs_in_place_of_main() {
    let place = folder("handover");
    let library = compile("handed", &place.join("handed.so"), &["-shared".as_ref()]);
    for python in pythons() {
        let recorded = Start::of(&python)
            .arguments(["-c", "print('main has run')", "three"])
            .variable("GLOWPLUG_MAIN", &library)
            .variable("GLOWPLUG_JOB", "7")
            .run();
        assert_eq!(recorded.output.status.code(), Some(7));
        let expected = format!(
            "argument {}\nargument -c\nargument print('main has run')\nargument three\n\
             variable A_VARIABLE=first\nvariable HOME=/\nvariable PATH=/usr/bin:/bin\n\
             job 7\npython 1\nrecording 1\n",
            python.display()
        );
        assert_eq!(recorded.text(), expected);
        // The loader loads it, nobody opens it: it is not among what the program read.
        assert!(!recorded.has(&format!("O{}", library.display())), "{:?}", recorded.entries);
    }
}

#[test]
fn it_works_without_a_record() {
    let place = folder("handover-alone");
    let library = compile("handed", &place.join("handed.so"), &["-shared".as_ref()]);
    let recorded = Start::of("true").unrecorded().variable("GLOWPLUG_MAIN", &library).run();
    assert_eq!(recorded.output.status.code(), Some(7));
    assert!(recorded.text().ends_with("job -1\npython 0\nrecording 0\n"), "{}", recorded.text());
}

#[test]
fn a_library_that_cannot_be_loaded_is_named() {
    let place = folder("handover-fails");
    let options = ["-shared".as_ref(), "-DWITHOUT_MAIN".as_ref()];
    let library = compile("handed", &place.join("handed.so"), &options);
    for (library, reason) in [(place.join("absent.so"), "No such file"), (library, "glowplug_main")]
    {
        let recorded = Start::of("echo").variable("GLOWPLUG_MAIN", &library).run();
        assert_eq!(recorded.output.status.code(), Some(125));
        assert_eq!(recorded.text(), "");
        let message = String::from_utf8_lossy(&recorded.output.stderr).into_owned();
        let start = format!("glowplug: cannot load {}: ", library.display());
        assert!(message.starts_with(&start) && message.contains(reason), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}
