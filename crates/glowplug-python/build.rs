//! Tells the code which CPython minor it is built for, as `Py_3_N` configurations.

fn main() {
    pyo3_build_config::use_pyo3_cfgs();
}
