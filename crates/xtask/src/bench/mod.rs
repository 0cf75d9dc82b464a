//! `cargo xtask bench`: whole processes, the sides of a case interleaved in one run.

mod cases;
mod machine;
mod measure;
mod memory;
mod record;
mod statistics;
mod table;

use anyhow::{Context, Result, ensure};
use lexopt::prelude::*;

pub use self::statistics::median;
use self::{cases::Case, record::Record};

/// Measures the cases that are asked for, or all.
///
/// # Errors
/// A wrong option or case, or a command that fails; a case that was measured is kept all the same.
pub fn task(mut args: lexopt::Parser) -> Result<()> {
    let (mut wanted, mut samples, mut list) = (Vec::new(), None, false);
    while let Some(argument) = args.next()? {
        match argument {
            Long("samples") => samples = Some(args.value()?.parse::<usize>()?),
            Long("list") => list = true,
            Value(name) => wanted.push(name.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    let cases = select(cases::read()?, &wanted)?;
    for case in &cases {
        if list {
            println!("{:24} {}", case.name, case.title);
        } else {
            let record = measure::case(case, samples.unwrap_or(case.samples))
                .with_context(|| format!("case {}", case.name))?;
            println!("{}", record.report());
            record.write()?;
        }
    }
    Ok(())
}

/// Writes the table of all results into README.md, or checks that it is there.
///
/// # Errors
/// A wrong option, results that cannot be read, a README without the markers, or one that `--check` finds out of date.
pub fn table_task(mut args: lexopt::Parser) -> Result<()> {
    let mut check = false;
    while let Some(argument) = args.next()? {
        match argument {
            Long("check") => check = true,
            other => return Err(other.unexpected().into()),
        }
    }
    let records = Record::read_all(&cases::read()?)?;
    table::update_readme(&records, check)
}

fn select(cases: Vec<Case>, wanted: &[String]) -> Result<Vec<Case>> {
    for name in wanted {
        ensure!(
            cases.iter().any(|case| case.name == *name),
            "benches/cases.toml has no case {name:?}; `cargo xtask bench --list` names them"
        );
    }
    let all = wanted.is_empty();
    Ok(cases.into_iter().filter(|case| all || wanted.contains(&case.name)).collect())
}
