//! What to preload for a program: its leading imports, as far as a recorded start shows them loaded.
//!
//! The leading imports are those that nothing precedes which could change what they do: see [`leading`]. The record decides between
//! the branches that the source leaves open.

mod loaded;
mod select;
mod syntax;

pub use loaded::{Loaded, ModuleTarget, module_target};
pub use select::{Preload, select};
pub use syntax::{leading, names_used};

/// One module that a leading statement imports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportStatement {
    /// The dotted name; empty in `from . import x`.
    pub module: String,
    /// The names behind `from … import`, `*` among them; empty for a plain `import`.
    pub names: Vec<String>,
    /// Number of leading dots of a relative import.
    pub level: u32,
    /// Line of the statement, from 1.
    pub line: u32,
    /// Stands in a branch or a `try`: the program goes on without it.
    pub optional: bool,
}

/// The leading part of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leading {
    /// The imports, in the order of the source.
    pub statements: Vec<ImportStatement>,
    /// Bytes from the start of the file to the end of the line on which the last leading import ends; at least the first two
    /// lines, which may name the encoding. The whole file where it cannot be parsed.
    pub prefix_len: u64,
    /// Line and reason of the first statement that is not leading; `None` where all are.
    pub stopped_at: Option<(u32, &'static str)>,
}
