//! Errors about passages of files, shown as rustc shows them.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::path::Path;

/// What is wrong with a passage of a file.
#[derive(Debug)]
pub struct Passage<'a> {
    /// The file.
    pub path: &'a Path,
    /// What stands in it.
    pub text: Cow<'a, str>,
    /// The bytes that it is about; what lies behind the end of the text is left out.
    pub span: Range<usize>,
    /// What is wrong, in one sentence.
    pub message: Cow<'a, str>,
    /// What to do.
    pub help: Cow<'a, str>,
}

impl Passage<'_> {
    fn render(&self) -> String {
        let path = self.path.to_string_lossy();
        let end = self.span.end.min(self.text.len());
        let snippet = Snippet::source(self.text.as_ref())
            .path(path.as_ref())
            .annotation(AnnotationKind::Primary.span(self.span.start.min(end)..end));
        let group = Level::ERROR
            .primary_title(self.message.as_ref())
            .element(snippet)
            .element(Level::HELP.message(self.help.as_ref()));
        Renderer::plain().decor_style(DecorStyle::Ascii).render(&[group]).to_string()
    }
}

/// Writes errors one below the other; without the leading `error: `, which whoever reports them adds.
///
/// # Errors
/// Where `f` cannot be written to.
pub fn write_errors<'a>(
    f: &mut fmt::Formatter<'_>,
    passages: impl Iterator<Item = Passage<'a>>,
) -> fmt::Result {
    for (index, passage) in passages.enumerate() {
        let shown = passage.render();
        let shown = if index == 0 { shown.trim_start_matches("error: ") } else { &shown };
        let separator = if index == 0 { "" } else { "\n\n" };
        write!(f, "{separator}{shown}")?;
    }
    Ok(())
}
