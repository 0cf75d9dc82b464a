//! Profiles in the formats of other viewers.

mod chrome;
mod collapsed;
mod speedscope;
mod timeline;

pub use chrome::chrome_trace;
pub use collapsed::collapsed;
pub use speedscope::speedscope;

#[cfg(test)]
mod tests;
