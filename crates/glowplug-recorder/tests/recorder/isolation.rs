//! The recorder changes nothing: not errors, not children, not what other libraries do.

use std::ffi::OsStr;

use crate::start::{Start, compile, folder, program, pythons};

#[test]
fn errno_is_what_it_was() {
    let place = folder("errors");
    let program = program("errors", &place);
    for start in
        [Start::of(&program), Start::of(&program).light(), Start::of(&program).unrecorded()]
    {
        start.folder(&place).run().successful();
    }
}

#[test]
fn forked_children_are_silent() {
    let recorded = Start::of(program("forks", &folder("forks"))).run().successful();
    let expected = ["N/absent/before", "Xfork", "X/bin/true", "N/absent/after"];
    assert_eq!(recorded.entries, expected);
}

const SUBPROCESS: &str = "
import multiprocessing, os, subprocess
subprocess.run(['/bin/sh', '-c', 'cat /etc/hostname'], check=True, stdout=subprocess.DEVNULL)
os.path.exists('/absent/after-subprocess')
child = multiprocessing.get_context('fork').Process(target=os.path.exists, args=['/absent/child'])
child.start()
child.join()
assert child.exitcode == 0
os.path.exists('/absent/after-fork')
print(os.getpid())
";

#[test]
fn python_records_on_after_it_started_children() {
    for python in pythons() {
        let recorded = Start::of(&python).arguments(["-c", SUBPROCESS]).run().successful();
        assert_eq!(recorded.text().trim_end(), recorded.process.to_string());
        for entry in ["X/bin/sh", "N/absent/after-subprocess", "Xfork", "N/absent/after-fork"] {
            assert!(recorded.has(entry), "{entry}: {:?}", recorded.entries);
        }
        for entry in ["O/etc/hostname", "N/absent/child"] {
            assert!(!recorded.has(entry), "{entry}: {:?}", recorded.entries);
        }
    }
}

const IDS: &str = "
import ctypes, os
# Called by libffi, which is another library than the one that holds Python.
asked = ctypes.CDLL(None).getpid()
print(os.getpid(), asked)
child = os.fork()
if child == 0:
    print(os.getpid(), ctypes.CDLL(None).getpid(), flush=True)
    os._exit(0)
os.waitpid(child, 0)
";

#[test]
fn libraries_of_a_freezer_are_told_an_id_that_nobody_has() {
    for python in pythons() {
        for full in [true, false] {
            let start = Start::of(&python).arguments(["-u", "-c", IDS]);
            let start = if full { start } else { start.light() };
            let text = start.run().successful().text().to_owned();
            let ids: Vec<u32> =
                text.split_whitespace().map(|id| id.parse().expect("a number")).collect();
            let [own, asked, child, child_asked] = ids[..] else { panic!("{text}") };
            let told = |id: u32| if full { id | 1 << 30 } else { id };
            assert_eq!((asked, child_asked), (told(own), told(child)), "{text}");
            // PID_MAX_LIMIT
            assert!(own != child && own < 1 << 22, "{text}");
        }
    }
}

#[test]
fn a_thread_that_serves_starts_in_the_child_that_asks_for_it() {
    Start::of(program("_polars_runtime", &folder("held"))).run().successful();
}

#[test]
fn stopping_leaves_nothing_mapped() {
    let recorded = Start::of(program("stops", &folder("stops"))).run().successful();
    assert!(recorded.has("N/absent/before"), "{:?}", recorded.entries);
    assert!(!recorded.has("N/absent/after"), "{:?}", recorded.entries);
    assert!(!recorded.has("N/absent/child"), "{:?}", recorded.entries);
    assert_eq!(recorded.flags, 0);
}

#[test]
fn a_thread_can_be_cancelled_inside_a_hook() {
    let place = folder("cancelled");
    let start = Start::of(program("cancelled", &place)).arguments([place.join("pipe")]);
    start.run().successful();
}

#[test]
fn a_library_is_searched_for_where_its_loader_says() {
    let place = folder("runpath");
    let inner = place.join("inner");
    std::fs::create_dir(&inner).expect("a folder");
    let shared: [&OsStr; 1] = ["-shared".as_ref()];
    compile("runpath", &inner.join("libinner-of-runpath.so"), &[shared[0], "-DINNER".as_ref()]);
    let runpath: [&OsStr; 2] =
        ["-DOUTER".as_ref(), "-Wl,--enable-new-dtags,-rpath,$ORIGIN/inner".as_ref()];
    let outer = compile("runpath", &place.join("outer.so"), &[shared[0], runpath[0], runpath[1]]);
    let recorded = Start::of(program("runpath", &place)).arguments([&outer]).run().successful();
    assert_eq!(recorded.entries, [format!("O{}", outer.display())]);
}
