//! `glowplug thaw`: starts a program from an image file that was made on purpose.

use crate::cache::{OpenImage, Unusable};
use crate::commandline;
use crate::commands::run::{self, Reason};
use crate::interpreter::Interpreter;
use crate::key;
use crate::launch::thaw::{self, Thaw};
use crate::meta::Meta;
use crate::runtime::Runtime;
use crate::settings::{Environment, Layer, Via};
use crate::{exit, explain, inputs, launch, privilege, service, start};
use std::ffi::{CStr, CString, NulError, OsStr};
use std::fs::File;
use std::io::{IsTerminal, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Why the image is not used.
enum Obstacle {
    /// The program can be started plainly instead.
    Plain(String),
    /// The machine is not what the image needs: it can have an image of its own.
    Machine(String),
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
        Err(unusable) => return without_image(path, &unusable, rest, environment),
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
                notice: true,
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
        Obstacle::Machine(reason) if !forced => {
            let Ok(python) = CString::new(interpreter.path.as_os_str().as_bytes()) else {
                return exit::NOT_FOUND;
            };
            let words = [&[c"--python", python.as_c_str()], all.as_slice()].concat();
            return run::in_place_of(path, &reason, &words, environment);
        }
        Obstacle::Plain(reason) | Obstacle::Machine(reason) | Obstacle::Fatal(reason) => reason,
    };
    explain::error(format_args!("cannot thaw {}: {reason}", path.display()));
    exit::FORCED
}

/// Whether a file begins as every image does.
fn has_magic(path: &Path) -> bool {
    let mut magic = glowplug_image::MAGIC.map(|_| 0);
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    read.is_ok() && magic == glowplug_image::MAGIC
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

fn open(path: &Path) -> Result<OpenImage, Unusable> {
    let image = OpenImage::open(path)?;
    // Such an image is in the cache alone, for one program.
    if image.head().is_refusal() { Err(Unusable::OtherKey) } else { Ok(image) }
}

/// Starts a service whose image is there and cannot be used, as after an upgrade of Glowplug: plainly, and says so. What is no image at
/// all is a mistake in the command. Returns only on failure: the exit status.
fn without_image(
    path: &Path,
    unusable: &Unusable,
    given: &[&CStr],
    environment: &Environment,
) -> u8 {
    let (own, command) = given.split_at(commandline::own_options(given));
    let is_forced = commandline::parse(own).is_ok_and(|own| own.options.via == Some(Via::Thaw));
    let is_image = match unusable {
        Unusable::Missing | Unusable::NotAFile | Unusable::OtherKey => false,
        // As in a container that does not run as the user who built it.
        Unusable::Unreadable(_) => true,
        _ => has_magic(path),
    };
    let named = command.strip_prefix(&[c"--"]).unwrap_or(command);
    let words = service::python_arguments(named, Path::new(""), environment);
    match words {
        Ok(words) if is_image && !is_forced => {
            if let Some(program) = service::on_path(named, environment) {
                explain::warning(run::notice(path, unusable));
                return launch::command(&program, named, environment);
            }
            let words: Vec<&CStr> =
                own.iter().copied().chain(words.iter().map(CString::as_c_str)).collect();
            run::in_place_of(path, unusable, &words, environment)
        }
        _ => {
            explain::error(format_args!("cannot thaw {}: {unusable}", path.display()));
            exit::IMAGE
        }
    }
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
    let terminal = || std::io::stdin().is_terminal();
    if let Some(obstacle) = command.thaw_obstacle(environment, terminal) {
        return Err(plain(obstacle.to_string()));
    }
    let names = meta.env_names.iter().map(String::as_bytes);
    if names.clone().any(|name| name == key::TERMINALS) && has_terminal() {
        return Err(plain("a standard stream is a terminal, and its imports asked".to_owned()));
    }
    if let Some(word) = key::word_among(names.clone(), &command.python_argv) {
        return Err(plain(Reason::of_word(word).to_string()));
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
    let caches = image.read_ahead();
    if let Some(obstacle) = privilege::obstacle() {
        return Err(plain(obstacle.to_owned()));
    }
    if !is_sealed(command, environment) {
        inputs::check(image.head(), image.bytes(), caches)
            .map_err(|changed| plain(changed.to_string()))?;
    }
    if let Some(misfit) = thaw::misfit(image.head()) {
        return Err(Obstacle::Machine(misfit.to_owned()));
    }
    if thaw::needs_a_taken_descriptor(image.head()) {
        return Err(plain(thaw::TAKEN_DESCRIPTOR.to_owned()));
    }
    Runtime::find(environment)
        .ok_or_else(|| Obstacle::Fatal("Glowplug's restorer is not there".to_owned()))
}

/// Whether a standard stream is a terminal.
fn has_terminal() -> bool {
    let streams = [std::io::stdin().is_terminal(), std::io::stdout().is_terminal()];
    streams.contains(&true) || std::io::stderr().is_terminal()
}
