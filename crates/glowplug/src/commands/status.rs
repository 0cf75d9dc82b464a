//! `glowplug status`: tells which servers run, and what they have started.

use crate::serve::running::{self, Running};
use crate::settings::{ByteSize, Environment};
use crate::{exit, explain};
use glowplug_server::{Report, Worker};
use std::fmt::Write as _;
use std::io::Write as _;

/// Tells which servers run.
#[derive(Debug, clap::Args)]
pub struct Status {
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command and returns the exit status.
pub fn run(options: &Status, environment: &Environment) -> u8 {
    let reports: Vec<Report> = match running::all(environment) {
        Ok(running) => running.iter().filter_map(Running::report).collect(),
        Err(error) => {
            explain::error(error);
            return exit::SERVER;
        }
    };
    let text = match options.json {
        true => serde_json::to_string_pretty(&reports).map_or_else(|e| e.to_string(), |t| t + "\n"),
        false if reports.is_empty() => "no server is running\n".to_owned(),
        false => reports.iter().map(describe).collect(),
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => 0,
        Err(_) => exit::SERVER,
    }
}

fn describe(report: &Report) -> String {
    let mut text = format!("{}\n", report.target);
    let memory =
        |private, shared| format!("{} of its own, {} shared", ByteSize(private), ByteSize(shared));
    let _ = writeln!(text, "  python     {}", report.python);
    let _ = writeln!(text, "  preload    {}", report.preload.join(", "));
    if let Some(base) = &report.extends {
        let _ = writeln!(text, "  extends    set {base}");
    }
    let _ = writeln!(text, "  server     process {}, for {} s", report.server, report.age);
    let template = memory(report.template_private, report.template_shared);
    let _ = writeln!(text, "  template   process {}, {template}", report.template);
    let group = |name: &str, workers: &[Worker]| {
        let private = workers.iter().map(|worker| worker.private).sum();
        let shared = workers.iter().map(|worker| worker.shared).max().unwrap_or(0);
        format!("  {name:<10} {}, {}\n", workers.len(), memory(private, shared))
    };
    text += &group("spares", &report.spares);
    text += &group("programs", &report.workers);
    if !report.branches.is_empty() {
        let servers: Vec<String> = report.branches.iter().map(u32::to_string).collect();
        let _ = writeln!(text, "  extended   by the templates of servers {}", servers.join(", "));
    }
    let (ready, forked) = (report.started_ready, report.started_forked);
    let _ = writeln!(text, "  started    {ready} from ready spares, {forked} by a fork");
    for (reason, count) in &report.refused {
        let _ = writeln!(text, "  refused    {count} times: {reason}");
    }
    if let Some(reason) = &report.ending {
        let _ = writeln!(text, "  ending     {reason}");
    }
    text
}
