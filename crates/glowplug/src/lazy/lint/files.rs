//! Which files are checked, and what they are called as modules.

use ignore::WalkBuilder;
use std::path::{Path, PathBuf};

/// A Python source to check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path, as it was named.
    pub path: PathBuf,
    /// The dotted name under which it is imported, by the `__init__.py` files above it; `None` for names that cannot be imported.
    pub module: Option<String>,
    /// Whether it is an `__init__.py`.
    pub is_package: bool,
}

/// The Python sources at and below some paths, in order: files that were named whatever they are called, and in folders all
/// `*.py` but those that git ignores, hidden ones and virtual environments.
///
/// # Errors
/// A path that is not there or cannot be read.
pub fn python_files(paths: &[PathBuf]) -> Result<Vec<SourceFile>, ignore::Error> {
    let Some((first, rest)) = paths.split_first() else { return Ok(Vec::new()) };
    let mut builder = WalkBuilder::new(first);
    for path in rest {
        builder.add(path);
    }
    builder.require_git(false).sort_by_file_path(Path::cmp);
    builder.filter_entry(|entry| !entry.path().join("pyvenv.cfg").is_file());
    let mut files = Vec::new();
    for entry in builder.build() {
        let entry = entry?;
        let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
        let is_python = entry.path().extension().is_some_and(|extension| extension == "py");
        if is_file && (is_python || entry.depth() == 0) {
            files.push(SourceFile::new(entry.into_path()));
        }
    }
    Ok(files)
}

impl SourceFile {
    /// The source at a path.
    pub fn new(path: PathBuf) -> SourceFile {
        let is_package = path.file_name().is_some_and(|name| name == "__init__.py");
        let module = module_name(&path, is_package);
        SourceFile { path, module, is_package }
    }
}

fn module_name(path: &Path, is_package: bool) -> Option<String> {
    let path = std::path::absolute(path).ok()?;
    let mut parts = Vec::new();
    if !is_package {
        parts.push(path.file_stem()?.to_str()?.to_owned());
    }
    let mut folder = path.parent()?;
    while folder.join("__init__.py").is_file() {
        parts.push(folder.file_name()?.to_str()?.to_owned());
        folder = folder.parent()?;
    }
    parts.reverse();
    let importable = !parts.is_empty() && parts.iter().all(|part| !part.contains(['.', '-', ' ']));
    importable.then(|| parts.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn folders_are_searched_without_what_is_not_the_projects() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for path in [
            "app/__init__.py",
            "app/core/__init__.py",
            "app/core/model.py",
            "tool.py",
            "read.me",
            ".hidden/x.py",
            "env/pyvenv.cfg",
            "env/lib/y.py",
            "skipped/z.py",
            "script",
        ] {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), "").unwrap();
        }
        fs::write(root.join(".gitignore"), "skipped/\n").unwrap();
        let found = python_files(&[root.to_owned(), root.join("script")]).unwrap();
        let seen: Vec<_> = found
            .iter()
            .map(|file| {
                let path = file.path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                (path, file.module.clone().unwrap_or_default())
            })
            .collect();
        let expected = [
            ("app/__init__.py", "app"),
            ("app/core/__init__.py", "app.core"),
            ("app/core/model.py", "app.core.model"),
            ("tool.py", "tool"),
            ("script", "script"),
        ];
        assert_eq!(seen, expected.map(|(path, module)| (path.to_owned(), module.to_owned())));
    }

    #[test]
    fn a_path_that_is_not_there_is_an_error() {
        assert!(python_files(&["/nowhere/at/all".into()]).is_err());
    }
}
