//! The table of results in README.md.

use std::{collections::BTreeSet, fmt::Write as _, fs};

use anyhow::{Context, Result, bail};

use super::{cases::Quantity, record::Record, statistics::Ratio};
use crate::workspace;

const BEGIN: &str = "<!-- bench:begin -->";
const END: &str = "<!-- bench:end -->";

/// Replaces what stands between the markers of README.md by the table of `records`, or with `check` only compares.
///
/// # Errors
/// README.md cannot be read or written, has no markers, or is out of date.
pub fn update_readme(records: &[Record], check: bool) -> Result<()> {
    let path = workspace::root().join("README.md");
    let name = path.display();
    let old = fs::read_to_string(&path).with_context(|| format!("cannot read {name}"))?;
    let new = replace(&old, &table(records))?;
    if new == old {
        return Ok(());
    }
    if check {
        bail!(
            "the table in README.md is not that of benches/results; run `cargo xtask bench-table`"
        );
    }
    fs::write(&path, new).with_context(|| format!("cannot write {name}"))
}

fn replace(text: &str, table: &str) -> Result<String> {
    let parts =
        text.split_once(BEGIN).and_then(|(head, rest)| Some((head, rest.split_once(END)?.1)));
    let Some((head, tail)) = parts else { bail!("README.md has no {BEGIN} … {END}") };
    Ok(format!("{head}{BEGIN}\n{table}{END}{tail}"))
}

fn table(records: &[Record]) -> String {
    if records.is_empty() {
        return "No results yet: `make bench` measures them.\n".into();
    }
    let mut text = String::from("| | Glowplug | compared with | |\n|---|---|---|---|\n");
    for record in records {
        for other in record.sides.iter().skip(1) {
            row(&mut text, record, other);
        }
    }
    let machines: BTreeSet<String> = records.iter().map(machine).collect();
    let machines: Vec<_> = machines.into_iter().collect();
    let _ = writeln!(
        text,
        "\nMedians, the sides interleaved in one run ({}); in brackets the 95% interval of the ratio. \
         Commands and raw samples are in [benches/results](benches/results).",
        machines.join("; ")
    );
    text
}

fn row(text: &mut String, record: &Record, other: &str) {
    let quantity = record.quantity;
    let show =
        |side: &str| record.median(side, quantity).map_or("–".into(), |v| quantity.show(v));
    let gain = record.ratio(other, quantity).map_or("–".into(), |ratio| gain(quantity, ratio));
    let first = record.sides.first().map_or("–".into(), |side| show(side));
    let _ = writeln!(text, "| {} | {first} | {other}: {} | {gain} |", record.title, show(other));
}

/// "2.6 times faster (2.5–2.7)", or "1.02 times slower".
fn gain(quantity: Quantity, ratio: Ratio) -> String {
    let (better, worse) = match quantity {
        Quantity::Wall => ("faster", "slower"),
        Quantity::Cpu => ("less CPU time", "more CPU time"),
        Quantity::Pss => ("less memory", "more memory"),
    };
    let (word, value, low, high) = if ratio.value <= 1.0 {
        (better, 1.0 / ratio.value, 1.0 / ratio.high, 1.0 / ratio.low)
    } else {
        (worse, ratio.value, ratio.low, ratio.high)
    };
    format!("**{} times** {word} ({}–{})", digits(value), digits(low), digits(high))
}

/// Three digits, as nothing measured here is surer than that.
fn digits(value: f64) -> String {
    match value {
        v if v < 10.0 => format!("{v:.2}"),
        v if v < 100.0 => format!("{v:.1}"),
        v => format!("{v:.0}"),
    }
}

fn machine(record: &Record) -> String {
    let machine = &record.machine;
    format!("{} × {}, Linux {}, {}", machine.cpus, machine.cpu, machine.kernel, machine.system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_markers_changes() {
        let text = format!("head\n{BEGIN}\nold\n{END}\ntail\n");
        assert_eq!(replace(&text, "new\n").unwrap(), format!("head\n{BEGIN}\nnew\n{END}\ntail\n"));
        assert!(replace("no markers", "new").is_err());
    }

    #[test]
    fn a_gain_turns_its_interval_around() {
        let ratio = Ratio { value: 0.01, low: 0.008, high: 0.02 };
        assert_eq!(gain(Quantity::Wall, ratio), "**100 times** faster (50.0–125)");
        let ratio = Ratio { value: 1.02, low: 0.99, high: 1.05 };
        assert_eq!(gain(Quantity::Cpu, ratio), "**1.02 times** more CPU time (0.99–1.05)");
    }
}
