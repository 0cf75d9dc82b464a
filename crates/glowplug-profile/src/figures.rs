//! Figures as people read them; the same in the terminal and on the page.

/// A time, as `12.3 ms`.
pub fn time(ns: u64) -> String {
    let ms = ns as f64 / 1e6;
    match ns {
        0 => "0".to_owned(),
        1_000_000_000.. => format!("{:.2} s", ms / 1e3),
        100_000_000.. => format!("{ms:.0} ms"),
        1_000_000.. => format!("{ms:.1} ms"),
        10_000.. => format!("{ms:.2} ms"),
        _ => format!("{:.1} µs", ms * 1e3),
    }
}

/// A size, as `1.5 MiB`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", bytes as f64 / *unit as f64),
        None => format!("{bytes} B"),
    }
}

/// A part of a whole, as `12%`; nothing where there is no whole.
pub fn share(part: u64, whole: u64) -> Option<String> {
    let percent = (whole > 0).then(|| 100.0 * part as f64 / whole as f64)?;
    Some(if percent >= 10.0 { format!("{percent:.0}%") } else { format!("{percent:.1}%") })
}

/// A number and the noun that it counts, as `1 module`, `2 modules`, `3 entries`.
pub fn counted(number: u64, noun: &str) -> String {
    let number_text = grouped(number);
    match noun.strip_suffix('y') {
        _ if number == 1 => format!("{number_text} {noun}"),
        Some(stem) => format!("{number_text} {stem}ies"),
        None => format!("{number_text} {noun}s"),
    }
}

/// A number with a comma before each three digits.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A text in which characters that would not be seen, or that would change how the rest is seen, are shown by their number.
pub fn visible(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    text.chars()
        .map(|c| if hidden(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_three_digits() {
        let shown = [0, 5_100, 45_000, 3_210_000, 120_400_000, 2_345_000_000].map(time);
        assert_eq!(shown, ["0", "5.1 µs", "0.04 ms", "3.2 ms", "120 ms", "2.35 s"]);
    }

    #[test]
    fn sizes_shares_and_counts() {
        assert_eq!([0, 1023, 1536, 3 << 20].map(bytes), ["0 B", "1023 B", "1.5 KiB", "3.0 MiB"]);
        assert_eq!(share(1, 0), None);
        assert_eq!(share(1, 3).as_deref(), Some("33%"));
        assert_eq!(counted(1, "module"), "1 module");
        assert_eq!(counted(1_234_567, "module"), "1,234,567 modules");
    }

    #[test]
    fn what_cannot_be_seen_is_spelled_out() {
        assert_eq!(visible("a\u{1b}[31m\u{202e}b"), "a\\u001b[31m\\u202eb");
    }
}
