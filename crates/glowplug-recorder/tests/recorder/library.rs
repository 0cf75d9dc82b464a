//! The library that ships: small, and at home with old glibcs and any program.

use std::process::Command;

use crate::start::recorder;

fn symbols() -> Vec<String> {
    let output = Command::new("objdump").arg("-T").arg(recorder()).output().expect("objdump runs");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().skip(4).map(str::to_owned).collect()
}

#[test]
fn it_is_small() {
    let size = recorder().metadata().expect("the library is there").len();
    assert!(size < 64 << 10, "{size} bytes");
}

#[test]
fn it_needs_libc_alone() {
    let output = Command::new("objdump").arg("-p").arg(recorder()).output().expect("objdump runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let needed: Vec<_> =
        text.lines().filter_map(|line| line.trim().strip_prefix("NEEDED")).map(str::trim).collect();
    assert_eq!(needed, ["libc.so.6"]);
}

#[test]
fn it_runs_with_glibc_2_28() {
    for symbol in symbols() {
        let Some((_, version)) = symbol.split_once("(GLIBC_2.") else { continue };
        let minor = version.split(['.', ')']).next().expect("a number");
        assert!(minor.parse::<u32>().expect("a number") <= 28, "{symbol}");
    }
}

#[test]
fn it_offers_hooks_and_controls_alone() {
    let offered: Vec<_> = symbols()
        .iter()
        .filter(|symbol| !symbol.contains("*UND*"))
        .filter_map(|symbol| symbol.split_whitespace().last().map(str::to_owned))
        .collect();
    assert!(offered.iter().any(|name| name == "open64"), "{offered:?}");
    let foreign = |name: &&String| {
        name.starts_with("Py")
            || name.starts_with("_R")
            || name.starts_with("_ZN")
            || name.starts_with("rust_")
    };
    assert_eq!(offered.iter().filter(foreign).count(), 0, "{offered:?}");
}
