//! What a server tells about itself, as JSON.

use glowplug_linux::surroundings::Memory;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// What the template is for: a program, or a set.
    pub target: String,
    /// The interpreter.
    pub python: String,
    /// The modules that were preloaded.
    pub preload: Vec<String>,
    /// The preload set whose template this one was forked from.
    pub extends: Option<String>,
    /// Process id of the server.
    pub server: u32,
    /// Process id of the template.
    pub template: u32,
    /// Memory of the template: of it alone, and shared with its forks; bytes.
    pub template_private: u64,
    /// See `template_private`.
    pub template_shared: u64,
    /// How many spares it keeps ready.
    pub wanted_spares: usize,
    /// The spares.
    pub spares: Vec<Worker>,
    /// The programs that run.
    pub workers: Vec<Worker>,
    /// Process ids of the servers whose templates were forked from this one.
    pub branches: Vec<u32>,
    /// Programs that were started from ready spares.
    pub started_ready: u64,
    /// Programs that were started by a fork of the moment.
    pub started_forked: u64,
    /// Starts that were refused, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Seconds since it began to serve.
    pub age: u64,
    /// Seconds since anything was asked of it.
    pub idle: u64,
    /// Seconds without anything to do after which it ends; `None` for never.
    pub idle_limit: Option<u64>,
    /// It takes no more starts, and why.
    pub ending: Option<String>,
}

/// A process that was forked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Worker {
    /// Its id.
    pub pid: u32,
    /// Memory of its own, bytes.
    pub private: u64,
    /// Memory that it shares with the template and other forks, bytes.
    pub shared: u64,
}

impl Worker {
    /// The process with this id, as it is now. What has ended has no memory.
    pub fn of(pid: u32) -> Worker {
        let Memory { private, shared } = Memory::of(pid);
        Worker { pid, private, shared }
    }
}
