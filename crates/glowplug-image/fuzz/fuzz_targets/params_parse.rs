//! The launcher's parameters: what is accepted says the same when it is written again.
#![no_main]

use glowplug_image::params::{NAME, Params};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = Params::parse(data);
    let string = [NAME, data].concat();
    if let Some(params) = Params::parse(&string) {
        let mut again = params.to_string().into_bytes();
        again.extend_from_slice(params.python);
        assert_eq!(Params::parse(&again), Some(params));
    }
});
