//! Where an interpreter looks for modules. Asking costs a start of it, so only freezers ask that know of no earlier start.

use super::Interpreter;
use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// On a line of its own: what site runs may have printed before.
const QUESTION: &str = r#"
import json, sys
print("\n" + json.dumps(sys.path))
"#;

impl Interpreter {
    /// The files that `-m module` may run, in the order in which the interpreter looks: it is started with `options` in `folder`.
    /// Empty where it gives no answer.
    pub fn module_candidates(
        &self,
        options: &[&CStr],
        folder: &Path,
        module: &str,
    ) -> Vec<PathBuf> {
        let as_folders: PathBuf = module.split('.').collect();
        self.search_path(options, folder)
            .into_iter()
            .flat_map(|place| {
                let (package, mut alone) = (place.join(&as_folders), place.join(&as_folders));
                alone.as_mut_os_string().push(".py");
                // A folder without this file gives way to whatever bears its name elsewhere.
                let is_package = package.join("__init__.py").is_file();
                is_package.then(|| package.join("__main__.py")).into_iter().chain([alone])
            })
            .filter(|file| file.is_file())
            .collect()
    }

    /// `sys.path` of a program that is started by `-m`.
    fn search_path(&self, options: &[&CStr], folder: &Path) -> Vec<PathBuf> {
        let answer = super::command(&self.path)
            .args(options.iter().map(|option| OsStr::from_bytes(option.to_bytes())))
            .args(["-c", QUESTION])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output();
        let entries: Vec<String> = answer
            .ok()
            .and_then(|answer| {
                let line = answer.stdout.trim_ascii_end().rsplit(|&byte| byte == b'\n').next()?;
                serde_json::from_slice(line).ok()
            })
            .unwrap_or_default();
        // The empty entry, which `-c` has in place of the folder, becomes that folder.
        entries.iter().map(|entry| folder.join(entry)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn candidates_come_in_the_order_of_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let here = |name: &str| folder.path().join(name);
        for name in ["pkg/sub", "no_package", "own"] {
            fs::create_dir_all(here(name)).unwrap();
        }
        for name in
            ["pkg/__init__.py", "pkg/__main__.py", "pkg/sub/tool.py", "tool.py", "own/tool.py"]
                .iter()
                .chain(&["no_package/__main__.py", "no_package.py"])
        {
            fs::write(here(name), "").unwrap();
        }
        // Stands for an interpreter: prints as one does whose site has printed something.
        let python = here("python");
        let path = format!("[\"\", \"{}\", \"/nowhere\"]", here("own").display());
        fs::write(&python, format!("#!/bin/sh\necho printed by site\necho\necho '{path}'\n"))
            .unwrap();
        fs::set_permissions(&python, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let interpreter = Interpreter::of_program(python);
        let candidates = |module| interpreter.module_candidates(&[], folder.path(), module);
        assert_eq!(candidates("tool"), [here("tool.py"), here("own/tool.py")]);
        assert_eq!(candidates("pkg"), [here("pkg/__main__.py")]);
        assert_eq!(candidates("pkg.sub.tool"), [here("pkg/sub/tool.py")]);
        assert_eq!(candidates("no_package"), [here("no_package.py")]);
        assert_eq!(candidates("missing"), [] as [PathBuf; 0]);
    }
}
