//! The report as a screen of text: a line per thing, and below it what to know where it does not just work.

use super::{Report, State};
use std::fmt::Write;

/// Where the text of a check begins, columns.
const INDENT: usize = 32;
/// The width of the screen, columns.
const WIDTH: usize = 80;

/// The text.
pub fn text(report: &Report) -> String {
    let mut text = String::new();
    for check in &report.checks {
        let head = format!("{:13}  {:15}  ", check.state.name(), check.name);
        paragraph(&mut text, &head, &check.found);
        if check.state != State::Works {
            let next = check.help.as_ref().map(|help| format!("help: {help}"));
            for line in [check.consequence.clone(), next].into_iter().flatten() {
                paragraph(&mut text, "", &line);
            }
        }
    }
    let _ = writeln!(text);
    let whole: Vec<&str> = report
        .parts
        .iter()
        .filter(|summary| summary.state == State::Works)
        .map(|summary| summary.part.name())
        .collect();
    if !whole.is_empty() {
        let _ = writeln!(text, "{:13}  {}", State::Works.name(), whole.join(", "));
    }
    for summary in report.parts.iter().filter(|summary| summary.state != State::Works) {
        let head = format!("{:13}  {:15}  ", summary.state.name(), summary.part.name());
        paragraph(&mut text, &head, &format!("see {}", summary.because.join(", ")));
    }
    text
}

/// Writes words in lines as wide as the screen, the first one behind `head`.
fn paragraph(text: &mut String, head: &str, words: &str) {
    let mut line = format!("{head:INDENT$}");
    let mut used = line.chars().count();
    let mut is_first = true;
    for word in words.split_whitespace() {
        let length = word.chars().count();
        if !is_first && used + 1 + length > WIDTH {
            let _ = writeln!(text, "{}", line.trim_end());
            line = " ".repeat(INDENT);
            used = INDENT;
            is_first = true;
        }
        if !is_first {
            line.push(' ');
            used += 1;
        }
        line.push_str(word);
        used += length;
        is_first = false;
    }
    let _ = writeln!(text, "{}", line.trim_end());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_no_wider_than_the_screen_unless_a_word_is() {
        let mut text = String::new();
        paragraph(&mut text, "works  cache  ", &"word ".repeat(40));
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert_eq!(text.split_whitespace().count(), 42);
        assert!(text.lines().skip(1).all(|line| line.starts_with(&" ".repeat(INDENT))), "{text}");
    }
}
