//! Links libgcc's unwinder, which Rust's standard library asks for, into the library: as a library of its own, which most programs have
//! not loaded, it would add a fifth of a millisecond to each start.

use std::path::PathBuf;

fn main() {
    let folder = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    // Stands for the shared library of this name when the linker looks for it.
    std::fs::write(folder.join("libgcc_s.so"), "INPUT ( -lgcc_eh -lgcc )\n")
        .expect("the folder is there to be written to");
    println!("cargo::rustc-cdylib-link-arg=-L{}", folder.display());
    println!("cargo::rerun-if-changed=build.rs");
}
