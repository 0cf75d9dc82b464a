//! Prints the shipped policy as the Python module that `glowplug.lazy` reads:
//!
//! ```text
//! cargo run -p glowplug --example lazy_policy > python/glowplug/lazy/_policy.py
//! ```

fn main() {
    print!("{}", glowplug::lazy::policy::python_source());
}
