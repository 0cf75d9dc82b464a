//! Becoming the process in an image: executing the restorer on it.

use crate::commandline::{CommandLine, Target};
use crate::interpreter::Interpreter;
use crate::settings::Environment;
use glowplug_image::head::FLAG_CPU_FEATURES;
use glowplug_image::{Head, cpu, params};
use rustix::io::FdFlags;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A thaw that is about to happen.
#[derive(Debug)]
pub struct Thaw<'a> {
    /// The restorer.
    pub restorer: &'a Path,
    /// The interpreter that the program believes to run in, and that is executed where the image does not fit.
    pub interpreter: &'a Interpreter,
    /// The program's `argv[0]`; `None` for the interpreter's path.
    pub name: Option<&'a CStr>,
    /// The command line.
    pub command: &'a CommandLine<'a>,
    /// The program's environment.
    pub environment: &'a Environment,
    /// Say how long it took.
    pub explain: bool,
    /// Fail rather than start plainly.
    pub forced: bool,
    /// Say it, asked or not, where the machine is why the program starts plainly.
    pub notice: bool,
    /// `CLOCK_MONOTONIC` in nanoseconds when this process began its work.
    pub start_ns: u64,
}

/// Why this machine or process is not what the image needs; asked before the restorer is started, since then a new image can be made.
pub fn misfit(head: &Head) -> Option<&'static str> {
    unsuited(head, &cpu::words())
}

/// Why a CPU with these feature words is not what the image needs.
fn unsuited(head: &Head, words: &cpu::Words) -> Option<&'static str> {
    match head.flags & FLAG_CPU_FEATURES != 0 {
        _ if head.suits(words) => None,
        true => Some("this CPU lacks features of the level that the image was frozen for"),
        false => Some("the image was made on another CPU"),
    }
}

/// What is said where [`needs_a_taken_descriptor`].
pub const TAKEN_DESCRIPTOR: &str = "a descriptor is inherited that the imports would open";

/// Whether this process has inherited a descriptor under the number that the image's process opens anew. What Glowplug has opened itself
/// is closed on exec; what was inherited cannot be.
pub fn needs_a_taken_descriptor(head: &Head) -> bool {
    let number = i32::try_from(head.context.reopened).unwrap_or(0);
    number > 0 && glowplug_linux::descriptors::is_inherited(number)
}

/// Now, as `Thaw::start_ns` counts.
pub fn monotonic_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let [seconds, nanoseconds] = [now.tv_sec, now.tv_nsec].map(|n| u64::try_from(n).unwrap_or(0));
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}

/// What kind of target a process is told that it has.
pub fn target_kind(target: &Target<'_>) -> u64 {
    match target {
        Target::Module(_) => params::TARGET_MODULE,
        Target::Command(_) => params::TARGET_COMMAND,
        Target::Stdin => params::TARGET_STDIN,
        _ => params::TARGET_SCRIPT,
    }
}

impl Thaw<'_> {
    /// Executes the restorer on an image that has been checked. Returns only where that fails.
    pub fn execute(&self, image: OwnedFd) -> io::Error {
        self.try_execute(&image).err().unwrap_or_else(|| io::ErrorKind::Other.into())
    }

    fn try_execute(&self, image: &OwnedFd) -> io::Result<()> {
        let restorer = CString::new(self.restorer.as_os_str().as_bytes())?;
        let path = CString::new(self.interpreter.path.as_os_str().as_bytes())?;
        let parameter = self.parameter(image)?;
        let mut argv: Vec<&CStr> = Vec::with_capacity(self.command.python_argv.len() + 1);
        argv.push(self.name.unwrap_or(&path));
        argv.extend_from_slice(&self.command.python_argv);
        let mut environment = self.environment.strings().to_vec();
        // The restorer hides what stands last from /proc/self/environ as well.
        let mut with_parameter: Vec<&CStr> = Vec::with_capacity(environment.len() + 1);
        with_parameter.append(&mut environment);
        with_parameter.push(&parameter);
        rustix::io::fcntl_setfd(image, FdFlags::empty())?;
        let error = glowplug_linux::exec(&restorer, &argv, &with_parameter);
        let _ = rustix::io::fcntl_setfd(image, FdFlags::CLOEXEC);
        Err(error)
    }

    fn parameter(&self, image: &OwnedFd) -> io::Result<CString> {
        let flag = |set, flag| if set { flag } else { 0 };
        let parameters = params::Params {
            tries: 0,
            image_fd: u64::try_from(image.as_raw_fd()).map_err(io::Error::other)?,
            target_kind: target_kind(&self.command.target),
            target_index: self.command.target_index as u64,
            flags: flag(self.explain, params::FLAG_EXPLAIN)
                | flag(self.forced, params::FLAG_FORCED)
                | flag(self.notice, params::FLAG_NOTICE),
            start_ns: self.start_ns,
            python: b"",
        };
        let mut string = parameters.to_string().into_bytes();
        string.extend_from_slice(self.interpreter.program.as_os_str().as_bytes());
        Ok(CString::new(string)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glowplug_image::cpu::Level;
    use zerocopy::FromZeros;

    /// A CPU of the level, with a feature that no level has.
    fn words_of(level: Level) -> cpu::Words {
        let mut words = level.features();
        words[0] = 0x806f8;
        words[4] |= 1 << 22;
        words
    }

    #[test]
    fn an_image_without_a_level_is_for_its_own_cpu() {
        let mut head = Head::new_zeroed();
        head.context.cpu = words_of(Level::V4);
        assert_eq!(unsuited(&head, &words_of(Level::V4)), None);
        for word in 0..head.context.cpu.len() {
            let mut words = words_of(Level::V4);
            words[word] ^= 1 << 22;
            assert_eq!(unsuited(&head, &words), Some("the image was made on another CPU"));
        }
    }

    #[test]
    fn an_image_of_a_level_is_for_every_cpu_that_has_it() {
        let mut head = Head::new_zeroed();
        head.flags = FLAG_CPU_FEATURES;
        head.context.cpu = Level::V2.features();
        let fits = |level| unsuited(&head, &words_of(level)).is_none();
        assert_eq!(Level::ALL.map(fits), [false, true, true, true]);
        let mut words = words_of(Level::V3);
        // Without SSE4.2.
        words[1] &= !(1 << 20);
        assert!(unsuited(&head, &words).is_some_and(|reason| reason.contains("lacks")));
    }
}
