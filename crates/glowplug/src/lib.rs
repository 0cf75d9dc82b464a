//! The library behind the `glowplug` command. See docs/ARCHITECTURE.md.
#![forbid(unsafe_code)]

pub mod anatomy;
pub mod cache;
pub mod commandline;
pub mod commands;
pub mod doctor;
pub mod exit;
pub mod explain;
pub mod freeze;
pub mod gate;
pub mod inputs;
pub mod interpreter;
pub mod key;
pub mod launch;
pub mod lazy;
pub mod learn;
pub mod meta;
pub mod passage;
pub mod privilege;
pub mod profiling;
pub mod renewal;
pub mod runtime;
pub mod sarif;
pub mod script;
pub mod secrets;
pub mod serve;
pub mod service;
pub mod settings;
pub mod shim;
pub mod source;
pub mod stamp;
pub mod start;
