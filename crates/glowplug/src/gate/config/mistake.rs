//! What is wrong with a configuration, shown with file, line and key.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
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
        let renderer = Renderer::plain().decor_style(DecorStyle::Ascii);
        let path = self.source.path.to_string_lossy();
        let text = &self.source.text;
        for (index, mistake) in self.mistakes.iter().enumerate() {
            let end = mistake.span.end.min(text.len());
            let snippet = Snippet::source(text.as_str())
                .path(path.as_ref())
                .annotation(AnnotationKind::Primary.span(mistake.span.start.min(end)..end));
            let group = Level::ERROR
                .primary_title(mistake.message.as_str())
                .element(snippet)
                .element(Level::HELP.message(mistake.help.as_str()));
            let shown = renderer.render(&[group]).to_string();
            let shown = if index == 0 { shown.trim_start_matches("error: ") } else { &shown };
            let separator = if index == 0 { "" } else { "\n\n" };
            write!(f, "{separator}{shown}")?;
        }
        Ok(())
    }
}
