//! Thaws a new image once, with an empty program, before anybody else does.
//!
//! An image that does not thaw on the machine that made it is never used. The process stops itself when its program has ended; the page
//! map then tells which pages of the image it has written to. Those are populated before the jump of every later start, which is
//! cheaper than a page fault each.

use super::Recipe;
use crate::runtime::Runtime;
use glowplug_image::{HotRange, params};
use glowplug_linux::Process;
use glowplug_linux::process::PAGE;
use rustix::fs::MemfdFlags;
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

/// Thaws `image`, runs nothing, and returns what was written to; `Err` says in words what went wrong.
pub fn rehearse(
    recipe: &Recipe,
    runtime: &Runtime,
    variables: &[(OsString, OsString)],
    image: &File,
) -> Result<Vec<HotRange>, String> {
    // In memory: what a program prints is not to be written to a disk.
    let output = rustix::fs::memfd_create("glowplug-output", MemfdFlags::CLOEXEC);
    let mut output = File::from(output.map_err(|error| error.to_string())?);
    let mut child = start(recipe, runtime, variables, image, &output).map_err(|e| e.to_string())?;
    let hot = watch(&mut child);
    let _ = child.kill();
    let _ = child.wait();
    hot.map_err(|what| {
        let mut said = String::new();
        let _ = output.rewind().and_then(|()| output.read_to_string(&mut said));
        format!("{what}: {}", said.trim())
    })
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
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output.try_clone()?);
    let child = command.spawn();
    rustix::io::fcntl_setfd(image, FdFlags::CLOEXEC)?;
    child
}

/// Waits until the process stops itself, and reads its page map.
fn watch(child: &mut Child) -> Result<Vec<HotRange>, String> {
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
    written_pages(Process::new(child.id())).map_err(|error| error.to_string())
}

fn written_pages(process: Process) -> std::io::Result<Vec<HotRange>> {
    let mut hot: Vec<HotRange> = Vec::new();
    for mapping in process.mappings()?.iter().filter(|m| m.write && m.is_file() && !m.shared) {
        let pages = process.pages(mapping.start, mapping.end)?;
        for (page, addr) in pages.into_iter().zip((mapping.start..).step_by(PAGE as usize)) {
            if !page.is_present() || page.is_of_file() {
                continue;
            }
            match hot.last_mut() {
                Some(last)
                    if last.addr >= mapping.start
                        && addr - (last.addr + last.len) <= GAP * PAGE =>
                {
                    last.len = addr + PAGE - last.addr;
                }
                _ => hot.push(HotRange { addr, len: PAGE }),
            }
        }
    }
    Ok(hot)
}
