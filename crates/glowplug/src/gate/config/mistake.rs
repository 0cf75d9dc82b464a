//! What is wrong with a configuration, shown with file, line and key.

use crate::passage::{self, Passage};
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

/// The text of a configuration, and where it lies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The file.
    pub path: PathBuf,
    /// What stands in it.
    pub text: String,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// What is wrong, in one sentence.
    pub message: String,
    /// The bytes of the file that it is about.
    pub span: Range<usize>,
    /// What to do.
    pub help: String,
}

/// A configuration that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadConfig {
    /// The configuration.
    pub source: Source,
    /// All that is wrong with it; at least one.
    pub mistakes: Vec<Mistake>,
}

impl BadConfig {
    /// One mistake.
    pub fn one(source: &Source, span: Range<usize>, message: String, help: String) -> BadConfig {
        BadConfig { source: source.clone(), mistakes: vec![Mistake { message, span, help }] }
    }
}

impl std::error::Error for BadConfig {}

impl fmt::Display for BadConfig {
    /// As rustc would; without the leading `error: `, which whoever reports it adds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let passages = self.mistakes.iter().map(|mistake| Passage {
            path: &self.source.path,
            text: self.source.text.as_str().into(),
            span: mistake.span.clone(),
            message: mistake.message.as_str().into(),
            help: mistake.help.as_str().into(),
        });
        passage::write_errors(f, passages)
    }
}
