//! Which modules a recorded start loaded, told from the files that it opened.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

/// The modules of a recorded start.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// By the last part of the name, the folders in which a module of that name was loaded.
    modules: HashMap<OsString, Vec<PathBuf>>,
    /// Folders that are packages.
    packages: HashSet<PathBuf>,
    builtin: HashSet<String>,
}

impl Loaded {
    /// Takes the paths that were opened, and the names of modules that have no file (`sys.builtin_module_names` and the frozen
    /// ones).
    pub fn new<'a>(
        opened: impl IntoIterator<Item = &'a Path>,
        builtin: impl IntoIterator<Item = String>,
    ) -> Loaded {
        let mut loaded = Loaded { builtin: builtin.into_iter().collect(), ..Loaded::default() };
        for path in opened {
            let Some(module) = module_path(path) else { continue };
            let module = match module.file_name() {
                Some(name) if name == "__init__" => {
                    let Some(package) = module.parent() else { continue };
                    loaded.packages.insert(package.to_path_buf());
                    package.to_path_buf()
                }
                _ => module,
            };
            if let (Some(folder), Some(name)) = (module.parent(), module.file_name()) {
                let folders = loaded.modules.entry(name.to_os_string()).or_default();
                if !folders.iter().any(|known| known == folder) {
                    folders.push(folder.to_path_buf());
                }
            }
        }
        loaded
    }

    /// Whether the module with this dotted name was loaded.
    ///
    /// The first part of a name must not lie in a package: `pandas/_libs/json.so` is no `json`.
    pub fn contains(&self, module: &str) -> bool {
        if self.builtin.contains(module) {
            return true;
        }
        let (parents, name) = module.rsplit_once('.').unwrap_or(("", module));
        let Some(folders) = self.modules.get(OsStr::new(name)) else { return false };
        folders.iter().any(|folder| {
            let mut root = folder.as_path();
            for part in parents.rsplit('.').filter(|part| !part.is_empty()) {
                match (root.file_name(), root.parent()) {
                    (Some(name), Some(above)) if name == part => root = above,
                    _ => return false,
                }
            }
            !self.packages.contains(root)
        })
    }
}

/// The path of a module without what Python adds to its name, or `None` for a file that is no module.
fn module_path(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let folder = path.parent()?;
    let stem = name.split('.').next().filter(|stem| !stem.is_empty())?;
    if name.ends_with(".so") {
        return Some(folder.join(stem));
    }
    if name.ends_with(".py") {
        return Some(folder.join(name.strip_suffix(".py")?));
    }
    let compiled = name.strip_suffix(".pyc")?;
    match folder.file_name() {
        Some(cache) if cache == "__pycache__" => Some(folder.parent()?.join(stem)),
        // Kept under a prefix, it bears a tag; without a source, it does not.
        _ if compiled.contains('.') => Some(folder.join(stem)),
        _ => Some(folder.join(compiled)),
    }
}

/// What `python -m` runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleTarget {
    /// The source that becomes `__main__`.
    pub file: PathBuf,
    /// Its `__package__`, which relative imports start from; empty for a module outside packages.
    pub package: String,
}

/// The file that `-m module` ran in a recorded start: `…/module/__main__.py`, else `…/module.py`, found by itself or by its bytecode.
pub fn module_target<'a>(
    module: &str,
    opened: impl IntoIterator<Item = &'a Path>,
) -> Option<ModuleTarget> {
    let as_folders: PathBuf = module.split('.').collect();
    let as_package = as_folders.join("__main__");
    let mut alone = None;
    for path in opened {
        let Some(found) = module_path(path) else { continue };
        let mut file = found.clone().into_os_string();
        file.push(".py");
        let file = PathBuf::from(file);
        if ends_with(&found, &as_package) && file.is_file() {
            return Some(ModuleTarget { file, package: module.to_owned() });
        }
        if alone.is_none() && ends_with(&found, &as_folders) && file.is_file() {
            let package = module.rsplit_once('.').map_or("", |(package, _)| package);
            alone = Some(ModuleTarget { file, package: package.to_owned() });
        }
    }
    alone
}

/// [`Path::ends_with`], with at least one folder before the end.
fn ends_with(path: &Path, end: &Path) -> bool {
    path.ends_with(end) && end.components().all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(paths: &[&str]) -> Loaded {
        Loaded::new(paths.iter().map(Path::new), ["sys".to_owned()])
    }

    #[test]
    fn every_kind_of_file_tells_its_module() {
        let loaded = loaded(&[
            "/lib/json/__pycache__/__init__.cpython-311.pyc",
            "/lib/json/__pycache__/decoder.cpython-311.opt-1.pyc",
            "/lib/plain.py",
            "/lib/bare.pyc",
            "/lib/pkg/__init__.py",
            "/lib/pkg/ext.cpython-311-x86_64-linux-gnu.so",
            "/lib/stable.abi3.so",
        ]);
        for name in ["sys", "json", "json.decoder", "plain", "bare", "pkg", "pkg.ext", "stable"] {
            assert!(loaded.contains(name), "{name}");
        }
        for name in ["decoder", "ext", "lib", "json.encoder", "os", "", ".", "json."] {
            assert!(!loaded.contains(name), "{name}");
        }
    }

    #[test]
    fn a_submodule_does_not_stand_for_a_module_of_its_name() {
        let paths =
            ["/s/pandas/__init__.py", "/s/pandas/_libs/__init__.py", "/s/pandas/_libs/json.so"];
        assert!(!loaded(&paths).contains("json"));
        assert!(loaded(&paths).contains("pandas._libs.json"));
    }

    #[test]
    fn module_targets_are_found_by_their_bytecode() {
        let dir = tempfile::tempdir().unwrap();
        let pkg = dir.path().join("pkg");
        std::fs::create_dir(&pkg).unwrap();
        for name in ["__init__.py", "__main__.py", "tool.py"] {
            std::fs::write(pkg.join(name), "").unwrap();
        }
        let opened = [
            pkg.join("__pycache__/__init__.cpython-311.pyc"),
            pkg.join("__main__.py"),
            pkg.join("__pycache__/tool.cpython-311.pyc"),
        ];
        let target = |name| module_target(name, opened.iter().map(PathBuf::as_path));
        let main = target("pkg").unwrap();
        assert_eq!((main.file, main.package.as_str()), (pkg.join("__main__.py"), "pkg"));
        let tool = target("pkg.tool").unwrap();
        assert_eq!((tool.file, tool.package.as_str()), (pkg.join("tool.py"), "pkg"));
        assert_eq!(target("pkg.other"), None);
    }
}
