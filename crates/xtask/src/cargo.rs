//! Calls of Cargo.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::workspace;

/// Cargo's profile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Profile {
    /// Unoptimised.
    Dev,
    /// Optimised, as it ships.
    Release,
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Release => "release",
        }
    }

    /// The folder below the target folder that holds the artifacts.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Dev => "debug",
            Self::Release => "release",
        }
    }
}

/// One artifact to build.
pub struct Artifact<'a> {
    /// The package's name.
    pub package: &'a str,
    /// `--bin NAME` or `--lib`.
    pub kind: &'a [&'a str],
    /// The file that Cargo writes, relative to the profile's folder.
    pub file: &'a str,
    /// Cargo's options that choose features.
    pub features: &'a [&'a str],
    /// Arguments for the last rustc alone; the dependencies are built without them.
    pub rustc: &'a [&'a str],
    /// How it is built.
    pub profile: Profile,
}

impl Artifact<'_> {
    /// Builds the artifact below `target_dir` and returns its path.
    ///
    /// # Errors
    /// Cargo cannot be started or fails; it has printed why.
    pub fn build(
        &self,
        target_dir: &Path,
        locked: bool,
        environment: &[(&str, &Path)],
    ) -> Result<PathBuf> {
        let mut command = command();
        command.args(["rustc", "--package", self.package]).args(self.kind).args(self.features);
        command.args(["--profile", self.profile.name()]).arg("--target-dir").arg(target_dir);
        if locked {
            command.arg("--locked");
        }
        command.arg("--").args(self.rustc).envs(environment.iter().copied());
        let status = command.status().context("cannot start cargo")?;
        ensure!(status.success(), "cargo could not build {} ({status})", self.package);
        Ok(target_dir.join(self.profile.folder()).join(self.file))
    }
}

/// The Cargo that runs this program, in the workspace, without the settings that would move its artifacts.
pub fn command() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace::root()).env_remove("CARGO_BUILD_TARGET");
    command
}
