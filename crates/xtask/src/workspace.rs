//! Where the workspace is and where Cargo puts what it builds.

use std::{env, path::PathBuf};

/// The folder that holds the workspace's `Cargo.toml`.
///
/// `cargo run` names the crate's folder; the one of the compilation may be another checkout's that shares the target folder.
pub fn root() -> PathBuf {
    let crate_folder = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    crate_folder.ancestors().nth(2).expect("xtask lies two folders below the root").to_path_buf()
}

/// Cargo's target folder: `CARGO_TARGET_DIR`, else `target` in the workspace.
pub fn target_dir() -> PathBuf {
    let named = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    root().join(named)
}
