//! What happens where an image does not fit: another try with another random layout, plain Python, or an error.

use crate::stack::KernelStack;
use crate::stages::{Obstacle, Start};
use crate::syscall;
use core::ffi::CStr;
use glowplug_image::params;

/// Writes parts to standard error in one piece as far as they fit.
pub fn say(parts: &[&[u8]]) {
    let mut line = [0u8; 512];
    let mut used = 0;
    for part in parts {
        for &byte in *part {
            if let Some(slot) = line.get_mut(used) {
                *slot = byte;
                used += 1;
            }
        }
    }
    syscall::write(2, line.get(..used).unwrap_or_default());
}

/// Decimal digits of a number.
pub struct Digits {
    bytes: [u8; 20],
    first: usize,
}

impl Digits {
    /// The digits of `number`.
    pub fn new(mut number: u64) -> Digits {
        let mut digits = Digits { bytes: [b'0'; 20], first: 19 };
        loop {
            if let Some(slot) = digits.bytes.get_mut(digits.first) {
                *slot = b'0' + (number % 10) as u8;
            }
            number /= 10;
            if number == 0 || digits.first == 0 {
                return digits;
            }
            digits.first -= 1;
        }
    }

    /// As ASCII.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(self.first..).unwrap_or_default()
    }
}

/// Starts the restorer again: the kernel draws another layout.
pub fn again(stack: &mut KernelStack, start: &Start) -> ! {
    // The number of tries is the digit behind the name; the string is the kernel's, private to this process.
    let digit = start.string.as_ptr().wrapping_add(params::NAME.len()).cast_mut().cast::<u8>();
    // SAFETY: `Params::parse` saw a digit there, and the kernel's stack is writable.
    unsafe { *digit += 1 };
    syscall::close_on_exec(start.image_fd(), false);
    stack.restore_environment(start.string);
    // SAFETY: a constant C string; the arrays are the kernel's.
    let errno =
        unsafe { syscall::execute(c"/proc/self/exe".as_ptr().cast(), stack.argv(), stack.envp()) };
    stack.remove_environment(stack.envc().saturating_sub(1));
    plain(stack, start, &Obstacle::Retry(errno))
}

/// Executes the plain interpreter, or fails where only a thaw will do.
pub fn plain(stack: &mut KernelStack, start: &Start, obstacle: &Obstacle) -> ! {
    let errno = obstacle.errno();
    let number = Digits::new(errno.map_or(0, |e| e.0 as u64));
    let (open, digits, close): (&[u8], &[u8], &[u8]) =
        if errno.is_some() { (b" (error ", number.as_bytes(), b")") } else { (b"", b"", b"") };
    if start.has(params::FLAG_FORCED) {
        say(&[
            b"error: this image cannot be thawed here: ",
            obstacle.text(),
            open,
            digits,
            close,
            b"\n  hint: without `--via thaw` the program is started by plain Python\n",
        ]);
        syscall::exit(params::EXIT_FORCED);
    }
    if start.has(params::FLAG_EXPLAIN) {
        say(&[b"glowplug: plain: ", obstacle.text(), open, digits, close, b"\n"]);
    } else if start.has(params::FLAG_NOTICE) && obstacle.is_of_machine() {
        say(&[
            b"warning: this image cannot be thawed here: ",
            obstacle.text(),
            open,
            digits,
            close,
            b"\nnote: the program is started plainly\n",
        ]);
    }
    let errno = execute_python(stack, start.python);
    say(&[
        b"error: cannot execute ",
        start.python.to_bytes(),
        b" (error ",
        Digits::new(errno.0 as u64).as_bytes(),
        b")\n",
    ]);
    syscall::exit(if errno.0 == 2 { 127 } else { 126 })
}

fn execute_python(stack: &KernelStack, python: &CStr) -> syscall::Errno {
    // SAFETY: a C string and the kernel's arrays.
    unsafe { syscall::execute(python.as_ptr().cast(), stack.argv(), stack.envp()) }
}
