//! Runs a case and takes the figures of each process.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsStr,
    fs,
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::{
    resource::{Usage, UsageWho, getrusage},
    time::TimeVal,
};

use super::{
    cases::{Argv, Case, Measure, Side, work_dir},
    machine, memory,
    record::{Record, Sample},
};

/// What a command may know of the surroundings; everything else, PYTHON* and Cargo's variables above all, is kept from
/// it, so that a result does not depend on who measured.
const INHERITED: [&str; 5] = ["PATH", "HOME", "USER", "LANG", "TMPDIR"];

/// Runs the setup and the warm-up of a case, then its sides in turn, `samples` times.
///
/// # Errors
/// A command cannot be started or fails, or the sides do not print the same.
pub fn case(case: &Case, samples: usize) -> Result<Record> {
    ensure!(samples > 0, "no samples are asked for");
    let bench = Bench { case };
    fs::create_dir_all(work_dir(&case.name)).context("cannot make the folder of the case")?;
    for command in &case.setup {
        bench.set_up(command)?;
    }
    let taken = bench.take(samples);
    for command in &case.finish {
        bench.run(command)?;
    }
    Ok(Record::new(case, taken?, machine::describe()))
}

struct Bench<'a> {
    case: &'a Case,
}

impl Bench<'_> {
    /// All samples, by the name of their side.
    fn take(&self, samples: usize) -> Result<BTreeMap<String, Vec<Sample>>> {
        for command in &self.case.prepare {
            self.run(command)?;
        }
        self.compare_outputs()?;
        for _ in 0..self.case.warm_up {
            self.round()?;
        }
        let mut taken: BTreeMap<String, Vec<Sample>> = BTreeMap::new();
        for _ in 0..samples {
            for (side, sample) in self.case.sides.iter().zip(self.round()?) {
                taken.entry(side.name.clone()).or_default().push(sample);
            }
        }
        Ok(taken)
    }

    /// One sample of each side, in their order.
    fn round(&self) -> Result<Vec<Sample>> {
        self.case.sides.iter().map(|side| self.sample(side)).collect()
    }

    fn sample(&self, side: &Side) -> Result<Sample> {
        self.around(side, || match self.case.measure {
            Measure::Time => self.time(&side.argv),
            Measure::Memory => {
                let pss_kib = memory::pss_each(|| self.command(&side.argv), self.case.copies)
                    .with_context(|| side.argv.join(" "))?;
                Ok(Sample::Memory { pss_kib })
            }
        })
    }

    fn around<T>(&self, side: &Side, measured: impl FnOnce() -> Result<T>) -> Result<T> {
        for command in &side.before {
            self.run(command)?;
        }
        let result = measured()?;
        for command in &side.after {
            self.run(command)?;
        }
        Ok(result)
    }

    /// The process is the only child that ends between the two looks at the children's usage, so that their difference
    /// is its usage and that of the descendants that it waited for: what wait4 reports.
    fn time(&self, argv: &Argv) -> Result<Sample> {
        let mut command = self.command(argv);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let before = getrusage(UsageWho::RUSAGE_CHILDREN)?;
        let start = Instant::now();
        let status = command.status().with_context(|| format!("cannot start {}", argv[0]))?;
        let wall = start.elapsed();
        let after = getrusage(UsageWho::RUSAGE_CHILDREN)?;
        ensure!(status.success(), "`{}` failed while it was measured ({status})", argv.join(" "));
        Ok(Sample::Time {
            wall_ms: to_microseconds(wall.as_secs_f64() * 1000.0),
            cpu_ms: to_microseconds(cpu_ms(&after) - cpu_ms(&before)),
        })
    }

    /// A side that is fast because it does something else must not pass.
    fn compare_outputs(&self) -> Result<()> {
        let mut first: Option<(&Side, Vec<u8>)> = None;
        let timed = self.case.measure == Measure::Time;
        for side in self.case.sides.iter().filter(|side| timed && side.same_output) {
            let output = self.around(side, || self.run(&side.argv))?;
            match &first {
                None => first = Some((side, output)),
                Some((_, expected)) if *expected == output => {}
                Some((other, expected)) => bail!(
                    "{} and {} print different things:\n--- {}\n{}\n--- {}\n{}",
                    other.name,
                    side.name,
                    other.name,
                    String::from_utf8_lossy(expected),
                    side.name,
                    String::from_utf8_lossy(&output)
                ),
            }
        }
        Ok(())
    }

    /// Runs a command that is not measured and returns its standard output.
    fn run(&self, argv: &Argv) -> Result<Vec<u8>> {
        output_of(self.command(argv), argv)
    }

    /// Runs a command that may download or build something, and so needs the caller's proxies, indexes and the like.
    fn set_up(&self, argv: &Argv) -> Result<Vec<u8>> {
        let mut command = self.command(argv);
        command.envs(env::vars_os().filter(|(name, _)| !is_python_setting(name)));
        output_of(command, argv)
    }

    fn command(&self, argv: &Argv) -> Command {
        let mut command = Command::new(&argv[0]);
        command.args(&argv[1..]).stdin(Stdio::null()).current_dir(work_dir(&self.case.name));
        command.env_clear().envs(environment(self.case));
        command
    }
}

fn output_of(mut command: Command, argv: &Argv) -> Result<Vec<u8>> {
    let line = argv.join(" ");
    let output = command.output().with_context(|| format!("cannot start {line}"))?;
    ensure!(
        output.status.success(),
        "`{line}` failed ({}):\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim_end()
    );
    Ok(output.stdout)
}

fn is_python_setting(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"PYTHON")
}

/// The whole environment of a case's commands.
pub fn environment(case: &Case) -> BTreeMap<String, String> {
    let inherited =
        INHERITED.iter().filter_map(|name| Some(((*name).into(), env::var(name).ok()?)));
    let own = case.env.iter().map(|(name, value)| (name.clone(), value.clone()));
    inherited.chain(own).collect()
}

/// Neither clock is better than that, and the files of results stay readable.
fn to_microseconds(ms: f64) -> f64 {
    (ms * 1000.0).round() / 1000.0
}

fn cpu_ms(usage: &Usage) -> f64 {
    let ms = |time: TimeVal| time.tv_sec() as f64 * 1000.0 + time.tv_usec() as f64 / 1000.0;
    ms(usage.user_time()) + ms(usage.system_time())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::cases::Quantity;

    fn side(name: &str, script: &str) -> Side {
        let argv = ["sh", "-c", script].map(String::from).to_vec();
        let as_written = argv.clone();
        Side {
            name: name.into(),
            argv,
            as_written,
            bar: None,
            same_output: true,
            before: Vec::new(),
            after: Vec::new(),
        }
    }

    fn two(name: &str, first: &str, second: &str) -> Case {
        Case {
            name: name.into(),
            title: name.into(),
            measure: Measure::Time,
            bar_on: Quantity::Wall,
            samples: 3,
            warm_up: 0,
            copies: 2,
            setup: Vec::new(),
            prepare: Vec::new(),
            finish: Vec::new(),
            env: BTreeMap::new(),
            sides: vec![side("first", first), side("second", second)],
        }
    }

    #[test]
    fn cpu_of_grandchildren_counts() {
        let spin = "sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'";
        let record = case(&two("test-grandchildren", spin, ":"), 2).unwrap();
        let median = |side| record.median(side, Quantity::Cpu).unwrap();
        assert!(median("first") > 10.0 * median("second"), "{}", record.report());
    }

    #[test]
    fn sides_that_print_different_things_are_not_compared() {
        let error = case(&two("test-output", "echo 1", "echo 2"), 1).unwrap_err();
        assert!(error.to_string().contains("print different things"), "{error}");
    }

    #[test]
    fn a_failing_command_is_an_error_and_python_settings_do_not_reach_it() {
        let error = case(&two("test-failure", ":", "exit 3"), 1).unwrap_err();
        assert!(error.to_string().contains("exit status: 3"), "{error}");
        let names = environment(&two("test-environment", ":", ":"));
        assert!(names.keys().all(|name| INHERITED.contains(&name.as_str())), "{names:?}");
    }

    #[test]
    fn memory_is_taken_of_each_process_while_all_run() {
        let mut memory = two("test-memory", "echo ready; cat", "echo ready; cat; :");
        memory.measure = Measure::Memory;
        let record = case(&memory, 1).unwrap();
        assert!(record.median("first", Quantity::Pss).unwrap() > 0.0);
    }
}
