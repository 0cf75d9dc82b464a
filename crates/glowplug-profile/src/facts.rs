//! What a source says about its imports, read by somebody else: this crate opens no files.

use std::collections::HashMap;

/// Where a module uses the names that one of its import statements binds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameUse {
    /// Nowhere, and it does not offer them to others by `__all__` or by being a package.
    Nowhere,
    /// In annotations alone.
    Annotations,
    /// In functions alone; how many, and the first one's name.
    Functions(usize, String),
    /// While it is loaded.
    AtLoad,
}

/// An import statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportFact {
    /// Its first line, from 1.
    pub line: u32,
    /// Where what it binds is used.
    pub used: NameUse,
}

/// The import statements of sources, by file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    files: HashMap<String, Vec<ImportFact>>,
}

impl Facts {
    /// Adds a file.
    pub fn add(&mut self, file: &str, imports: Vec<ImportFact>) {
        self.files.insert(file.to_owned(), imports);
    }

    /// What is known of the statement on a line.
    pub fn of(&self, file: &str, line: u32) -> Option<&ImportFact> {
        self.files.get(file)?.iter().find(|fact| fact.line == line)
    }
}
