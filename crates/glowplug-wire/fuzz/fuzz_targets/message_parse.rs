//! Every message: no input makes a parser panic, and what is understood says what was sent.
#![no_main]

use glowplug_wire::{Answer, Event, Hello, Order, Reply, Request, Word};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(request) = Request::parse(data) {
        let again = request.to_bytes().expect("no longer than what was read");
        assert_eq!(&again[4..], data);
    }
    if let Some(bytes) = data.first_chunk() {
        let _ = Hello::parse(bytes);
    }
    if let Some(bytes) = data.first_chunk() {
        let _ = Answer::parse(bytes);
    }
    if let Some(bytes) = data.first_chunk() {
        let _ = Event::parse(bytes);
    }
    if let Some(bytes) = data.first_chunk() {
        let _ = Order::parse(bytes);
    }
    if let Some(bytes) = data.first_chunk() {
        let _ = Word::parse(bytes);
    }
    if let Some(byte) = data.first() {
        let _ = Reply::parse(*byte);
    }
});
