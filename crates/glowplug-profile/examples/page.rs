//! Makes the page of a profile or of a log of `-X importtime`, or of the difference of two:
//! `cargo run -p glowplug-profile --example page -- FILE [FILE] > page.html`.
#![allow(missing_docs)]

use glowplug_profile::{diff, html, importtime, model::Profile, sample};

fn main() {
    let profiles: Vec<Profile> = std::env::args().skip(1).map(|path| read(&path)).collect();
    match profiles.as_slice() {
        [] => print!("{}", html::render(&sample::profile())),
        [one] => print!("{}", html::render(one)),
        [one, other, ..] => print!("{}", html::render_diff(&diff::compare(one, other))),
    }
}

fn read(path: &str) -> Profile {
    let text = std::fs::read(path).expect("a file that can be read");
    match Profile::from_json(&String::from_utf8_lossy(&text)) {
        Ok(profile) => profile,
        Err(_) => importtime::read(&text, path).expect("a profile or a log"),
    }
}
