//! Tells this build from any other: the digest of all sources that ship goes into the binary, and with it into the
//! keys and heads of images, so that an image never meets a runtime that it was not made by.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// The crates that end up in a frozen or thawed process, or write and read what does.
const CRATES: [&str; 7] = [
    "glowplug",
    "glowplug-image",
    "glowplug-linux",
    "glowplug-python",
    "glowplug-pythons",
    "glowplug-recorder",
    "glowplug-thaw",
];
/// What of a crate takes part.
const PARTS: [&str; 3] = ["src", "build.rs", "Cargo.toml"];
const WORKSPACE: [&str; 2] = ["Cargo.toml", "Cargo.lock"];

fn main() {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("Cargo sets it"));
    let root = manifest.ancestors().nth(2).expect("the crate lies in crates/ of the workspace");
    let mut files = Vec::new();
    for path in inputs(root) {
        println!("cargo:rerun-if-changed={}", path.display());
        collect(&path, &mut files);
    }
    files.sort();

    let mut digest = blake3::Hasher::new_derive_key("glowplug build digest");
    // Another profile makes another extension, whose code and data an image holds.
    add(&mut digest, env::var("PROFILE").expect("Cargo sets it").as_bytes());
    for file in &files {
        let name = file.strip_prefix(root).expect("all inputs lie in the workspace");
        add(&mut digest, name.as_os_str().as_encoded_bytes());
        let bytes = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        add(&mut digest, &bytes);
    }
    let short = &digest.finalize().to_hex()[..32];
    println!("cargo:rustc-env=GLOWPLUG_BUILD_DIGEST={short}");
}

/// Every file and folder that the digest covers and that is there.
fn inputs(root: &Path) -> Vec<PathBuf> {
    let crates = CRATES.iter().flat_map(|name| {
        let folder = root.join("crates").join(name);
        PARTS.iter().map(move |part| folder.join(part))
    });
    let workspace = WORKSPACE.iter().chain(&["python/glowplug"]).map(|name| root.join(name));
    crates.chain(workspace).filter(|path| path.exists()).collect()
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) {
    if path.is_dir() {
        let entries =
            fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for entry in entries {
            collect(&entry.expect("a folder of the sources can be listed").path(), files);
        }
    } else if is_source(path) {
        files.push(path.to_path_buf());
    }
}

fn is_source(path: &Path) -> bool {
    path.extension()
        .is_some_and(|kind| ["rs", "py", "toml", "lock", "txt"].iter().any(|one| kind == *one))
}

/// Length first, so that no two lists of files run together to the same bytes.
fn add(digest: &mut blake3::Hasher, bytes: &[u8]) {
    digest.update(&(bytes.len() as u64).to_le_bytes());
    digest.update(bytes);
}
