//! Makes the page of a profile, or of a log of `-X importtime`: `cargo run --example page -- FILE > page.html`.
#![allow(missing_docs)]

use glowplug_profile::{html, importtime, model::Profile, sample};

fn main() {
    let profile = match std::env::args().nth(1) {
        None => sample::profile(),
        Some(path) => {
            let text = std::fs::read(&path).expect("a file that can be read");
            match Profile::from_json(&String::from_utf8_lossy(&text)) {
                Ok(profile) => profile,
                Err(_) => importtime::read(&text, &path).expect("a profile or a log"),
            }
        }
    };
    print!("{}", html::render(&profile));
}
