//! Dependencies point down, and unsafe code stays where docs/ARCHITECTURE.md says.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

/// What each crate may use of ours; the table of docs/ARCHITECTURE.md.
const ALLOWED: [(&str, &[&str]); 13] = [
    ("glowplug-image", &[]),
    ("glowplug-thaw", &["glowplug-image"]),
    ("glowplug-recorder", &[]),
    ("glowplug-python", &["glowplug-image", "glowplug-wire"]),
    ("glowplug-wire", &[]),
    ("glowplug-server", &["glowplug-linux", "glowplug-wire"]),
    ("glowplug-starter", &["glowplug-linux"]),
    ("glowplug-linux", &[]),
    ("glowplug-profile", &[]),
    ("glowplug-collector", &[]),
    ("glowplug-pythons", &[]),
    (
        "glowplug",
        &[
            "glowplug-image",
            "glowplug-linux",
            "glowplug-profile",
            "glowplug-pythons",
            "glowplug-server",
            "glowplug-starter",
            "glowplug-wire",
        ],
    ),
    ("xtask", &["glowplug-pythons"]),
];

const MAY_BE_UNSAFE: [&str; 5] = [
    "glowplug-collector",
    "glowplug-linux",
    "glowplug-python",
    "glowplug-recorder",
    "glowplug-thaw",
];

struct Package {
    root: PathBuf,
    ours: BTreeSet<String>,
}

fn packages() -> BTreeMap<String, Package> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .expect("cargo runs this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let package = |package: &serde_json::Value| {
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        let ours = dependencies.filter(|one| one.get("path").is_some());
        let manifest = PathBuf::from(text(&package["manifest_path"]));
        let root = manifest.parent().unwrap().to_path_buf();
        (
            text(&package["name"]),
            Package { root, ours: ours.map(|one| text(&one["name"])).collect() },
        )
    };
    metadata["packages"].as_array().unwrap().iter().map(package).collect()
}

#[test]
fn dependencies_point_down() {
    let packages = packages();
    let names: BTreeSet<_> = packages.keys().map(String::as_str).collect();
    let known: BTreeSet<_> = ALLOWED.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, known, "docs/ARCHITECTURE.md and this test list the crates of the workspace");
    for (name, allowed) in ALLOWED {
        let refused: Vec<_> =
            packages[name].ours.iter().filter(|one| !allowed.contains(&one.as_str())).collect();
        assert!(refused.is_empty(), "{name} must not depend on {refused:?}");
    }
}

#[test]
fn unsafe_code_is_forbidden_where_it_does_not_belong() {
    for (name, package) in packages() {
        if MAY_BE_UNSAFE.contains(&name.as_str()) {
            continue;
        }
        let roots = ["src/lib.rs", "src/main.rs"].map(|file| package.root.join(file));
        for root in roots.iter().filter(|root| root.exists()) {
            assert!(forbids_unsafe(root), "{} lacks #![forbid(unsafe_code)]", root.display());
        }
    }
}

fn forbids_unsafe(root: &Path) -> bool {
    let text = std::fs::read_to_string(root).unwrap();
    text.lines().any(|line| line == "#![forbid(unsafe_code)]")
}

/// What only Linux has, as it stands in sources.
const OF_LINUX: [&str; 17] = [
    "\"/proc",
    "\"/sys",
    "prctl",
    "PR_SET",
    "signalfd",
    "sigqueue",
    "sigwaitinfo",
    "SIGRT",
    "SYS_",
    "CLONE_",
    "MADV_",
    "MSG_CMSG",
    "MSG_NOSIGNAL",
    "RDHUP",
    "memfd",
    "tiocgptpeer",
    "subreaper",
];

/// What a server and its clients need of Linux alone they have from `glowplug-linux`, so that another system needs another such crate.
#[test]
fn servers_ask_linux_through_one_crate() {
    let root = packages().remove("glowplug-server").unwrap().root.join("src");
    for path in files(&root) {
        asks_nothing_of_linux(&path);
    }
}

/// What the processes need that a template forks they have from one module, so that another system needs another such module.
#[test]
fn forked_processes_ask_linux_through_one_module() {
    let source = packages().remove("glowplug-python").unwrap().root.join("src");
    let root = source.join("serve");
    let module = root.join("linux");
    let outside: Vec<_> = files(&root)
        .into_iter()
        .filter(|path| !path.starts_with(&module) && path.with_extension("") != module)
        .chain([source.join("serve.rs")])
        .collect();
    assert!(module.with_extension("rs").exists() && outside.len() > 5, "{outside:?}");
    for path in outside {
        asks_nothing_of_linux(&path);
    }
}

fn asks_nothing_of_linux(path: &Path) {
    let text = std::fs::read_to_string(path).unwrap();
    let found: Vec<_> = OF_LINUX.iter().filter(|name| text.contains(**name)).collect();
    assert!(found.is_empty(), "{} asks for {found:?}", path.display());
}

/// All files below a folder.
fn files(root: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let (folders, mut found): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    found.extend(folders.iter().flat_map(|folder| files(folder)));
    found
}
