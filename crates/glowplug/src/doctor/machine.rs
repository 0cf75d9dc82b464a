//! Kernel, processor, system calls, and the rights of this process.

use super::{Check, Part};
use crate::{freeze, privilege};
use glowplug_image::cpu::Level;
use glowplug_linux::attempts::{self, Call, Refusal};
use glowplug_linux::confinement;

/// Images: what both making and using them needs.
const IMAGES: &[Part] = &[Part::Run, Part::Freeze];

/// Calls without which nothing is frozen or thawed.
const NEEDED: [(Call, &str, &[Part]); 6] = [
    (Call::MapAtAddress, "mmap(MAP_FIXED_NOREPLACE)", &[Part::Run]),
    (Call::SetThreadPointer, "arch_prctl(ARCH_SET_FS)", &[Part::Run]),
    (Call::AdoptOrphans, "prctl(PR_SET_CHILD_SUBREAPER)", &[Part::Freeze]),
    (Call::NewSession, "setsid", &[Part::Freeze]),
    (Call::MemoryFile, "memfd_create", IMAGES),
    (Call::WipeOnFork, "madvise(MADV_WIPEONFORK)", IMAGES),
];

/// Calls that there is another way for, and what is lost on it.
const WANTED: [(Call, &str, &str); 3] = [
    (
        Call::SetLayout,
        "prctl(PR_SET_MM_MAP)",
        "/proc shows another command line, and where the kernel puts the heap above the image's a program starts plainly",
    ),
    (Call::RestartableSequences, "rseq", "sched_getcpu is slower"),
    (Call::Populate, "madvise(MADV_POPULATE_WRITE)", "a thaw has more page faults"),
];

/// What newer kernels have; older C libraries do not use it, and an image that needs it is made where it is.
const NEWER: [(Call, &str); 2] =
    [(Call::MapDroppable, "MAP_DROPPABLE"), (Call::InstallGuard, "MADV_GUARD_INSTALL")];

/// All checks of the machine.
pub fn checks() -> Vec<Check> {
    vec![kernel(), processor(), calls(), written(), inspection(), rights()]
}

fn kernel() -> Check {
    let name = rustix::system::uname();
    let [system, release, machine] =
        [name.sysname(), name.release(), name.machine()].map(|part| part.to_string_lossy());
    let without: Vec<&str> =
        NEWER.iter().filter(|(call, _)| call.attempt().is_err()).map(|(_, name)| *name).collect();
    let missing = match without.as_slice() {
        [] => String::new(),
        names => format!("; without {}", names.join(" and ")),
    };
    let found = format!("{system} {release}, {machine}{missing}");
    if machine != "x86_64" {
        return Check::fails("kernel", found)
            .so("programs start plainly: images are for x86-64")
            .affecting(IMAGES);
    }
    Check::works("kernel", found).affecting(IMAGES)
}

fn processor() -> Check {
    let how = if freeze::cpu::can_trap() { "by trapping cpuid" } else { "by variables alone" };
    Check::works("processor", format!("{}; freeze --cpu {how}", Level::here())).affecting(IMAGES)
}

fn calls() -> Check {
    let filter = match confinement::status("Seccomp").as_deref() {
        Some("0") => "no filter",
        Some("1") => "seccomp mode 1 (strict)",
        Some("2") => "a seccomp filter",
        _ => "unknown whether there is a filter",
    };
    let refused: Vec<(&str, &[Part], Refusal)> = NEEDED
        .iter()
        .filter_map(|(call, name, parts)| Some((*name, *parts, call.attempt().err()?)))
        .collect();
    let unwanted: Vec<(&str, &str, Refusal)> = WANTED
        .iter()
        .filter_map(|(call, name, loss)| Some((*name, *loss, call.attempt().err()?)))
        .collect();
    let mut said: Vec<String> =
        refused.iter().map(|(name, _, how)| format!("{name} {how}")).collect();
    said.extend(unwanted.iter().map(|(name, _, how)| format!("{name} {how}")));
    if said.is_empty() {
        let found = format!("{filter}; all that are needed are allowed");
        return Check::works("system calls", found).affecting(IMAGES);
    }
    let found = format!("{filter}; {}", said.join(", "));
    let help = "allow these in the container's seccomp profile (Docker's default one does)";
    if refused.is_empty() {
        let losses: Vec<&str> = unwanted.iter().map(|(_, loss, _)| *loss).collect();
        let check = Check::limited("system calls", found).so(losses.join("; ")).help(help);
        return check.affecting(&[Part::Run]);
    }
    let hit = |part| refused.iter().any(|(_, parts, _)| parts.contains(&part));
    let parts: Vec<Part> = IMAGES.iter().copied().filter(|&part| hit(part)).collect();
    let consequence =
        if hit(Part::Run) { "programs start plainly" } else { "no image can be made here" };
    Check::fails("system calls", found).so(consequence).help(help).affecting(&parts)
}

fn written() -> Check {
    match Call::ExecuteWritten.attempt() {
        Ok(()) => Check::works("memory", "written memory can be made executable").affecting(IMAGES),
        Err(refusal) => Check::fails("memory", format!("written memory as code: {refusal}"))
            .so("programs start plainly: a thaw redirects the kernel's functions")
            .help("allow `execmem` (SELinux), or drop MemoryDenyWriteExecute= (systemd)")
            .affecting(IMAGES),
    }
}

fn inspection() -> Check {
    match attempts::look_into_child() {
        Ok(()) => Check::works("inspection", "memory and page map of a child can be read")
            .affecting(&[Part::Freeze]),
        Err(error) => Check::fails("inspection", error.to_string())
            .so("no image can be made here")
            .help("mount /proc, and set kernel.yama.ptrace_scope to 1 or 0; or freeze elsewhere")
            .affecting(&[Part::Freeze]),
    }
}

fn rights() -> Check {
    let user = rustix::process::geteuid();
    let capabilities = privilege::capabilities()[0].bits().count_ones();
    let flag = match confinement::status("NoNewPrivs").as_deref() {
        Some("1") => ", no new privileges",
        _ => "",
    };
    let found = format!("user {user}, {capabilities} capabilities{flag}");
    match privilege::obstacle() {
        None => Check::works("rights", found).affecting(IMAGES),
        Some(obstacle) => Check::fails("rights", found)
            .so(format!("programs start plainly: {obstacle}"))
            .help("start it as an ordinary user, or as root throughout")
            .affecting(IMAGES),
    }
}
