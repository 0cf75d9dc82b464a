//! Tells the code which CPython minor it is built for: `cfg(Py_3_13)` holds for 3.13 and all later ones.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    pyo3_build_config::use_pyo3_cfgs();
}
