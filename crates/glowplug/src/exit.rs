//! Exit statuses of Glowplug's own. A program's status passes through untouched, as the program replaces this process.

/// The command line or the settings are wrong.
pub const USAGE: u8 = 2;
/// `glowplug gate` found a budget violated; `glowplug lazy lint` has warnings; `glowplug lazy check` found importers that have to stay eager.
pub const FOUND: u8 = 1;
/// `glowplug gate` could not measure something that has a budget; `glowplug lazy check` had nothing to
/// compare, as the program fails eagerly or the interpreter cannot import lazily.
pub const UNMEASURED: u8 = 3;
/// `glowplug lazy check` cannot say which importers make the lazy run differ.
pub const UNEXPLAINED: u8 = 120;
/// The cache or an image cannot be used, or `glowplug images verify` found one that is not sound.
pub const IMAGE: u8 = 121;
/// A profile cannot be made, read or written.
pub const PROFILE: u8 = 123;
/// The program may not be frozen.
pub const REFUSED: u8 = 122;
/// A shim or a bundle cannot be made, or a shim not removed.
pub const STARTER: u8 = 118;
/// There is no server, or it cannot serve.
pub const SERVER: u8 = 119;
/// `--via thaw`, `fork` or `pool` is impossible.
#[allow(clippy::cast_possible_truncation, reason = "checked below")]
pub const FORCED: u8 = glowplug_image::params::EXIT_FORCED as u8;
/// The interpreter is not executable, as in shells.
pub const NOT_EXECUTABLE: u8 = 126;
/// There is no interpreter, as in shells.
pub const NOT_FOUND: u8 = 127;

const _: () = assert!(FORCED as i32 == glowplug_image::params::EXIT_FORCED);
