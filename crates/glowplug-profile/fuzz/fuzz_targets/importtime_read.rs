//! A log of `-X importtime`: no input makes the reader panic, and whatever it makes is a sound profile that every exporter takes.
#![no_main]

use glowplug_profile::{export, html, importtime, model::Profile};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|log: &[u8]| {
    let Ok(profile) = importtime::read(log, "log") else { return };
    Profile::from_json(&profile.to_json()).expect("what is written is read again");
    let _ = export::speedscope(&profile);
    let _ = export::chrome_trace(&profile);
    let _ = export::collapsed(&profile);
    let _ = html::render(&profile);
});
