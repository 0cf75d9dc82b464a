//! `glowplug images` on images that are made here by hand.

use glowplug::cache::Cache;
use glowplug::key::{BUILD, Digest, digest};
use glowplug::settings::ByteSize;
use glowplug_image::inputs::{Directory, File, NO_PARENT, Stamp};
use glowplug_image::{
    FORMAT_VERSION, HEAD_LEN, Head, HotRange, MAGIC, PAGE, Region, RegionKind, Section, Span,
    region,
};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use zerocopy::{FromZeros, IntoBytes};

struct Place {
    folder: tempfile::TempDir,
    cache: Cache,
}

/// What the images are about.
struct Image {
    key: Digest,
    meta: String,
    refusal: bool,
    build: [u8; 16],
    input: PathBuf,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().expect("tempdir");
        let cache = Cache::create(&folder.path().join("cache")).expect("create");
        std::fs::write(folder.path().join("input.py"), "pass").expect("write");
        Place { folder, cache }
    }

    fn image(&self, n: u8, meta: &str) -> Image {
        Image {
            key: digest("test", &[&[n]]),
            meta: meta.to_owned(),
            refusal: false,
            build: BUILD.0,
            input: self.folder.path().join("input.py"),
        }
    }

    fn add(&self, image: &Image) -> String {
        let bytes = image.bytes();
        let new = self.cache.begin(bytes.len() as u64, ByteSize(1 << 30)).expect("begin");
        let file = std::fs::File::from(new.as_fd().try_clone_to_owned().expect("dup"));
        file.write_all_at(&bytes, 0).expect("write");
        new.publish(&image.key, &digest("values", &[])).expect("publish");
        image.key.hex()[..8].to_owned()
    }

    fn images(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_glowplug"))
            .arg("images")
            .args(arguments)
            .env_clear()
            .env("GLOWPLUG_CACHE_DIR", self.folder.path().join("cache"))
            .current_dir(self.folder.path())
            .output()
            .expect("glowplug starts")
    }

    fn stdout(&self, arguments: &[&str]) -> String {
        let output = self.images(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).expect("UTF-8")
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

impl Image {
    fn bytes(&self) -> Vec<u8> {
        let (folder, name) = (self.input.parent().expect("folder"), self.input.file_name());
        let mut strings = folder.to_str().expect("UTF-8").as_bytes().to_vec();
        strings.push(0);
        let name_at = u32::try_from(strings.len()).expect("fits");
        strings.extend_from_slice(name.expect("name").to_str().expect("UTF-8").as_bytes());
        strings.push(0);
        let directory = Directory { file_count: 1, parent: NO_PARENT, ..Directory::default() };
        let file = File { stamp: stamp(&self.input), name: name_at, ..File::default() };
        let pages = if self.refusal { 0 } else { 2 };
        let mut regions = Vec::new();
        let (mut hot, mut warm) = (Vec::new(), Vec::new());
        if !self.refusal {
            let (prot, kind) = (region::READ | region::WRITE, RegionKind::Image as u8);
            let len = pages * PAGE;
            regions.push(Region { addr: 1 << 20, len, offset: 0, prot, kind, ..Region::default() });
            hot.push(HotRange { addr: 1 << 20, len: PAGE });
            warm.push(Span { offset: 0, len: PAGE });
        }
        let mut head = Head::new_zeroed();
        head.magic = MAGIC;
        head.version = FORMAT_VERSION;
        head.flags = u32::from(self.refusal) * glowplug_image::head::FLAG_REFUSAL;
        head.build = self.build;
        head.key = self.key.0;
        let sections = [
            (Section::Regions, regions.as_bytes()),
            (Section::Hot, hot.as_bytes()),
            (Section::Directories, directory.as_bytes()),
            (Section::Files, file.as_bytes()),
            (Section::Absences, &[][..]),
            (Section::Prefixes, &[]),
            (Section::Strings, &strings),
            (Section::Meta, self.meta.as_bytes()),
            (Section::Warm, warm.as_bytes()),
            (Section::Digests, &[]),
        ];
        let mut bytes = vec![0; HEAD_LEN];
        for (section, contents) in sections {
            bytes.resize(bytes.len().next_multiple_of(8), 0);
            head.sections[section as usize] =
                Span { offset: bytes.len() as u64, len: contents.len() as u64 };
            bytes.extend_from_slice(contents);
        }
        bytes.resize(bytes.len().next_multiple_of(4096), 0);
        head.pages_offset = bytes.len() as u64;
        bytes.resize(bytes.len() + usize::try_from(pages * PAGE).expect("fits"), 7);
        head.file_len = bytes.len() as u64;
        head.seal(&bytes[HEAD_LEN..]);
        bytes[..size_of::<Head>()].copy_from_slice(head.as_bytes());
        bytes
    }
}

fn stamp(path: &Path) -> Stamp {
    glowplug::stamp::of(&rustix::fs::stat(path).expect("stat"))
}

const META: &str = r#"{"target": "app.py", "python": "/p/python3", "python_version": "3.11.7",
    "modules": ["json", "os"], "preload": ["json"], "env_names": ["DEBUG"]}"#;

#[test]
fn an_empty_cache_is_no_error() {
    let place = Place::new();
    assert_eq!(place.stdout(&["list"]), "there are no images yet\n");
    assert_eq!(place.stdout(&["list", "--json"]), "[]\n");
    assert_eq!(place.stdout(&["prune"]), "removed 0 images, 0 B\n");
    std::fs::remove_dir_all(place.folder.path().join("cache")).expect("remove");
    assert_eq!(place.stdout(&["list"]), "there are no images yet\n");
    assert_eq!(place.stdout(&["verify"]), "");
}

#[test]
fn the_list_shows_images_and_refusals() {
    let place = Place::new();
    let name = place.add(&place.image(1, META));
    let reason = r#"{"target": "threads.py", "reason": "module x starts a thread"}"#;
    place.add(&Image { refusal: true, ..place.image(2, reason) });
    let list = place.stdout(&["list"]);
    let line = list.lines().find(|line| line.contains("app.py")).expect("a line");
    assert!(line.starts_with(&name) && line.contains(" 2 "), "{list}");
    assert!(list.contains("threads.py\n  may not be frozen: module x starts a thread\n"), "{list}");

    let json: serde_json::Value =
        serde_json::from_str(&place.stdout(&["list", "--json"])).expect("JSON");
    let lines = json.as_array().expect("a list");
    assert_eq!(lines.len(), 2);
    let app = lines.iter().find(|line| line["target"] == "app.py").expect("the image");
    assert_eq!(app["modules"], 2);
    assert_eq!(app["refusal"], serde_json::Value::Null);
}

#[test]
fn an_image_is_explained() {
    let place = Place::new();
    let name = place.add(&place.image(1, META));
    let text = place.stdout(&["show", &name, "--inputs"]);
    let input = place.folder.path().join("input.py").display().to_string();
    for part in [
        "target      app.py",
        "python      /p/python3 (3.11.7)",
        "2 loaded",
        "image      rw-      1      8.0 KiB",
        "4.0 KiB in 1 range, 50.0 % of the contents",
        "1 file, 1 variable",
        "variable   DEBUG",
        &input,
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&place.stdout(&["show", &name, "--json", "--inputs"])).expect("JSON");
    assert_eq!(json[0]["hot"]["per_mille"], 500);
    assert_eq!(json[0]["inputs"]["files"], 1);
    assert_eq!(json[0]["input_list"][0]["path"], input);
}

#[test]
fn a_file_outside_the_cache_is_explained_by_its_path() {
    let place = Place::new();
    let path = place.folder.path().join("app.image");
    std::fs::write(&path, place.image(1, META).bytes()).expect("write");
    let output = place.images(&["show", "./app.image"]);
    assert_eq!(output.status.code(), Some(121));
    assert!(stderr(&output).contains("open to others"), "{}", stderr(&output));
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("chmod");
    assert!(place.stdout(&["show", "./app.image"]).contains("app.py"));
}

#[test]
fn verifying_finds_changed_inputs_and_damage() {
    let place = Place::new();
    let right = place.image(1, META);
    let contents = blake3::hash(&[7; 8192]).to_hex();
    let meta = format!("{{\"contents\": \"{contents}\"}}");
    let with_digest = place.add(&place.image(2, &meta));
    let name = place.add(&right);
    let text = place.stdout(&["verify"]);
    assert_eq!(text.matches(": sound").count(), 2, "{text}");

    let wrong = meta.replace(&contents[..4], "0000");
    place.add(&place.image(2, &wrong));
    let output = place.images(&["verify", &with_digest]);
    assert_eq!(output.status.code(), Some(121));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("contents are damaged"), "{text}");

    std::fs::write(&right.input, "changed").expect("write");
    let output = place.images(&["verify", &name]);
    assert_eq!(output.status.code(), Some(121));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("inputs changed: ") && text.contains("input.py"), "{text}");
}

#[test]
fn images_are_removed_by_name_or_all() {
    let place = Place::new();
    let names = [1, 2, 3].map(|n| place.add(&place.image(n, META)));
    let unknown = place.images(&["remove", "zzzz"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(stderr(&unknown).contains("glowplug images list"), "{}", stderr(&unknown));
    assert!(place.stdout(&["remove", &names[0]]).starts_with("removed 1 image,"));
    assert!(!place.stdout(&["list"]).contains(&names[0]));
    assert_eq!(place.images(&["remove"]).status.code(), Some(2));
    assert!(place.stdout(&["remove", "--all"]).starts_with("removed 2 images,"));
    assert_eq!(place.stdout(&["list"]), "there are no images yet\n");
}

#[test]
fn pruning_removes_images_of_other_builds() {
    let place = Place::new();
    let name = place.add(&place.image(1, META));
    place.add(&Image { build: [9; 16], ..place.image(2, META) });
    assert!(place.stdout(&["list"]).contains("made by another build"));
    assert!(place.stdout(&["prune"]).starts_with("removed 1 image,"));
    let list = place.stdout(&["list"]);
    assert!(list.contains(&name) && !list.contains("another build"), "{list}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let place = Place::new();
    place.add(&place.image(1, META));
    let status = Command::new("/bin/sh")
        .args(["-c", r#"trap "" PIPE; { "$0" images list; echo $? >&2; } | :"#])
        .arg(env!("CARGO_BIN_EXE_glowplug"))
        .env("GLOWPLUG_CACHE_DIR", place.folder.path().join("cache"))
        .output()
        .expect("a shell starts");
    assert_eq!(stderr(&status), "0\n");
}
