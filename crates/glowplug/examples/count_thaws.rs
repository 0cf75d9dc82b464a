//! What it costs a start that its thaw is counted: `cargo run --release -p glowplug --example count_thaws -- FOLDER`.
//!
//! The folder decides on the file system; it is left empty.

use glowplug::cache::Cache;
use glowplug::key::digest;
use glowplug::renewal;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

const ROUNDS: usize = 2000;

fn main() -> anyhow::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let folder = tempfile::tempdir_in(PathBuf::from(folder))?;
    let cache = Cache::create(&folder.path().join("cache"))?;
    let (key, values) = (digest("key", &[b"k"]), digest("values", &[b"v"]));
    let history = cache.history(&key, &values);
    report("drawing whether it counts", || {
        black_box(renewal::is_counted(100));
    });
    report("one that counts", || {
        black_box(history.add_thaws(1));
    });
    Ok(())
}

fn report(what: &str, mut step: impl FnMut()) {
    let mut nanoseconds: Vec<u128> = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            step();
            began.elapsed().as_nanos()
        })
        .collect();
    nanoseconds.sort_unstable();
    let [least, median, high] = [0, ROUNDS / 2, ROUNDS * 99 / 100].map(|i| nanoseconds[i] as f64);
    println!(
        "{what}: least {:.2} us, median {:.2}, 99% below {:.2}",
        least / 1e3,
        median / 1e3,
        high / 1e3
    );
}
