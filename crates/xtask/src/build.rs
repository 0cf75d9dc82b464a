//! `cargo xtask build`: the installed tree of docs/ARCHITECTURE.md, laid out in one folder.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use glowplug_pythons::Minor;
use lexopt::prelude::*;

use crate::{
    cargo::{Artifact, Profile},
    elf, python,
    seed::seed,
    workspace,
};

struct Build {
    profile: Profile,
    minors: Vec<Minor>,
    out: PathBuf,
    locked: bool,
}

/// Builds everything that ships.
///
/// # Errors
/// A wrong option, or a part that cannot be built or written.
pub fn task(mut args: lexopt::Parser) -> Result<()> {
    let mut build = Build {
        profile: Profile::Release,
        minors: Vec::new(),
        out: workspace::root().join("build"),
        locked: false,
    };
    while let Some(argument) = args.next()? {
        match argument {
            Long("dev") => build.profile = Profile::Dev,
            Long("python") => build.minors.push(python::named(&args.value()?.string()?)?),
            Long("out") => build.out = std::path::absolute(PathBuf::from(args.value()?))?,
            Long("locked") => build.locked = true,
            other => return Err(other.unexpected().into()),
        }
    }
    if build.minors.is_empty() {
        build.minors.extend(Minor::all());
    }
    build.run()
}

impl Build {
    fn run(&self) -> Result<()> {
        let runtime = self.out.join("lib/glowplug");
        self.binary("glowplug", &self.out.join("bin/glowplug"))?;
        self.binary("glowplug-starter", &runtime.join("glowplug-starter"))?;
        self.restorer(&runtime.join("glowplug-thaw"))?;
        self.preloaded("recorder", &runtime.join("recorder.so"))?;
        self.preloaded("collector", &runtime.join("collector.so"))?;
        for minor in &self.minors {
            self.extension(*minor, &runtime.join(format!("python-{minor}.so")))?;
        }
        Ok(())
    }

    /// Static and at a fixed address: that start is 0.4 ms shorter than one by the dynamic loader.
    fn binary(&self, name: &str, to: &Path) -> Result<()> {
        let artifact = Artifact {
            package: name,
            kind: &["--bin", name],
            file: name,
            features: &[],
            rustc: &["-Ctarget-feature=+crt-static", "-Crelocation-model=static"],
            profile: self.profile,
        };
        let built = artifact.build(&workspace::target_dir(), self.locked, &[])?;
        elf::require_static(&built)?;
        install(&built, to)
    }

    /// Optimised in every build: only then is it free of the panic paths that it has nothing to link to for.
    fn restorer(&self, to: &Path) -> Result<()> {
        let artifact = Artifact {
            package: "glowplug-thaw",
            kind: &["--bin", "glowplug-thaw"],
            file: "glowplug-thaw",
            features: &[],
            rustc: &[],
            profile: Profile::Release,
        };
        let built = artifact.build(&workspace::target_dir(), self.locked, &[])?;
        elf::require_static(&built)?;
        install(&built, to)
    }

    /// A library that is preloaded: `glowplug-NAME`. Optimised in every build, as it runs inside the calls that it watches. One serves all
    /// minors.
    fn preloaded(&self, name: &str, to: &Path) -> Result<()> {
        let artifact = Artifact {
            package: &format!("glowplug-{name}"),
            kind: &["--lib"],
            file: &format!("libglowplug_{name}.so"),
            features: &[],
            rustc: &[],
            profile: Profile::Release,
        };
        install(&artifact.build(&workspace::target_dir(), self.locked, &[])?, to)
    }

    /// Each minor has a target folder of its own: Cargo gives the library the same name for all of them, and would
    /// take the one of another minor for fresh. What the minors have in common is built once, for the first.
    fn extension(&self, minor: Minor, to: &Path) -> Result<()> {
        let target_dir = extension_target(minor);
        let first = extension_target(self.minors[0]);
        seed(&first.join(self.profile.folder()), &target_dir.join(self.profile.folder()))
            .with_context(|| format!("cannot prepare {}", target_dir.display()))?;
        let config = python::write_config(minor, &target_dir)?;
        let artifact = Artifact {
            package: "glowplug-python",
            kind: &["--lib"],
            file: "libglowplug_python.so",
            features: python::features(minor),
            rustc: &[],
            profile: self.profile,
        };
        let built = artifact.build(&target_dir, self.locked, &[("PYO3_CONFIG_FILE", &config)])?;
        install(&built, to)
    }
}

fn extension_target(minor: Minor) -> PathBuf {
    workspace::target_dir().join(format!("python-{minor}"))
}

/// Puts a copy of `from` at `to` by rename, so that a process that runs or maps the old file keeps it whole.
/// An equal file is left alone: its times are inputs of images.
fn install(from: &Path, to: &Path) -> Result<()> {
    let bytes = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    if !fs::read(to).is_ok_and(|old| old == bytes) {
        replace(to, &bytes).with_context(|| format!("cannot write {}", to.display()))?;
    }
    println!("{:>9}  {}", format!("{} KiB", bytes.len().div_ceil(1024)), to.display());
    Ok(())
}

fn replace(to: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let parts = to.with_extension("part");
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(&parts, bytes)?;
    fs::set_permissions(&parts, fs::Permissions::from_mode(0o755))?;
    fs::rename(&parts, to)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn an_equal_file_is_left_alone_and_a_changed_one_is_replaced_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("lib/to"));
        fs::write(&from, "one").unwrap();
        install(&from, &to).unwrap();
        let first = fs::metadata(&to).unwrap();
        assert_eq!(first.mode() & 0o777, 0o755);
        install(&from, &to).unwrap();
        assert_eq!(fs::metadata(&to).unwrap().ino(), first.ino());

        let running = fs::File::open(&to).unwrap();
        fs::write(&from, "two").unwrap();
        install(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(&to).unwrap(), "two");
        assert_eq!(std::io::read_to_string(running).unwrap(), "one");
    }
}
