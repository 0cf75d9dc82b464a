//! From leading imports to the modules that are preloaded.

use super::{ImportStatement, Leading};

/// A module to preload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preload {
    /// Its absolute dotted name.
    pub module: String,
    /// The program goes on where it cannot be imported.
    pub optional: bool,
    /// Line of the program that imports it.
    pub line: u32,
}

/// The modules that the leading imports of a program load, in their order and each once.
///
/// `loaded` tells, by module and line, what the recorded start had loaded; all else stays out, such as the branch that was not taken. `package` is the
/// package that relative imports start from, for a program that is run with `-m`.
pub fn select(
    leading: &Leading,
    package: Option<&str>,
    loaded: impl Fn(&str, u32) -> bool,
) -> Vec<Preload> {
    let mut chosen: Vec<Preload> = Vec::new();
    for statement in &leading.statements {
        let Some(module) = absolute(statement, package) else { continue };
        let parts = statement.names.iter().filter(|name| *name != "*");
        let submodules = parts.map(|name| format!("{module}.{name}"));
        for module in std::iter::once(module.clone()).chain(submodules) {
            if !chosen.iter().any(|known| known.module == module) && loaded(&module, statement.line)
            {
                let ImportStatement { optional, line, .. } = *statement;
                chosen.push(Preload { module, optional, line });
            }
        }
    }
    chosen
}

/// The absolute name of the module, or `None` for a relative import that leaves its package.
fn absolute(statement: &ImportStatement, package: Option<&str>) -> Option<String> {
    let Some(up) = statement.level.checked_sub(1) else { return Some(statement.module.clone()) };
    let mut base = package.filter(|package| !package.is_empty())?;
    for _ in 0..up {
        base = base.rsplit_once('.')?.0;
    }
    let dot = if statement.module.is_empty() { "" } else { "." };
    Some(format!("{base}{dot}{}", statement.module))
}

#[cfg(test)]
mod tests {
    use super::super::leading;
    use super::*;

    fn names(source: &str, package: Option<&str>, loaded: &[&str]) -> Vec<String> {
        let chosen = select(&leading(source.as_bytes()), package, |name, _| loaded.contains(&name));
        chosen.into_iter().map(|preload| preload.module).collect()
    }

    #[test]
    fn only_what_was_loaded_is_preloaded() {
        let source = "try:\n    import ujson as json\nexcept ImportError:\n    import json\n";
        assert_eq!(names(source, None, &["json"]), ["json"]);
        assert_eq!(names(source, None, &["ujson"]), ["ujson"]);
    }

    #[test]
    fn names_of_a_package_may_be_submodules() {
        let source =
            "from sklearn import linear_model, svm, show_versions\nfrom os import *\nimport os";
        let loaded = ["sklearn", "sklearn.linear_model", "os"];
        assert_eq!(names(source, None, &loaded), ["sklearn", "sklearn.linear_model", "os"]);
    }

    #[test]
    fn relative_imports_start_from_the_package() {
        let source = "from . import a\nfrom .b import c\nfrom .. import d\nfrom ... import e\n";
        let loaded = ["p.q", "p.q.a", "p.q.b", "p", "p.d", "e"];
        assert_eq!(names(source, Some("p.q"), &loaded), ["p.q", "p.q.a", "p.q.b", "p", "p.d"]);
        assert!(names(source, None, &loaded).is_empty());
        assert!(names(source, Some(""), &loaded).is_empty());
    }
}
