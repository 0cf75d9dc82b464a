//! Arguments and environment, one string behind the other, as the kernel lays them out for a program that it executes.

use glowplug_wire::Request;
use std::ffi::c_char;

/// Arguments and environment in memory that stays.
pub struct Strings {
    /// The arguments, and a NULL.
    pub argv: &'static [*const c_char],
    /// The environment, and a NULL.
    pub envp: &'static [*const c_char],
    span: Span,
}

/// Where the strings lie, addresses.
#[derive(Clone, Copy)]
pub struct Span {
    /// First byte of the arguments.
    pub arguments: u64,
    /// First byte of the environment: one past the last of the arguments.
    pub environment: u64,
    /// One past the last byte of the environment.
    pub end: u64,
}

impl Strings {
    /// Copies them. The memory is the program's for the rest of its life.
    pub fn lay_out(request: &Request<'_>) -> Strings {
        let strings = [&request.arguments, &request.environment];
        let len: usize = strings.iter().flat_map(|list| list.iter()).map(|s| s.len() + 1).sum();
        let mut block: Vec<u8> = Vec::with_capacity(len);
        let start = block.as_ptr();
        let mut pointers = [Vec::new(), Vec::new()];
        let mut environment = start as u64;
        for (list, pointers) in strings.into_iter().zip(&mut pointers) {
            environment = start as u64 + block.len() as u64;
            for string in list {
                pointers.push(start.wrapping_add(block.len()).cast::<c_char>());
                block.extend_from_slice(string);
                block.push(0);
            }
            pointers.push(std::ptr::null());
        }
        let span = Span { arguments: start as u64, environment, end: start as u64 + len as u64 };
        block.leak();
        let [argv, envp] = pointers;
        Strings { argv: argv.leak(), envp: envp.leak(), span }
    }

    /// Where they lie.
    pub fn span(&self) -> Span {
        self.span
    }
}
