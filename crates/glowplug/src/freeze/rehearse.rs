//! Thaws a new image once, with an empty program, before anybody else does.
//!
//! An image that does not thaw on the machine that made it is never used. The process stops itself when its program has ended; the page
//! map then tells which pages of the image it has touched. Those that it has written to are populated before the jump of every later
//! start, which is cheaper than a page fault each; all of them are read ahead where the image is not in memory yet.

use super::Recipe;
use crate::runtime::Runtime;
use glowplug_image::{HotRange, params};
use glowplug_linux::Process;
use glowplug_linux::descendants;
use glowplug_linux::process::PAGE;
use rustix::fs::{Advice, MemfdFlags};
use rustix::io::FdFlags;
use rustix::process::{Pid, WaitOptions};
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// Hot pages that are this close to each other become one range, pages.
const GAP: u64 = 2;

/// Warm pages that are this close to each other become one range, pages: a disk reads what lies between in less time than it takes to
/// be asked twice.
const WARM_GAP: u64 = 8;

/// What a rehearsed start touched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Written to.
    pub hot: Vec<HotRange>,
    /// Read or written to.
    pub warm: Vec<HotRange>,
}

/// Thaws `image`, runs nothing, and returns what was touched; `Err` says in words what went wrong.
pub fn rehearse(
    recipe: &Recipe,
    runtime: &Runtime,
    variables: &[(OsString, OsString)],
    image: &File,
) -> Result<Touched, String> {
    forget(image);
    // In memory: what a program prints is not to be written to a disk.
    let output = rustix::fs::memfd_create("glowplug-output", MemfdFlags::CLOEXEC);
    let mut output = File::from(output.map_err(|error| error.to_string())?);
    let mut child = start(recipe, runtime, variables, image, &output).map_err(|e| e.to_string())?;
    let touched = watch(&mut child);
    let _ = child.kill();
    let _ = child.wait();
    touched.map_err(|what| {
        let mut said = String::new();
        let _ = output.rewind().and_then(|()| output.read_to_string(&mut said));
        format!("{what}: {}", said.trim())
    })
}

/// Has the kernel forget the contents of a new image, and read each page of it by itself when it is touched: it would otherwise map
/// what lies around it as well, and every page of a new file is still in memory. Where it cannot, more pages seem to be touched.
fn forget(image: &File) {
    let _ = image.sync_data();
    let _ = rustix::fs::fadvise(image, 0, None, Advice::DontNeed);
    let _ = rustix::fs::fadvise(image, 0, None, Advice::Random);
}

fn start(
    recipe: &Recipe,
    runtime: &Runtime,
    variables: &[(OsString, OsString)],
    image: &File,
    output: &File,
) -> std::io::Result<Child> {
    rustix::io::fcntl_setfd(image, FdFlags::empty())?;
    let parameters = params::Params {
        tries: 0,
        image_fd: image.as_raw_fd() as u64,
        target_kind: params::TARGET_COMMAND,
        target_index: recipe.options.len() as u64 + 2,
        flags: params::FLAG_REHEARSAL | params::FLAG_FORCED,
        start_ns: 0,
        python: b"",
    };
    let mut parameter = parameters.to_string().into_bytes();
    parameter.extend_from_slice(recipe.interpreter.as_os_str().as_bytes());
    let mut command = Command::new(runtime.restorer());
    command.arg0(&recipe.interpreter);
    command.args(recipe.options.iter().map(|o| OsString::from_vec(o.as_bytes().to_vec())));
    command.args(["-c", "pass"]).env_clear();
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    let (name, value) = parameter.split_at(params::NAME.len());
    let name = OsString::from_vec(name[..name.len() - 1].to_vec());
    command.env(name, OsString::from_vec(value.to_vec()));
    // The process stops itself; without a freezer it would stand still for ever.
    descendants::set_apart(&mut command);
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output.try_clone()?);
    let child = command.spawn();
    rustix::io::fcntl_setfd(image, FdFlags::CLOEXEC)?;
    child
}

/// Waits until the process stops itself, and reads its page map.
fn watch(child: &mut Child) -> Result<Touched, String> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or("no process id")?;
    let status = rustix::process::waitpid(Some(pid), WaitOptions::UNTRACED)
        .map_err(|error| error.to_string())?;
    let stopped = status.is_some_and(|(_, status)| status.stopped());
    if !stopped {
        return Err(match status {
            Some((_, status)) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => format!("it ended with status {code}"),
                (_, Some(signal)) => format!("it died by signal {signal}"),
                _ => "it ended".to_owned(),
            },
            None => "it vanished".to_owned(),
        });
    }
    touched_pages(Process::new(child.id())).map_err(|error| error.to_string())
}

fn touched_pages(process: Process) -> std::io::Result<Touched> {
    let mut touched = Touched::default();
    for mapping in process.mappings()?.iter().filter(|m| m.is_file() && !m.shared) {
        let pages = process.pages(mapping.start, mapping.end)?;
        for (page, addr) in pages.into_iter().zip((mapping.start..).step_by(PAGE as usize)) {
            if page.is_present() {
                add(&mut touched.warm, addr, mapping.start, WARM_GAP);
                if mapping.write && !page.is_of_file() {
                    add(&mut touched.hot, addr, mapping.start, GAP);
                }
            }
        }
    }
    Ok(touched)
}

/// Adds a page behind all others: to the last range of its mapping where that ends at most `gap` pages before it.
fn add(ranges: &mut Vec<HotRange>, addr: u64, mapping: u64, gap: u64) {
    match ranges.last_mut() {
        Some(last) if last.addr >= mapping && addr - (last.addr + last.len) <= gap * PAGE => {
            last.len = addr + PAGE - last.addr;
        }
        _ => ranges.push(HotRange { addr, len: PAGE }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_pages_of_one_mapping_become_one_range() {
        let mut ranges = Vec::new();
        for (page, mapping) in [(0, 0), (1, 0), (4, 0), (8, 0), (9, 9)] {
            add(&mut ranges, page * PAGE, mapping * PAGE, GAP);
        }
        let pages: Vec<_> = ranges.iter().map(|r| (r.addr / PAGE, r.len / PAGE)).collect();
        assert_eq!(pages, [(0, 5), (8, 1), (9, 1)]);
    }
}
