//! Reads tables of a configuration key by key, and collects what is wrong with them instead of stopping at the first mistake.

use super::mistake::Mistake;
use std::cell::RefCell;
use std::ops::Range;
use toml_edit::{Item, TableLike};

/// A table, all of whose keys have to be known.
pub struct Reader<'a> {
    table: &'a dyn TableLike,
    /// Its dotted name.
    pub name: String,
    /// Where it stands.
    pub span: Range<usize>,
    mistakes: &'a RefCell<Vec<Mistake>>,
}

impl<'a> Reader<'a> {
    /// Reads a table.
    pub fn new(
        table: &'a dyn TableLike,
        name: String,
        span: Range<usize>,
        mistakes: &'a RefCell<Vec<Mistake>>,
    ) -> Reader<'a> {
        Reader { table, name, span, mistakes }
    }

    /// Notes a mistake.
    pub fn wrong(&self, span: Range<usize>, message: String, help: String) {
        self.mistakes.borrow_mut().push(Mistake { message, span, help });
    }

    /// Where the value of a key stands; the whole table where there is no such key.
    pub fn span_of(&self, key: &str) -> Range<usize> {
        self.table.get(key).and_then(Item::span).unwrap_or_else(|| self.span.clone())
    }

    /// Notes each key that is not among those that are known, with the one that may have been meant.
    pub fn only(&self, known: &[&str]) {
        for (key, item) in self.table.iter().filter(|(key, _)| !known.contains(key)) {
            let of_key = self.table.get_key_value(key).and_then(|(key, _)| key.span());
            let span = of_key.or_else(|| item.span()).unwrap_or_else(|| self.span.clone());
            let near = known.iter().map(|one| (strsim::damerau_levenshtein(key, one), one)).min();
            let help = match near {
                Some((distance, one)) if distance <= 3 => format!("did you mean `{one}`?"),
                _ => format!("the keys are {}", known.join(", ")),
            };
            self.wrong(span, format!("unknown key `{key}` in `{}`", self.name), help);
        }
    }

    /// All keys.
    pub fn keys(&self) -> Vec<&'a str> {
        self.table.iter().map(|(key, _)| key).collect()
    }

    /// The table of a key.
    pub fn table(&self, key: &str) -> Option<Reader<'a>> {
        let item = self.table.get(key)?;
        let name = format!("{}.{key}", self.name);
        let span = self.table.get_key_value(key).and_then(|(key, _)| key.span());
        let span = item.span().or(span).unwrap_or_else(|| self.span.clone());
        match item.as_table_like() {
            Some(table) => Some(Reader { table, name, span, mistakes: self.mistakes }),
            None => {
                self.wrong(span, format!("`{name}` is not a table"), format!("write `[{name}]`"));
                None
            }
        }
    }

    /// Whether the value of a key is a table.
    pub fn is_table(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(|item| item.as_table_like().is_some())
    }

    /// A value that `read` understands; what `expected` says is told where it does not.
    pub fn value<T>(
        &self,
        key: &str,
        expected: &str,
        read: impl FnOnce(&Item) -> Option<T>,
    ) -> Option<T> {
        let item = self.table.get(key)?;
        let value = read(item);
        if value.is_none() {
            let message = format!("`{}.{key}` is not {expected}", self.name);
            self.wrong(self.span_of(key), message, format!("write {expected}"));
        }
        value
    }

    /// A text.
    pub fn text(&self, key: &str) -> Option<String> {
        self.value(key, "a text in quotes", |item| {
            item.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
        })
    }

    /// A number that may have a fraction, within bounds.
    pub fn number(
        &self,
        key: &str,
        expected: &str,
        bounds: std::ops::RangeInclusive<f64>,
    ) -> Option<f64> {
        self.value(key, expected, |item| {
            let whole = || item.as_integer().map(|whole| whole as f64);
            item.as_float().or_else(whole).filter(|number| bounds.contains(number))
        })
    }

    /// A list of texts, or one alone.
    pub fn texts(&self, key: &str) -> Option<Vec<String>> {
        self.value(key, "a text or a list of texts", texts)
    }

    /// A command line: a list, or a text that is split at spaces.
    pub fn words(&self, key: &str) -> Option<Vec<String>> {
        let words = self.value(key, "a command line, as a text or a list of texts", |item| {
            let split = |text: &str| text.split_whitespace().map(str::to_owned).collect();
            item.as_str().map(split).or_else(|| texts(item))
        })?;
        if words.is_empty() {
            let message = format!("`{}.{key}` names nothing", self.name);
            self.wrong(self.span_of(key), message, "name what is to be started".to_owned());
            return None;
        }
        Some(words)
    }
}

fn texts(item: &Item) -> Option<Vec<String>> {
    if let Some(one) = item.as_str() {
        return Some(vec![one.to_owned()]);
    }
    item.as_array()?.iter().map(|value| value.as_str().map(str::to_owned)).collect()
}
