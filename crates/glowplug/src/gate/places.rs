//! Paths of sources as people know them: those of the checkout, relative to its folder.

use std::path::Path;

/// Folders of a repository that packages may lie in.
const SOURCES: [&str; 4] = ["", "src", "python", "lib"];

/// The path of a file in a checkout: of one below its folder, and of one that was installed from it. `None` where a file is neither.
pub fn in_checkout(file: &str, folder: &Path) -> Option<String> {
    if let Ok(inside) = Path::new(file).strip_prefix(folder) {
        return Some(inside.to_string_lossy().into_owned());
    }
    let module = installed_module(file)?;
    let mut candidates = SOURCES.iter().map(|source| Path::new(source).join(module));
    let found = candidates.find(|path| folder.join(path).is_file())?;
    Some(found.to_string_lossy().into_owned())
}

/// The part of an installed file's path behind the folder of packages: `app/x.py` of `…/site-packages/app/x.py`.
pub fn installed_module(file: &str) -> Option<&str> {
    file.rsplit_once("site-packages/").map(|(_, module)| module)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn files_are_those_of_the_checkout() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("src/app")).unwrap();
        fs::write(folder.path().join("src/app/x.py"), "").unwrap();
        let inside = folder.path().join("run.py").to_string_lossy().into_owned();
        assert_eq!(in_checkout(&inside, folder.path()).as_deref(), Some("run.py"));
        let installed = "/e/lib/python3.11/site-packages/app/x.py";
        assert_eq!(in_checkout(installed, folder.path()).as_deref(), Some("src/app/x.py"));
        let foreign = "/e/lib/python3.11/site-packages/other.py";
        assert_eq!(in_checkout(foreign, folder.path()), None);
        assert_eq!(in_checkout("/usr/lib/python3.11/json/__init__.py", folder.path()), None);
    }
}
