//! The places where an interpreter may be.

use super::NotFound;
use crate::settings::Environment;
use rustix::fs::{Access, FileType};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The names that are looked for on PATH.
const NAMES: [&str; 2] = ["python3", "python"];

/// What `execvp` looks through where PATH is unset.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// The path of the interpreter; a path that is set stays as it is spelled, one from PATH is absolute.
pub fn find(
    set: Option<&Path>,
    environment: &Environment,
    folder: Option<&Path>,
) -> Result<PathBuf, NotFound> {
    if let Some(set) = set {
        return find_set(set, environment, folder);
    }
    let mut places = Vec::new();
    if let Some(environment_folder) = environment.non_empty("VIRTUAL_ENV") {
        let path = Path::new(environment_folder).join("bin/python");
        if is_executable(&path) {
            return Ok(path);
        }
        places.push(format!("{} (VIRTUAL_ENV)", path.display()));
    }
    for name in NAMES {
        if let Some(path) = on_path(name, environment, folder, |_| true) {
            return Ok(path);
        }
        places.push(format!("`{name}` on PATH"));
    }
    Err(NotFound { places, hint: "install Python, or name an interpreter with --python PATH" })
}

/// A path with a slash is used as it is; a bare name is looked up on PATH, as a shell would.
fn find_set(
    set: &Path,
    environment: &Environment,
    folder: Option<&Path>,
) -> Result<PathBuf, NotFound> {
    let found = if set.as_os_str().as_bytes().contains(&b'/') {
        rustix::fs::stat(set)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
            .then(|| set.to_owned())
    } else {
        on_path(set.as_os_str(), environment, folder, |_| true)
    };
    found.ok_or_else(|| NotFound {
        places: vec![format!("{} (--python, GLOWPLUG_PYTHON or `python`)", set.display())],
        hint: "name an interpreter that is there, or leave it to PATH",
    })
}

/// The path by which python knows itself whose `argv[0]` is `name`: `name` itself where it has a slash, else what PATH has for it.
pub fn python_path(name: &OsStr, environment: &Environment) -> Option<PathBuf> {
    if name.as_bytes().contains(&b'/') {
        return Some(PathBuf::from(name));
    }
    let folder = std::env::current_dir().ok();
    on_path(name, environment, folder.as_deref(), |_| true)
}

/// The first executable file of this name on PATH, of the folders that are `wanted`.
pub fn on_path(
    name: impl AsRef<OsStr>,
    environment: &Environment,
    folder: Option<&Path>,
    wanted: impl Fn(&Path) -> bool,
) -> Option<PathBuf> {
    let path = environment.get("PATH").unwrap_or(OsStr::new(DEFAULT_PATH));
    path.as_bytes().split(|&b| b == b':').find_map(|entry| {
        let entry = Path::new(OsStr::from_bytes(entry));
        if !wanted(entry) {
            return None;
        }
        // An empty or relative entry is meant from the working directory.
        let entry = if entry.is_absolute() { entry.to_owned() } else { folder?.join(entry) };
        let candidate = entry.join(name.as_ref());
        is_executable(&candidate).then_some(candidate)
    })
}

/// Whether a path leads to a file that this process may execute.
pub fn is_executable(path: &Path) -> bool {
    rustix::fs::stat(path)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
        && rustix::fs::access(path, Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CString;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    struct Place(tempfile::TempDir);

    impl Place {
        fn with(files: &[(&str, u32)]) -> Place {
            let folder = tempfile::tempdir().expect("tempdir");
            for (name, mode) in files {
                let path = folder.path().join(name);
                fs::create_dir_all(path.parent().expect("parent")).expect("mkdir");
                fs::write(&path, "").expect("write");
                fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).expect("chmod");
            }
            Place(folder)
        }

        fn environment(&self, variables: &[(&str, &str)]) -> Environment {
            let here = self.0.path().display();
            Environment::from_strings(variables.iter().map(|(name, value)| {
                CString::new(format!("{name}={}", value.replace('@', &here.to_string())))
                    .expect("no NUL")
            }))
        }

        fn find(&self, set: Option<&str>, variables: &[(&str, &str)]) -> Result<String, String> {
            let folder = self.0.path();
            find(set.map(Path::new), &self.environment(variables), Some(folder))
                .map(|path| path.display().to_string().replace(&folder.display().to_string(), "@"))
                .map_err(|error| error.to_string())
        }
    }

    #[test]
    fn the_virtual_environment_comes_before_path() {
        let place = Place::with(&[("venv/bin/python", 0o755), ("bin/python3", 0o755)]);
        let path = ("PATH", "@/bin");
        assert_eq!(place.find(None, &[path]).as_deref(), Ok("@/bin/python3"));
        let active = [path, ("VIRTUAL_ENV", "@/venv")];
        assert_eq!(place.find(None, &active).as_deref(), Ok("@/venv/bin/python"));
        assert_eq!(
            place.find(None, &[path, ("VIRTUAL_ENV", "@/gone")]).as_deref(),
            Ok("@/bin/python3")
        );
    }

    #[test]
    fn path_is_searched_as_a_shell_does() {
        let place = Place::with(&[
            ("plain/python3", 0o644),
            ("other/python", 0o755),
            ("third/python3", 0o755),
            ("folder/python3/x", 0o755),
        ]);
        let path = [("PATH", "@/none:@/plain:@/folder:@/other:@/third")];
        assert_eq!(place.find(None, &path).as_deref(), Ok("@/third/python3"));
        assert_eq!(
            place.find(None, &[("PATH", "@/plain:@/other")]).as_deref(),
            Ok("@/other/python")
        );
        assert_eq!(place.find(None, &[("PATH", "third")]).as_deref(), Ok("@/third/python3"));
    }

    #[test]
    fn a_set_interpreter_is_used_or_missed() {
        let place = Place::with(&[("bin/mine", 0o755), ("bin/python3", 0o755)]);
        let path = [("PATH", "@/bin")];
        assert_eq!(place.find(Some("mine"), &path).as_deref(), Ok("@/bin/mine"));
        let error = place.find(Some("/nonexistent/python"), &path).expect_err("is not there");
        assert!(error.contains("/nonexistent/python"), "{error}");
        assert!(error.contains("help: "), "{error}");
    }

    #[test]
    fn a_miss_says_where_was_looked() {
        let place = Place::with(&[]);
        let error = place.find(None, &[("PATH", "@"), ("VIRTUAL_ENV", "/v")]).expect_err("none");
        for part in
            ["no Python interpreter found", "/v/bin/python", "`python3` on PATH", "--python"]
        {
            assert!(error.contains(part), "{error}");
        }
    }
}
