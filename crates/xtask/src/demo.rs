//! `cargo xtask demo`: what somebody sees who has just got the sources.

use std::{
    env, fs,
    path::PathBuf,
    process::{Command, Output},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    bench::median,
    venv::{Venv, python_command},
    workspace,
};

const ROUNDS: usize = 10;
/// Freezing takes a second or two; a machine that needs longer than this has another problem.
const PATIENCE: Duration = Duration::from_secs(120);

/// Installs Glowplug and the example, then shows a plain, a first and a thawed start side by side.
///
/// # Errors
/// Something needed is missing, a start fails, or no start is thawed in time.
pub fn task(mut args: lexopt::Parser) -> Result<()> {
    if let Some(argument) = args.next()? {
        return Err(argument.unexpected().into());
    }
    let root = workspace::root();
    let example = root.join("examples/data_script");
    step("making .venv");
    let python = env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let venv = Venv::ensure(&python, &root.join(".venv"))?;
    step("building Glowplug and installing it into .venv (some minutes the first time)");
    venv.install(&["--force-reinstall", "--no-deps", &root.to_string_lossy()])?;
    step("installing pandas and scikit-learn");
    venv.install(&["--requirement", &example.join("requirements.txt").to_string_lossy()])?;
    Demo::new(&venv, example.join("fit_groupby.py"))?.show()
}

struct Demo {
    python: PathBuf,
    glowplug: PathBuf,
    script: PathBuf,
    cache: PathBuf,
}

impl Demo {
    /// A demo with an empty cache of its own: its first start is a first start each time it is shown.
    fn new(venv: &Venv, script: PathBuf) -> Result<Self> {
        let cache = workspace::target_dir().join("demo/cache");
        if cache.exists() {
            fs::remove_dir_all(&cache).context("cannot empty the cache of the demo")?;
        }
        fs::create_dir_all(cache.parent().expect("it lies in the target folder"))?;
        let (python, glowplug) = (venv.program("python"), venv.program("glowplug"));
        Ok(Self { python, glowplug, script, cache })
    }

    fn show(&self) -> Result<()> {
        step("running examples/data_script/fit_groupby.py");
        // Fills the page cache and writes the bytecode, so that no side is charged with either.
        let (_, expected) = time(&mut self.plain())?;
        let (first, output) = time(&mut self.glowplug())?;
        ensure!(output.stdout == expected.stdout, "the first start printed something else");
        self.wait_for_image()?;

        let (mut plain, mut thawed) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            plain.push(time(&mut self.plain())?.0);
            let (ms, output) = time(&mut self.glowplug())?;
            ensure!(output.stdout == expected.stdout, "a thawed start printed something else");
            thawed.push(ms);
        }
        print!("\n{}\n", String::from_utf8_lossy(&expected.stdout));
        print!("{}", table(first, median(&plain), median(&thawed)));
        Ok(())
    }

    fn plain(&self) -> Command {
        let mut command = python_command(&self.python);
        command.arg(&self.script);
        command
    }

    fn glowplug(&self) -> Command {
        let mut command = python_command(&self.glowplug);
        command.env("GLOWPLUG_CACHE_DIR", &self.cache);
        command.args(["run", "--explain", "--python"]).arg(&self.python).arg(&self.script);
        command
    }

    /// Starts until one is thawed; `--explain` says of each how it was started. A plain start takes its own time, so
    /// that this is no busy loop.
    fn wait_for_image(&self) -> Result<()> {
        let begin = Instant::now();
        loop {
            let (_, output) = time(&mut self.glowplug())?;
            let explanation = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            if explanation.contains("glowplug: thawed") {
                return Ok(());
            }
            if begin.elapsed() > PATIENCE {
                bail!(
                    "no start was thawed in {} s; the last said: {explanation}",
                    PATIENCE.as_secs()
                );
            }
        }
    }
}

fn step(text: &str) {
    println!("=> {text}");
}

fn time(command: &mut Command) -> Result<(f64, Output)> {
    let start = Instant::now();
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    let ms = start.elapsed().as_secs_f64() * 1000.0;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed ({}):\n{errors}", output.status);
    Ok((ms, output))
}

fn table(first: f64, plain: f64, thawed: f64) -> String {
    let row = |name: &str, ms: f64, note: &str| format!("{name:28} {ms:>9.1} ms   {note}\n");
    [
        row("python script", plain, &format!("median of {ROUNDS}")),
        row("glowplug run, first start", first, "recorded; an image is made in the background"),
        row("glowplug run, thawed", thawed, &format!("median of {ROUNDS}")),
        format!("\n{:.0} times faster\n", plain / thawed),
    ]
    .concat()
}
