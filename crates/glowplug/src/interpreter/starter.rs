//! Behind a shim or a bundle: the interpreter itself.

use super::open;
use glowplug_starter::{Kind, Starter};
use std::fs::File;
use std::path::{Path, PathBuf};

/// How many starters may stand one before the other: an environment that was made by the interpreter of another one with a shim.
const MOST: usize = 8;

/// What stands behind a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    /// As what the interpreter there knows itself.
    pub path: PathBuf,
    /// What is executed.
    pub program: PathBuf,
}

/// What stands behind `path`: itself, where it leads to no starter.
pub fn behind(path: &Path) -> Behind {
    let mut behind = Behind { path: path.to_owned(), program: path.to_owned() };
    for _ in 0..MOST {
        let Some(starter) = starter_at(&behind.program) else { break };
        if let Kind::Bundle(_) = starter.kind {
            behind = Behind { path: starter.python.clone(), program: starter.python };
            continue;
        }
        let Ok(place) = std::fs::canonicalize(&behind.program) else { break };
        let candidates = starter.interpreters(&place, behind.path.as_os_str());
        let Some(program) = candidates.into_iter().find(|candidate| candidate.exists()) else {
            break;
        };
        behind.program = program;
    }
    behind
}

fn starter_at(path: &Path) -> Option<Starter> {
    Starter::read(&File::from(open(path).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    /// Writes a starter, and what else `files` names.
    fn starter(place: &Path, kind: Kind, python: &Path) {
        fs::create_dir_all(place.parent().expect("a folder")).expect("a folder");
        let starter = Starter { glowplug: "/nowhere".into(), python: python.to_owned(), kind };
        let bytes = starter.append_to(b"\x7fELF".to_vec()).expect("no zero byte");
        fs::write(place, bytes).expect("a file");
    }

    #[test]
    fn an_interpreter_stands_behind_itself() {
        let path = Path::new("/nonexistent/python");
        assert_eq!(behind(path), Behind { path: path.into(), program: path.into() });
    }

    #[test]
    fn shims_may_stand_one_before_the_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("it is there");
        let python = root.join("usr/python3.11");
        fs::create_dir_all(root.join("usr")).expect("a folder");
        fs::write(&python, b"\x7fELF and more than sixteen bytes").expect("a file");
        for (environment, leads_to) in [("a", &python), ("b", &root.join("a/bin/python"))] {
            let home = root.join(environment);
            let place = home.join(".glowplug/starter/python");
            starter(&place, Kind::Shim("python".into()), &python);
            symlink(leads_to, home.join(".glowplug/python")).expect("a link");
            fs::create_dir_all(home.join("bin")).expect("a folder");
            symlink("../.glowplug/starter/python", home.join("bin/python")).expect("a link");
        }
        let path = root.join("b/bin/python");
        let found = behind(&path);
        assert_eq!(found, Behind { path, program: root.join("a/.glowplug/python") });
        fs::remove_file(root.join("a/.glowplug/python")).expect("the link");
        assert_eq!(behind(&root.join("a/bin/python")).program, python);
    }

    #[test]
    fn a_bundle_is_the_interpreter_that_it_names() {
        let folder = tempfile::tempdir().expect("a folder");
        let (place, python) = (folder.path().join("python-tf"), folder.path().join("python"));
        starter(&place, Kind::Bundle(vec!["tensorflow".into()]), &python);
        assert_eq!(behind(&place), Behind { path: python.clone(), program: python });
    }
}
