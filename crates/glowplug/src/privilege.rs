//! Whose rights a process has. Images are made and used by processes alone that have just their user's: others could be made to run
//! what a lesser process wrote, or leave in an image what a lesser process may read.

use rustix::process::{DumpableBehavior, Resource, Rlimit};
use rustix::thread::CapabilitySet;
use std::path::Path;

/// Set-user-id and set-group-id.
const SET_ID: u32 = 0o6000;

/// The limit at which the kernel makes no core dump at all, neither to a file (it would be longer) nor to a program, bytes: of all
/// limits it respects this one alone where dumps go to a program.
const NO_CORE: u64 = 1;

/// Why this process must have nothing to do with images; `None` where its rights are its user's.
pub fn obstacle() -> Option<&'static str> {
    if glowplug_linux::startup::is_secure() {
        return Some("this process was started with more rights than its user has");
    }
    if rustix::process::getuid() != rustix::process::geteuid() {
        return Some("the real and the effective user of this process differ");
    }
    if rustix::process::getgid() != rustix::process::getegid() {
        return Some("the real and the effective group of this process differ");
    }
    let root = rustix::process::geteuid().is_root();
    (!root && !capabilities()[1].is_empty())
        .then_some("this process has capabilities and is not root's")
}

/// Effective, permitted and inheritable capabilities of this process; none where the kernel does not tell.
pub fn capabilities() -> [CapabilitySet; 3] {
    rustix::thread::capabilities(None).map_or([CapabilitySet::empty(); 3], |sets| {
        [sets.effective, sets.permitted, sets.inheritable]
    })
}

/// Why a program of this interpreter cannot be thawed: executing its file gives rights, which mapping an image does not.
pub fn of_interpreter(path: &Path) -> Option<&'static str> {
    let mode = rustix::fs::stat(path).map_or(0, |stat| stat.st_mode);
    if mode & SET_ID != 0 {
        return Some("the interpreter has a setuid or setgid bit");
    }
    let mut value = [0u8; 64];
    let capabilities = rustix::fs::getxattr(path, "security.capability", &mut value[..]);
    capabilities.is_ok().then_some("the interpreter's file has capabilities")
}

/// Keeps the memory of this process, and of all that it starts, out of core dumps.
pub fn forbid_core_dumps() {
    let limit = rustix::process::getrlimit(Resource::Core);
    let none = Rlimit { current: Some(NO_CORE), maximum: limit.maximum };
    if rustix::process::setrlimit(Resource::Core, none).is_err() {
        // The limit is zero for good: no files, but perhaps a program that takes dumps.
        let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}
