//! Both sides of a comparison: a worktree and an environment for each.

mod environment;

use super::config::{BadConfig, Config};
use super::side::Side;
use super::{Context, GateError, Progress, git};
use std::path::{Path, PathBuf};

/// Two checkouts that are alike in everything but their commit.
#[derive(Debug)]
pub struct Both {
    /// What is compared with.
    pub base: Side,
    /// What is judged.
    pub head: Side,
    /// The base's commit.
    pub base_commit: String,
    /// The head's; changes that are not committed yet are in it.
    pub head_commit: String,
    /// What the reader should know.
    pub notes: Vec<String>,
    /// Where the head's checkout of the whole repository lies; its side may be a folder below.
    pub head_root: PathBuf,
    /// The same of the base.
    base_root: PathBuf,
    /// The repository, whose worktrees these are.
    repository: PathBuf,
}

impl Both {
    /// Checks both sides out and makes their environments.
    ///
    /// # Errors
    /// Where there is no such revision, or a side cannot be built.
    pub fn build(
        config: &Config,
        folder: &Path,
        revision: &str,
        python: &Path,
        context: &Context<'_>,
        progress: Progress<'_>,
    ) -> Result<Both, GateError> {
        let repository = git::run(folder, &["rev-parse", "--show-toplevel"]).map_err(|error| {
            GateError::Usage(format!(
                "`--base` needs a git repository: {error}\nhelp: leave it out, and record a baseline by `glowplug gate record`"
            ))
        })?;
        let repository = PathBuf::from(repository);
        let base_commit = git::commit(folder, revision).ok_or_else(|| {
            GateError::Usage(format!(
                "there is no revision `{revision}` here\nhelp: fetch it first; a shallow clone has the last commit alone (`fetch-depth: 0` in GitHub's checkout)"
            ))
        })?;
        let (head_commit, notes) = head(folder)?;
        let inner = folder.strip_prefix(&repository).unwrap_or(Path::new(""));
        // The names are of one length, so that the paths are.
        let (base_root, head_root) = (context.scratch.join("base"), context.scratch.join("head"));
        let side = |root: &Path| Side { folder: root.join(inner), python: python.to_owned() };
        let mut both = Both {
            base: side(&base_root),
            head: side(&head_root),
            base_commit,
            head_commit,
            notes,
            head_root,
            base_root,
            repository,
        };
        both.check_out(&both.base_root, &both.base_commit)?;
        both.check_out(&both.head_root, &both.head_commit)?;
        for (which, side, commit) in [
            ("base", &mut both.base, &both.base_commit),
            ("head", &mut both.head, &both.head_commit),
        ] {
            progress(&format!("building {}", commit.get(..10).unwrap_or(commit)));
            let wanted = environment::Wanted { which, config, python, commit };
            side.python = environment::make(&wanted, side, context.environment)
                .map_err(|error| cannot_build(config, commit, &error))?;
        }
        Ok(both)
    }

    fn check_out(&self, folder: &Path, commit: &str) -> Result<(), GateError> {
        let folder = folder.to_string_lossy();
        let arguments = ["worktree", "add", "--detach", "--quiet", &folder, commit];
        git::run(&self.repository, &arguments)
            .map(|_| ())
            .map_err(|error| GateError::Unmeasured(format!("cannot check {commit} out: {error}")))
    }

    /// The lines that the head has and the base does not, by file: what git calls the new side of the difference.
    pub fn changed_lines(&self) -> Vec<(String, u32, String)> {
        let arguments = [
            "diff",
            "--unified=0",
            "--no-color",
            "--no-ext-diff",
            &self.base_commit,
            &self.head_commit,
        ];
        added_lines(&git::run(&self.repository, &arguments).unwrap_or_default())
    }
}

impl Drop for Both {
    fn drop(&mut self) {
        for root in [&self.base_root, &self.head_root] {
            let _ = git::run(
                &self.repository,
                &["worktree", "remove", "--force", &root.to_string_lossy()],
            );
        }
        let _ = git::run(&self.repository, &["worktree", "prune"]);
    }
}

/// The commit that is judged: that of the working tree, with what is changed in it. Making a commit of that touches neither the tree nor
/// any branch.
fn head(folder: &Path) -> Result<(String, Vec<String>), GateError> {
    let head = git::commit(folder, "HEAD")
        .ok_or_else(|| GateError::Usage("the repository has no commit".to_owned()))?;
    let changed = git::run(folder, &["stash", "create", "glowplug gate"]).map_err(|error| {
        GateError::Unmeasured(format!(
            "changes that are not committed cannot be judged: {error}\nhelp: commit them, or take them back"
        ))
    })?;
    let mut notes = Vec::new();
    let untracked = git::run(folder, &["ls-files", "--others", "--exclude-standard"]);
    if untracked.is_ok_and(|files| !files.is_empty()) {
        notes.push("files that git does not track were left out".to_owned());
    }
    if changed.is_empty() {
        return Ok((head, notes));
    }
    notes.push("changes that are not committed were judged with the rest".to_owned());
    Ok((changed, notes))
}

fn cannot_build(config: &Config, commit: &str, error: &environment::BuildError) -> GateError {
    let short = commit.get(..10).unwrap_or(commit);
    let message = format!("{short} cannot be built: {error}");
    let help = "say by `install` how the project's dependencies are installed".to_owned();
    BadConfig::one(&config.source, config.install_span.clone(), message, help).into()
}

/// File, line and text of each line that a difference without context adds.
fn added_lines(difference: &str) -> Vec<(String, u32, String)> {
    let mut added = Vec::new();
    let mut file = String::new();
    let mut line = 0;
    for text in difference.lines() {
        if let Some(path) = text.strip_prefix("+++ ") {
            file = path.strip_prefix("b/").unwrap_or_default().to_owned();
        } else if let Some(range) = text.strip_prefix("@@ ") {
            let new = range.split_once('+').map_or("", |(_, rest)| rest);
            let end = new.find(|c: char| !c.is_ascii_digit()).unwrap_or(new.len());
            line = new[..end].parse().unwrap_or(0);
        } else if let Some(text) = text.strip_prefix('+')
            && !file.is_empty()
        {
            added.push((file.clone(), line, text.to_owned()));
            line += 1;
        }
    }
    added
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn added_lines_have_their_numbers() {
        let difference = "diff --git a/x.py b/x.py\n--- a/x.py\n+++ b/x.py\n@@ -3,0 +4,2 @@ def f():\n+one\n+two\n@@ -9 +11 @@\n-old\n+new\n--- a/gone.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n";
        let wanted = [("x.py", 4, "one"), ("x.py", 5, "two"), ("x.py", 11, "new")];
        let wanted = wanted.map(|(file, line, text)| (file.to_owned(), line, text.to_owned()));
        assert_eq!(added_lines(difference), wanted);
    }
}
