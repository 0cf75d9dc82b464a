//! `glowplug stop`: ends servers, with all that they have started.

use crate::serve::running;
use crate::settings::Environment;
use crate::{exit, explain};
use glowplug_wire::Wish;

/// Ends servers.
#[derive(Debug, clap::Args)]
pub struct Stop {
    /// Let the programs end by themselves
    #[arg(long)]
    drain: bool,
}

/// Runs the command and returns the exit status.
pub fn run(options: &Stop, environment: &Environment) -> u8 {
    let running = match running::all(environment) {
        Ok(running) => running,
        Err(error) => {
            explain::error(error);
            return exit::SERVER;
        }
    };
    let wish = if options.drain { Wish::Drain } else { Wish::Stop };
    let mut status = 0;
    for server in running {
        if let Err(error) = server.stop(wish) {
            explain::error(format_args!("a server does not end: {error}"));
            status = exit::SERVER;
        }
    }
    status
}
