//! Finds the line of a commit that is at fault for a module's becoming dearer.

use super::base::Both;
use super::places::installed_module;
use glowplug_profile::gate::growth::Cause;
use std::path::Path;

/// Gives the causes without a line the first line of theirs that the commits changed. A cause whose file they did not touch keeps its
/// file.
pub fn place(causes: &mut [Cause], both: &Both) {
    let changed = both.changed_lines();
    for cause in causes {
        let Some(place) = &mut cause.place else { continue };
        if place.line == 0
            && let Some(line) = changed_line(&place.file, &both.head_root, &changed)
        {
            place.line = line;
        }
    }
}

/// A file of the checkout is found by its path, an installed one by the longest path that ends like it.
fn changed_line(file: &str, root: &Path, changed: &[(String, u32, String)]) -> Option<u32> {
    let inside = Path::new(file).strip_prefix(root).ok();
    let fits = |path: &str| match inside {
        Some(inside) => Path::new(path) == inside,
        None => is_same_module(path, file),
    };
    let lines = changed.iter().filter(|(path, ..)| fits(path));
    let mut code = lines.filter(|(.., text)| {
        let text = text.trim_start();
        !text.is_empty() && !text.starts_with('#')
    });
    code.next().map(|(_, line, _)| *line)
}

/// Whether a file of the repository is the one that was installed: `src/app/x.py` and `…/site-packages/app/x.py`.
fn is_same_module(path: &str, installed: &str) -> bool {
    let Some(module) = installed_module(installed) else { return false };
    path == module || path.ends_with(&format!("/{module}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_changed_line_of_code_is_at_fault() {
        let line = |path: &str, line, text: &str| (path.to_owned(), line, text.to_owned());
        let changed = [
            line("src/app/a.py", 3, "# why"),
            line("src/app/a.py", 4, ""),
            line("src/app/a.py", 5, "work()"),
            line("b.py", 9, "x = 1"),
        ];
        let root = Path::new("/w/head");
        assert_eq!(changed_line("/w/head/b.py", root, &changed), Some(9));
        assert_eq!(changed_line("/w/head/c.py", root, &changed), None);
        let installed = "/e/lib/python3.11/site-packages/app/a.py";
        assert_eq!(changed_line(installed, root, &changed), Some(5));
    }
}
