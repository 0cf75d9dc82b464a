//! `glowplug images`.
use crate::settings::Environment;
/// x
#[derive(Debug, clap::Args)]
pub struct Images {}
/// x
pub fn run(_: &Images, _: &Environment) -> u8 {
    0
}
