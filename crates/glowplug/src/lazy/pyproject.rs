//! Writes what `glowplug lazy check` has found into pyproject.toml or glowplug.toml, and leaves everything else as it stands there.

use std::path::{Path, PathBuf};
use std::{fs, io};
use toml_edit::{Array, DocumentMut, Item, Table, TableLike, Value};

/// Why the settings were not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The file cannot be read or written.
    #[error("cannot write the policy to {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no TOML.
    #[error("cannot write the policy to {}: {source}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: toml_edit::TomlError,
    },
    /// Something else than a table or list is in the way.
    #[error("cannot write the policy to {}: `{key}` is not {expected}\nhelp: correct it, or pass --no-write and add the entries yourself", path.display())]
    InTheWay {
        /// The file.
        path: PathBuf,
        /// The dotted key.
        key: &'static str,
        /// What it should be.
        expected: &'static str,
    },
}

/// An importer to keep eager, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The importer: a dotted name, or `name.*`.
    pub importer: String,
    /// Why, on one line.
    pub reason: String,
}

/// Adds importers to `exclude` of the table `[tool.glowplug.lazy]` (`[lazy]` in a glowplug.toml), each with its reason as a comment.
/// Those that stand there already are left alone. Returns those that were added; the file is only written where there are some, and
/// by a rename, so that it is whole at any time.
///
/// # Errors
/// Where the file cannot be read as TOML or be written; it is then as it was.
pub fn keep_eager(path: &Path, kept: &[Kept]) -> Result<Vec<Kept>, WriteError> {
    let failed = |source| WriteError::File { path: path.to_owned(), source };
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        other => other.map_err(failed)?,
    };
    let (text, added) = edit(path, &text, kept)?;
    if !added.is_empty() {
        replace(path, &text).map_err(failed)?;
    }
    Ok(added)
}

fn edit(path: &Path, text: &str, kept: &[Kept]) -> Result<(String, Vec<Kept>), WriteError> {
    let syntax = |source| WriteError::Syntax { path: path.to_owned(), source };
    let mut document: DocumentMut = text.parse().map_err(syntax)?;
    let in_the_way = |key, expected| WriteError::InTheWay { path: path.to_owned(), key, expected };
    let own_file = path.file_name().is_some_and(|name| name == "glowplug.toml");
    let keys: &[(&str, &'static str)] = if own_file {
        &[("lazy", "lazy")]
    } else {
        &[("tool", "tool"), ("glowplug", "tool.glowplug"), ("lazy", "tool.glowplug.lazy")]
    };
    let mut table: &mut dyn TableLike = document.as_table_mut();
    for (at, (key, full)) in keys.iter().enumerate() {
        let is_last = at + 1 == keys.len();
        let item = table.entry(key).or_insert_with(|| new_table(is_last));
        table = item.as_table_like_mut().ok_or_else(|| in_the_way(full, "a table"))?;
    }
    let item = table.entry("exclude").or_insert_with(|| Item::Value(Value::Array(Array::new())));
    let list = item.as_array_mut().ok_or_else(|| {
        in_the_way(if own_file { "lazy.exclude" } else { "tool.glowplug.lazy.exclude" }, "a list")
    })?;
    let added = extend(list, kept);
    Ok((document.to_string(), added))
}

/// Tables on the way to the last are not written as headers of their own.
fn new_table(is_last: bool) -> Item {
    let mut table = Table::new();
    table.set_implicit(!is_last);
    Item::Table(table)
}

/// Adds entries to a list, one to a line, in the indentation that the list has.
fn extend(list: &mut Array, kept: &[Kept]) -> Vec<Kept> {
    let mut added: Vec<Kept> = Vec::new();
    for one in kept {
        let known = |value: &Value| value.as_str() == Some(&one.importer);
        if !list.iter().any(known) && !added.iter().any(|other| other.importer == one.importer) {
            added.push(one.clone());
        }
    }
    if added.is_empty() {
        return added;
    }
    let indent = indentation(list);
    let was_on_one_line = list.iter().all(|value| !prefix(value).contains('\n'));
    if was_on_one_line {
        for value in list.iter_mut() {
            value.decor_mut().set_prefix(format!("\n{indent}"));
        }
    }
    // What stands behind the last value would come to stand before the comma.
    if let Some(last) = list.iter_mut().last()
        && last
            .decor()
            .suffix()
            .and_then(|suffix| suffix.as_str())
            .is_some_and(|s| s.trim().is_empty())
    {
        last.decor_mut().set_suffix("");
    }
    for one in &added {
        let mut value = Value::from(one.importer.as_str());
        let reason = one.reason.replace(['\n', '\r'], " ");
        value.decor_mut().set_prefix(format!("\n{indent}# {reason}\n{indent}"));
        list.push_formatted(value);
    }
    list.set_trailing_comma(true);
    if !list.trailing().as_str().unwrap_or_default().contains('\n') {
        list.set_trailing("\n");
    }
    added
}

fn prefix(value: &Value) -> &str {
    value.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default()
}

/// What the lines of a list begin with; four spaces where it has no lines.
fn indentation(list: &Array) -> String {
    let of_line = |value: &Value| {
        let (_, indent) = prefix(value).rsplit_once('\n')?;
        indent.chars().all(char::is_whitespace).then(|| indent.to_owned())
    };
    list.iter().find_map(of_line).unwrap_or_else(|| "    ".to_owned())
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
    file.write_all(text.as_bytes())?;
    if let Ok(metadata) = fs::metadata(path) {
        file.as_file().set_permissions(metadata.permissions())?;
    } else {
        use std::os::unix::fs::PermissionsExt;
        file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kept(importer: &str) -> Kept {
        Kept { importer: importer.to_owned(), reason: format!("why {importer}") }
    }

    fn edited(text: &str, importers: &[&str]) -> String {
        let kept: Vec<Kept> = importers.iter().map(|one| kept(one)).collect();
        edit(Path::new("pyproject.toml"), text, &kept).unwrap().0
    }

    #[test]
    fn a_new_table_is_added_behind_what_is_there() {
        let before = "# mine\n[project]\nname = \"x\"   # odd   spaces\n";
        let expected = format!(
            "{before}\n[tool.glowplug.lazy]\nexclude = [\n    # why a.b\n    \"a.b\",\n]\n"
        );
        assert_eq!(edited(before, &["a.b"]), expected);
    }

    #[test]
    fn a_list_keeps_its_comments_and_its_indentation() {
        let before = "[tool.glowplug.lazy]\nexclude = [\n  # first\n  \"a\",  # behind\n  \"b\"\n]\nmodules = []\n";
        let expected = "[tool.glowplug.lazy]\nexclude = [\n  # first\n  \"a\",  # behind\n  \"b\",\n  # why c\n  \"c\",\n]\nmodules = []\n";
        assert_eq!(edited(before, &["a", "c"]), expected);
    }

    #[test]
    fn a_list_on_one_line_gets_lines() {
        let before = "[tool.glowplug.lazy]\nexclude = [\"a\"]\n";
        let expected =
            "[tool.glowplug.lazy]\nexclude = [\n    \"a\",\n    # why c\n    \"c\",\n]\n";
        assert_eq!(edited(before, &["c"]), expected);
    }

    #[test]
    fn inline_tables_and_dotted_keys_are_understood() {
        let inline = edited("[tool]\nglowplug = { lazy = { exclude = [] } }\n", &["c"]);
        assert!(
            inline.parse::<DocumentMut>().unwrap()["tool"]["glowplug"]["lazy"]["exclude"][0]
                .as_str()
                == Some("c"),
            "{inline}"
        );
        let dotted = edited("[tool.glowplug]\nlazy.modules = [\"x\"]\n", &["c"]);
        assert!(
            dotted.parse::<DocumentMut>().unwrap()["tool"]["glowplug"]["lazy"]["exclude"][0]
                .as_str()
                == Some("c"),
            "{dotted}"
        );
    }

    #[test]
    fn glowplug_toml_has_no_tool_table() {
        let (text, _) =
            edit(Path::new("x/glowplug.toml"), "explain = true\n", &[kept("a")]).unwrap();
        assert_eq!(text, "explain = true\n\n[lazy]\nexclude = [\n    # why a\n    \"a\",\n]\n");
    }

    #[test]
    fn what_is_in_the_way_is_named() {
        for (text, key) in [
            ("tool = 1\n", "`tool`"),
            ("[tool.glowplug.lazy]\nexclude = 1\n", "`tool.glowplug.lazy.exclude`"),
        ] {
            let error = edit(Path::new("pyproject.toml"), text, &[kept("a")]).unwrap_err();
            assert!(error.to_string().contains(key), "{error}");
        }
        assert!(edit(Path::new("pyproject.toml"), "x = [", &[kept("a")]).is_err());
    }

    #[test]
    fn the_file_is_left_alone_where_nothing_is_new_and_keeps_its_mode() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pyproject.toml");
        assert_eq!(keep_eager(&path, &[kept("a")]).unwrap(), [kept("a")]);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let inode = fs::metadata(&path).unwrap().ino();
        assert_eq!(keep_eager(&path, &[kept("a")]).unwrap(), []);
        assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
        keep_eager(&path, &[kept("b")]).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    }

    proptest! {
        #[test]
        fn editing_twice_is_editing_once(names in prop::collection::vec("[a-c]{1,3}(\\.\\*)?", 0..5)) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let once = edited("[tool.glowplug.lazy]\nexclude = [\n\t\"a\",\n]\n", &names);
            prop_assert_eq!(edited(&once, &names), once.clone());
            let document: DocumentMut = once.parse().unwrap();
            let list = document["tool"]["glowplug"]["lazy"]["exclude"].as_array().unwrap();
            prop_assert!(names.iter().all(|name| list.iter().any(|value| value.as_str() == Some(name))));
        }
    }
}
