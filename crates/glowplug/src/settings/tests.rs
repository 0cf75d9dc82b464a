use super::*;
use std::ffi::CString;
use std::fs;

struct Project {
    root: tempfile::TempDir,
}

impl Project {
    fn with(files: &[(&str, &str)]) -> Project {
        let project = Project { root: tempfile::tempdir().expect("tempdir") };
        // The search must not leave the test's own folder.
        fs::create_dir(project.path(".git")).expect("mkdir");
        fs::create_dir_all(project.path("pkg/deep")).expect("mkdir");
        for (name, text) in files {
            project.write(name, text);
        }
        project
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("write");
    }

    fn load(
        &self,
        variables: &[&str],
        options: &RunOptions<'_>,
    ) -> Result<Settings, SettingsError> {
        let cache = format!("XDG_CACHE_HOME={}", self.path("caches").display());
        let strings = variables.iter().copied().chain([cache.as_str()]);
        let environment =
            Environment::from_strings(strings.map(|s| CString::new(s).expect("no NUL")));
        Settings::load(options, &environment, &self.path("pkg/deep"))
    }

    fn error(&self, variables: &[&str]) -> String {
        self.load(variables, &RunOptions::default()).expect_err("wrong settings").to_string()
    }
}

#[test]
fn flag_beats_environment_beats_file() {
    let project = Project::with(&[(
        "glowplug.toml",
        "python = 'env/bin/python'\npreload = ['a', 'b']\nvia = 'plain'\nexplain = true\n\
         cache-size = '1MB'\nfreeze = false\n",
    )]);
    let file = project.load(&[], &RunOptions::default()).expect("right");
    assert_eq!(file.python, Some(project.path("env/bin/python")));
    assert_eq!((file.via, file.explain, file.freeze), (Via::Plain, true, false));
    assert_eq!(file.cache_size, ByteSize(1_000_000));
    assert_eq!(file.cache_dir, Some(project.path("caches/glowplug")));

    let variables =
        ["GLOWPLUG_VIA=thaw", "GLOWPLUG_EXPLAIN=0", "GLOWPLUG_PRELOAD=-a,c", "GLOWPLUG_PYTHON=p"];
    let environment = project.load(&variables, &RunOptions::default()).expect("right");
    assert_eq!(environment.python, Some("p".into()));
    assert_eq!((environment.via, environment.explain), (Via::Thaw, false));
    assert_eq!(environment.preload.entries(), ["b", "-a", "c"]);

    let options = RunOptions { via: Some(Via::Auto), preload: vec!["a"], ..RunOptions::default() };
    let flags = project.load(&variables, &options).expect("right");
    assert_eq!(flags.via, Via::Auto);
    assert_eq!(flags.preload.entries(), ["b", "c", "a"]);
}

#[test]
fn the_nearest_file_with_settings_counts() {
    let project = Project::with(&[
        ("glowplug.toml", "via = 'plain'"),
        ("pkg/pyproject.toml", "[project]\nname = 'x'\n[tool.glowplug]\nvia = 'thaw'"),
        ("pkg/deep/pyproject.toml", "[tool.other]\nkey = 1"),
    ]);
    let settings = project.load(&[], &RunOptions::default()).expect("right");
    assert_eq!(settings.via, Via::Thaw);
}

#[test]
fn a_repository_ends_the_search() {
    let project = Project::with(&[("glowplug.toml", "via = 'plain'")]);
    fs::create_dir(project.path("pkg/.git")).expect("mkdir");
    let settings = project.load(&[], &RunOptions::default()).expect("right");
    assert_eq!(settings.via, Via::Auto);
}

#[test]
fn a_changed_file_is_read_again() {
    let project = Project::with(&[("glowplug.toml", "via = 'plain'")]);
    let file = fs::File::open(project.path("glowplug.toml")).expect("open");
    // The change time cannot be set, so wait until the clock has left it behind.
    let changed = crate::stamp::of(&rustix::fs::fstat(&file).expect("stat"));
    while !crate::stamp::is_settled(&changed) {
        std::thread::yield_now();
    }
    for _ in 0..2 {
        let settings = project.load(&[], &RunOptions::default()).expect("right");
        assert_eq!(settings.via, Via::Plain);
    }
    let kept = project.path("caches/glowplug/settings");
    assert_eq!(fs::read_dir(kept).expect("was remembered").count(), 1);
    project.write("glowplug.toml", "via = 'thaw'");
    let settings = project.load(&[], &RunOptions::default()).expect("right");
    assert_eq!(settings.via, Via::Thaw);
}

#[test]
fn errors_name_file_line_and_key() {
    let project =
        Project::with(&[("pkg/pyproject.toml", "[tool.glowplug]\nvia = 'auto'\nspeed = 1\n")]);
    let error = project.error(&[]);
    for part in ["unknown field `speed`", "pkg/pyproject.toml:3:1", "3 | speed = 1", "  | ^^^^^"] {
        assert!(error.contains(part), "{part} in\n{error}");
    }
    project.write("pkg/pyproject.toml", "[tool.glowplug]\ncache-size = 'huge'\n");
    let error = project.error(&[]);
    assert!(error.contains("`huge` is no size") && error.contains(":2:"), "{error}");
    project.write("pkg/pyproject.toml", "[tool.glowplug\n");
    assert!(project.error(&[]).contains("pyproject.toml:1:"));
    project.write("pkg/pyproject.toml", "[tool.glowplug]\npreload = ['a b']\n");
    assert!(project.error(&[]).contains("`a b` is not a module name"));
}

#[test]
fn wrong_variables_are_named() {
    let project = Project::with(&[]);
    let error = project.error(&["GLOWPLUG_VIA=fast"]);
    assert!(error.contains("GLOWPLUG_VIA") && error.contains("`fast`"), "{error}");
    assert!(project.error(&["GLOWPLUG_CACHE_SIZE=4 gig"]).contains("GLOWPLUG_CACHE_SIZE"));
    assert!(project.load(&["GLOWPLUG_VIA="], &RunOptions::default()).is_ok());
}

#[test]
fn the_cache_lies_where_its_variables_say() {
    let folder = |variables: &[&str]| {
        let strings = variables.iter().map(|s| CString::new(*s).expect("no NUL"));
        default_cache_dir(&Environment::from_strings(strings))
    };
    assert_eq!(folder(&["HOME=/h"]), Some("/h/.cache/glowplug".into()));
    assert_eq!(folder(&["HOME=/h", "XDG_CACHE_HOME=/x"]), Some("/x/glowplug".into()));
    assert_eq!(folder(&["HOME=/h", "XDG_CACHE_HOME=relative"]), Some("/h/.cache/glowplug".into()));
    assert_eq!(folder(&[]), None);
}
