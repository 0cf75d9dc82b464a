//! The modules of the distributions that a file of requirements names.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The modules of all distributions that a file names, without duplicates. One that is not installed stands for a module of its own name.
///
/// # Errors
/// Where the file cannot be read.
pub fn modules(file: &Path, site_folders: &[PathBuf]) -> io::Result<BTreeSet<String>> {
    let text = fs::read_to_string(file)?;
    let distributions = text.lines().filter_map(distribution);
    Ok(distributions.flat_map(|name| modules_of(&name, site_folders)).collect())
}

/// The folders in which an interpreter has its distributions: those of its virtual environment, of its prefix, and Debian's.
pub fn site_folders(interpreter: &Path, base_prefix: &Path, minor: u32) -> Vec<PathBuf> {
    let environment = interpreter.parent().and_then(Path::parent);
    let prefixes = environment.into_iter().chain([base_prefix, Path::new("/usr/local")]);
    let version = format!("python3.{minor}");
    prefixes
        .flat_map(|prefix| {
            let lib = prefix.join("lib");
            [
                lib.join(&version).join("site-packages"),
                lib.join(&version).join("dist-packages"),
                lib.join("python3/dist-packages"),
            ]
        })
        .filter(|folder| folder.is_dir())
        .collect()
}

/// The distribution that a line of a file of requirements names, normalised; options, paths and addresses name none.
fn distribution(line: &str) -> Option<String> {
    let line = line.trim_start();
    let end = line
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')))
        .unwrap_or(line.len());
    let name = &line[..end];
    let is_name = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !matches!(line[end..].chars().next(), Some('/' | ':'));
    is_name.then(|| normalised(name))
}

/// As in the name of a `.dist-info` folder: <https://packaging.python.org/en/latest/specifications/name-normalization/>, with `_`.
fn normalised(name: &str) -> String {
    let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("_").to_ascii_lowercase()
}

fn modules_of(distribution: &str, site_folders: &[PathBuf]) -> Vec<String> {
    let record = site_folders.iter().find_map(|folder| record_of(distribution, folder));
    match record {
        Some(record) => {
            let modules: BTreeSet<_> = record.lines().filter_map(top_level).collect();
            modules.into_iter().collect()
        }
        None => vec![distribution.to_owned()],
    }
}

/// The list of a distribution's files.
fn record_of(distribution: &str, folder: &Path) -> Option<String> {
    fs::read_dir(folder).ok()?.flatten().find_map(|entry| {
        let name = entry.file_name();
        let (stem, _version) = name.to_str()?.strip_suffix(".dist-info")?.split_once('-')?;
        (normalised(stem) == distribution)
            .then(|| fs::read_to_string(entry.path().join("RECORD")).ok())?
    })
}

/// The module that a file of a distribution belongs to.
fn top_level(line: &str) -> Option<String> {
    let path = line.split(',').next()?;
    let name = match path.split_once('/') {
        Some((folder, _)) => folder,
        None if path.ends_with(".py") || path.ends_with(".so") => path.split('.').next()?,
        None => return None,
    };
    let is_identifier = name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    (is_identifier && name != "__pycache__").then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_name_distributions() {
        let named = |line| distribution(line);
        assert_eq!(named("PyYAML==6.0 ; python_version > '3'").as_deref(), Some("pyyaml"));
        assert_eq!(named("  ruamel.yaml[jinja2]>=1").as_deref(), Some("ruamel_yaml"));
        assert_eq!(named("google-cloud_storage").as_deref(), Some("google_cloud_storage"));
        for line in ["", "# a comment", "-r other.txt", "./wheel.whl", "https://a/b.whl"] {
            assert_eq!(named(line), None, "{line}");
        }
    }

    #[test]
    fn modules_are_those_that_were_installed() {
        let folder = tempfile::tempdir().unwrap();
        let info = folder.path().join("PyYAML-6.0.dist-info");
        fs::create_dir(&info).unwrap();
        let record = "PyYAML-6.0.dist-info/RECORD,,\n_yaml/__init__.py,a,1\nyaml/__init__.py,b,2\n\
                      one.cpython-311-x86_64-linux-gnu.so,c,3\n../../../bin/tool,d,4\n__pycache__/one.pyc,,\n";
        fs::write(info.join("RECORD"), record).unwrap();
        let file = folder.path().join("requirements.txt");
        fs::write(&file, "pyyaml\nnot-installed\n").unwrap();
        let found = modules(&file, &[folder.path().to_owned()]).unwrap();
        let found: Vec<_> = found.iter().map(String::as_str).collect();
        assert_eq!(found, ["_yaml", "not_installed", "one", "yaml"]);
    }
}
