//! `glowplug thaw`: starts a program from an image file that was made on purpose.

use crate::cache::OpenImage;
use crate::commandline;
use crate::launch::thaw::{self, Thaw};
use crate::meta::Meta;
use crate::runtime::Runtime;
use crate::settings::{Environment, Layer, Via};
use crate::{exit, explain, inputs, launch, privilege};
use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Why the image is not used.
enum Obstacle {
    /// The program can be started plainly instead.
    Plain(String),
    /// There is nothing to start: not even which interpreter is known.
    Fatal(String),
}

/// Runs the arguments behind `glowplug thaw`. Returns only on failure: the exit status.
pub fn run(arguments: &[&CStr], environment: &Environment) -> u8 {
    let start_ns = thaw::monotonic_ns();
    let (file, rest) = match arguments {
        [file, rest @ ..] if !file.to_bytes().starts_with(b"-") => (*file, rest),
        _ => {
            explain::error("which image?\nhelp: glowplug thaw FILE [python options] SCRIPT");
            return exit::USAGE;
        }
    };
    let rest = match rest {
        [dashes, rest @ ..] if dashes.to_bytes() == b"--" => rest,
        rest => rest,
    };
    let mut given: Vec<CString> = Vec::new();
    let path = Path::new(OsStr::from_bytes(file.to_bytes()));
    let image = match open(path) {
        Ok(image) => image,
        Err(error) => {
            explain::error(format_args!("cannot thaw {}: {error}", path.display()));
            return exit::IMAGE;
        }
    };
    let meta = Meta::of(image.meta());
    given.extend(meta.options.iter().filter_map(|option| CString::new(option.as_bytes()).ok()));
    let all: Vec<&CStr> = given.iter().map(CString::as_c_str).chain(rest.iter().copied()).collect();
    let command = match commandline::parse(&all) {
        Ok(command) => command,
        Err(error) => {
            explain::error(error);
            return exit::USAGE;
        }
    };
    let forced = command.options.via == Some(Via::Thaw);
    let python = command.options.python.map(PathBuf::from);
    let Some(interpreter) = python.or_else(|| meta.python.as_ref().map(PathBuf::from)) else {
        explain::error(format_args!(
            "cannot thaw {}: the image does not say which interpreter it is of",
            path.display()
        ));
        return exit::IMAGE;
    };
    let obstacle = match fits(&image, &command, &meta, environment) {
        Ok(runtime) => {
            let thaw = Thaw {
                restorer: &runtime.restorer(),
                interpreter: &interpreter,
                command: &command,
                environment,
                explain: command.options.explain,
                forced,
                start_ns,
            };
            Obstacle::Plain(thaw.execute(image.into_file()).to_string())
        }
        Err(obstacle) => obstacle,
    };
    let reason = match obstacle {
        Obstacle::Plain(reason) if !forced => {
            if command.options.explain {
                explain::plain(&reason);
            }
            return launch::plain(&interpreter, &command.python_argv, environment, &[]);
        }
        Obstacle::Plain(reason) | Obstacle::Fatal(reason) => reason,
    };
    explain::error(format_args!("cannot thaw {}: {reason}", path.display()));
    exit::FORCED
}

/// Whether the image's inputs need not be compared.
fn is_sealed(command: &commandline::CommandLine<'_>, environment: &Environment) -> bool {
    let variable = || Layer::of_environment(environment).ok().and_then(|layer| layer.sealed);
    command.options.sealed || variable().unwrap_or(false)
}

fn open(path: &Path) -> Result<OpenImage, String> {
    let image = OpenImage::open(path).map_err(|error| error.to_string())?;
    if image.head().is_refusal() {
        return Err("it only says why a program may not be frozen".to_owned());
    }
    Ok(image)
}

fn fits(
    image: &OpenImage,
    command: &commandline::CommandLine<'_>,
    meta: &Meta,
    environment: &Environment,
) -> Result<Runtime, Obstacle> {
    let plain = |reason: String| Obstacle::Plain(reason);
    if command.python_options.len() > meta.options.len() {
        return Err(plain("the image was made with other options of python".to_owned()));
    }
    let terminal = || std::io::IsTerminal::is_terminal(&std::io::stdin());
    if let Some(obstacle) = command.thaw_obstacle(environment, terminal) {
        return Err(plain(obstacle.to_string()));
    }
    image.read_ahead();
    if let Some(obstacle) = privilege::obstacle() {
        return Err(plain(obstacle.to_owned()));
    }
    if !is_sealed(command, environment) {
        inputs::check(image.head(), image.bytes()).map_err(|changed| plain(changed.to_string()))?;
    }
    if let Some(misfit) = thaw::misfit(image.head()) {
        return Err(plain(misfit.to_owned()));
    }
    if thaw::needs_a_taken_descriptor(image.head()) {
        return Err(plain(thaw::TAKEN_DESCRIPTOR.to_owned()));
    }
    Runtime::find(environment)
        .ok_or_else(|| Obstacle::Fatal("Glowplug's restorer is not there".to_owned()))
}
