//! `glowplug thaw`: starts a program from an image file that was made on purpose.

use crate::cache::OpenImage;
use crate::commandline;
use crate::commands::run::Reason;
use crate::interpreter::Interpreter;
use crate::key;
use crate::launch::thaw::{self, Thaw};
use crate::meta::Meta;
use crate::runtime::Runtime;
use crate::settings::{Environment, Layer, Via};
use crate::{exit, explain, inputs, launch, privilege, service, start};
use std::ffi::{CStr, CString, NulError, OsStr};
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
    let path = Path::new(OsStr::from_bytes(file.to_bytes()));
    let image = match open(path) {
        Ok(image) => image,
        Err(error) => {
            explain::error(format_args!("cannot thaw {}: {error}", path.display()));
            return exit::IMAGE;
        }
    };
    let meta = Meta::of(image.meta());
    let given = match words(&meta, rest, environment) {
        Ok(words) => words,
        Err(error) => {
            explain::error(error);
            return exit::USAGE;
        }
    };
    let all: Vec<&CStr> = given.iter().map(CString::as_c_str).collect();
    let command = match commandline::parse(&all) {
        Ok(command) => command,
        Err(error) => {
            explain::error(error);
            return exit::USAGE;
        }
    };
    let forced = command.options.via == Some(Via::Thaw);
    let python = command.options.python.map(PathBuf::from);
    let python = python.or_else(|| meta.python.as_ref().map(PathBuf::from));
    let Some(interpreter) = python.map(Interpreter::of_program) else {
        explain::error(format_args!(
            "cannot thaw {}: the image does not say which interpreter it is of",
            path.display()
        ));
        return exit::IMAGE;
    };
    let obstacle = match fits(&image, &command, &meta, environment) {
        Ok(runtime) => {
            if command.options.explain {
                meta.apart.iter().for_each(|kept| explain::apart(&kept.module, &kept.cause));
            }
            let thaw = Thaw {
                restorer: &runtime.restorer(),
                interpreter: &interpreter,
                name: None,
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
            return launch::plain(&interpreter, None, &command.python_argv, environment, &[]);
        }
        Obstacle::Plain(reason) | Obstacle::Fatal(reason) => reason,
    };
    explain::error(format_args!("cannot thaw {}: {reason}", path.display()));
    exit::FORCED
}

/// The image's options, Glowplug's own among what is given, and python's arguments for the command behind them.
fn words(
    meta: &Meta,
    given: &[&CStr],
    environment: &Environment,
) -> Result<Vec<CString>, NulError> {
    let options = meta.options.iter().map(|option| CString::new(option.as_bytes()));
    let mut words = options.collect::<Result<Vec<_>, _>>()?;
    let (own, mut command) = given.split_at(commandline::own_options(given));
    if let [dashes, rest @ ..] = command
        && dashes.to_bytes() == b"--"
    {
        command = rest;
    }
    words.extend(own.iter().map(|&word| word.to_owned()));
    let interpreter = Path::new(meta.python.as_deref().unwrap_or_default());
    words.extend(service::python_arguments(command, interpreter, environment)?);
    Ok(words)
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
    let names = meta.env_names.iter().map(String::as_bytes);
    if let Some(word) = key::word_among(names.clone(), &command.python_argv) {
        return Err(plain(Reason::Word(String::from_utf8_lossy(word).into_owned()).to_string()));
    }
    if meta.values.as_deref() != Some(&key::of_values(names, environment).hex()) {
        return Err(plain("environment variables that its imports read have changed".to_owned()));
    }
    let minor = meta.minor().unwrap_or_default();
    if start::packages_of_user(minor, environment).is_some_and(|folder| folder.is_dir())
        && !meta.env_names.iter().any(|name| name == "HOME")
    {
        return Err(plain(
            "the user has packages of its own, which it was made without".to_owned(),
        ));
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
