//! Links libgcc's unwinder, which Rust's standard library asks for, into the library: as a library of its own, which most programs have
//! not loaded, it would add a fifth of a millisecond to each start. And lays the library out in few mappings.

use std::path::PathBuf;

fn main() {
    let folder = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    // Stands for the shared library of this name when the linker looks for it.
    std::fs::write(folder.join("libgcc_s.so"), "INPUT ( -lgcc_eh -lgcc )\n")
        .expect("the folder is there to be written to");
    println!("cargo::rustc-cdylib-link-arg=-L{}", folder.display());
    // Each part of a library with rights of its own is a mapping more, which costs each start some microseconds.
    for option in ["norelro", "noseparate-code"] {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,{option}");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
