//! Arguments and environment, one string behind the other, as the kernel lays them out for a program that it executes.

use super::arenas::map;
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
        let block = anonymous(len);
        let start = block.as_ptr();
        let mut used = 0;
        let mut pointers = [Vec::new(), Vec::new()];
        let mut environment = start as u64;
        for (list, pointers) in strings.into_iter().zip(&mut pointers) {
            environment = start as u64 + used as u64;
            for string in list {
                pointers.push(start.wrapping_add(used).cast::<c_char>());
                block[used..used + string.len()].copy_from_slice(string);
                block[used + string.len()] = 0;
                used += string.len() + 1;
            }
            pointers.push(std::ptr::null());
        }
        let span = Span { arguments: start as u64, environment, end: start as u64 + len as u64 };
        let [argv, envp] = pointers;
        Strings { argv: argv.leak(), envp: envp.leak(), span }
    }

    /// Where they lie.
    pub fn span(&self) -> Span {
        self.span
    }
}

/// Memory that stays and is no view of a file, as the heap is: of such memory `/proc/PID/cmdline` shows nothing.
fn anonymous(len: usize) -> &'static mut [u8] {
    match map(0, len.max(1), libc::PROT_READ | libc::PROT_WRITE, 0) {
        // SAFETY: the mapping is new, so long, readable and writable, and nobody unmaps it.
        Some(start) => unsafe { std::slice::from_raw_parts_mut(start as *mut u8, len) },
        None => vec![0; len].leak(),
    }
}
