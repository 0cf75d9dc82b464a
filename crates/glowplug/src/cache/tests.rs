use super::*;
use crate::key::{BUILD, digest};
use crate::settings::ByteSize;
use glowplug_image::{FORMAT_VERSION, HEAD_LEN, Head, HeadError, MAGIC, PAGE, Span};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::time::{Duration, SystemTime};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

struct Place {
    _folder: tempfile::TempDir,
    cache: Cache,
}

fn place() -> Place {
    let folder = tempfile::tempdir().expect("tempdir");
    let cache = Cache::create(&folder.path().join("a/cache")).expect("create");
    Place { _folder: folder, cache }
}

fn key(n: u8) -> Digest {
    digest("test key", &[&[n]])
}

const META: &[u8] = b"{\"target\": \"a.py\"}";

fn image_bytes(key: &Digest, pages: u64) -> Vec<u8> {
    let mut head = Head::new_zeroed();
    head.magic = MAGIC;
    head.version = FORMAT_VERSION;
    head.build = BUILD.0;
    head.key = key.0;
    for span in &mut head.sections {
        span.offset = HEAD_LEN as u64;
    }
    head.sections[glowplug_image::Section::Meta as usize] =
        Span { offset: HEAD_LEN as u64, len: META.len() as u64 };
    head.pages_offset = HEAD_LEN as u64 + PAGE;
    head.file_len = head.pages_offset + pages * PAGE;
    let mut bytes = vec![0; usize::try_from(head.file_len).expect("fits")];
    bytes[HEAD_LEN..HEAD_LEN + META.len()].copy_from_slice(META);
    head.seal(&bytes[HEAD_LEN..]);
    bytes[..size_of::<Head>()].copy_from_slice(head.as_bytes());
    bytes
}

fn add(cache: &Cache, n: u8, pages: u64, limit: u64) -> Result<PathBuf, StoreError> {
    let bytes = image_bytes(&key(n), pages);
    let image = cache.begin(bytes.len() as u64, ByteSize(limit))?;
    let file = File::from(image.as_fd().try_clone_to_owned()?);
    file.write_all_at(&bytes, 0)?;
    image.publish(&key(n), &key(0))?;
    Ok(cache.path().join(image_name(&key(n), &key(0))))
}

use std::os::fd::AsFd;

const PLENTY: u64 = 1 << 30;

fn names(cache: &Cache) -> Vec<String> {
    let folder = fs::read_dir(cache.path().join(IMAGES)).expect("list");
    let mut names: Vec<_> = folder
        .map(|entry| entry.expect("entry").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    names
}

#[test]
fn a_cache_is_made_for_the_user_alone() {
    let place = place();
    for folder in ["", IMAGES, "settings", "interpreters"] {
        let mode = fs::metadata(place.cache.path().join(folder)).expect("stat").permissions();
        assert_eq!(mode.mode() & 0o777, 0o700, "{folder}");
    }
    assert!(Cache::open(place.cache.path()).is_ok());
}

#[test]
fn a_cache_that_is_missing_or_not_private_is_not_used() {
    let folder = tempfile::tempdir().expect("tempdir");
    let path = folder.path().join("cache");
    assert!(matches!(Cache::open(&path), Err(CacheError::Missing)));
    fs::write(&path, "").expect("write");
    assert!(matches!(Cache::open(&path), Err(CacheError::NotAFolder { .. })));
    assert!(Cache::create(&path).is_err());
    fs::remove_file(&path).expect("remove");
    fs::create_dir(&path).expect("mkdir");
    fs::set_permissions(&path, Permissions::from_mode(0o750)).expect("chmod");
    let error = Cache::open(&path).expect_err("open to others").to_string();
    assert!(error.contains("750") && error.contains("chmod 700"), "{error}");
}

#[test]
fn a_published_image_is_opened_again() {
    let place = place();
    add(&place.cache, 1, 3, PLENTY).expect("add");
    place.cache.write_selector(&key(1), [&b"HOME"[..], b"X"]).expect("selector");
    let selector = place.cache.selector(&key(1)).expect("selector");
    assert_eq!(selector.names().collect::<Vec<_>>(), [&b"HOME"[..], b"X"]);
    let image = place.cache.open_image(&key(1), &key(0)).expect("image");
    assert_eq!(image.meta(), META);
    assert_eq!(image.bytes().len() as u64, image.head().pages_offset);
    assert_eq!(place.cache.open_image(&key(2), &key(0)).err(), Some(Unusable::Missing));
}

#[test]
fn what_may_not_be_trusted_is_named() {
    let place = place();
    let path = add(&place.cache, 1, 3, PLENTY).expect("add");
    let bytes = fs::read(&path).expect("read");
    let problem = || place.cache.open_image(&key(1), &key(0)).map(|_| ()).unwrap_err();

    fs::set_permissions(&path, Permissions::from_mode(0o620)).expect("chmod");
    assert_eq!(problem(), Unusable::Exposed(0o620));
    fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("chmod");

    let second = path.with_extension("second");
    fs::hard_link(&path, &second).expect("link");
    assert_eq!(problem(), Unusable::Linked);
    fs::rename(&path, &second).expect("rename");
    fs::remove_file(&path).ok();
    symlink(&second, &path).expect("symlink");
    assert_eq!(problem(), Unusable::NotAFile);
    fs::remove_file(&path).expect("remove");
    fs::create_dir(&path).expect("mkdir");
    assert_eq!(problem(), Unusable::NotAFile);
    fs::remove_dir(&path).expect("rmdir");

    let put = |bytes: &[u8]| {
        fs::write(&path, bytes).expect("write");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("chmod");
        problem()
    };
    assert_eq!(put(b""), Unusable::Head(HeadError::TooShort));
    assert_eq!(put(&bytes[..100]), Unusable::Head(HeadError::TooShort));
    assert!(matches!(put(&bytes[..bytes.len() - 1]), Unusable::Head(HeadError::Length { .. })));
    assert_eq!(put(&vec![7; bytes.len()]), Unusable::Head(HeadError::NotAnImage));
    let mut other = bytes.clone();
    other[8] = 99;
    assert_eq!(put(&other), Unusable::Head(HeadError::Version(99)));
    for place in [std::mem::offset_of!(Head, context), HEAD_LEN] {
        let mut other = bytes.clone();
        other[place] ^= 1;
        assert_eq!(put(&other), Unusable::Head(HeadError::Checksum));
    }
    let mut head = Head::read_from_prefix(&bytes).expect("long enough").0;
    head.build[0] ^= 1;
    head.seal(&bytes[HEAD_LEN..]);
    let mut other = bytes.clone();
    other[..size_of::<Head>()].copy_from_slice(head.as_bytes());
    assert_eq!(put(&other), Unusable::OtherBuild);
    assert_eq!(put(&image_bytes(&key(2), 3)), Unusable::OtherKey);
}

/// Sets when an image was last used, seconds after 1970.
fn set_used(path: &Path, seconds: u64) {
    let file = File::open(path).expect("open");
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).expect("utime");
}

#[test]
fn what_was_not_used_for_longest_makes_room() {
    let place = place();
    let one = image_bytes(&key(0), 4).len() as u64;
    let limit = 3 * one;
    let paths: Vec<_> =
        (1..=3).map(|n| add(&place.cache, n, 4, limit).expect("there is room")).collect();
    set_used(&paths[0], 300);
    set_used(&paths[1], 100);
    set_used(&paths[2], 200);
    add(&place.cache, 4, 4, limit).expect("room is made");
    assert_eq!(paths.iter().map(|path| path.exists()).collect::<Vec<_>>(), [true, false, true]);
    let total: u64 = place.cache.entries().expect("list").iter().map(|entry| entry.len).sum();
    assert_eq!(total, limit);
}

#[test]
fn images_in_the_making_count_and_are_not_evicted() {
    let place = place();
    let one = image_bytes(&key(0), 4).len() as u64;
    let limit = 2 * one;
    let making = place.cache.begin(one, ByteSize(limit)).expect("there is room");
    add(&place.cache, 1, 4, limit).expect("there is room");
    let second = place.cache.begin(one, ByteSize(limit)).expect("the finished one goes");
    assert!(matches!(
        place.cache.begin(one, ByteSize(limit)),
        Err(StoreError::NoRoom { left: ByteSize(0), .. })
    ));
    assert!(matches!(second.set_len(one + 1), Err(StoreError::NoRoom { .. })));
    drop(making);
    second.set_len(one + 1).expect("now there is room");
    assert!(matches!(
        place.cache.begin(limit + 1, ByteSize(limit)),
        Err(StoreError::TooLarge { .. })
    ));
}

#[test]
fn an_image_that_is_not_published_leaves_nothing() {
    let place = place();
    let image = place.cache.begin(100, ByteSize(PLENTY)).expect("begin");
    assert_eq!(names(&place.cache).len(), 1);
    drop(image);
    assert!(names(&place.cache).is_empty());
}

#[test]
fn a_published_image_is_private() {
    let place = place();
    let path = add(&place.cache, 1, 1, PLENTY).expect("add");
    assert_eq!(fs::metadata(path).expect("stat").permissions().mode() & 0o777, 0o600);
}

#[test]
fn pruning_removes_what_no_start_will_use() {
    let place = place();
    let images = place.cache.path().join(IMAGES);
    add(&place.cache, 1, 1, PLENTY).expect("add");
    place.cache.write_selector(&key(1), [&b"A"[..]]).expect("selector");
    let path = add(&place.cache, 2, 1, PLENTY).expect("add");
    place.cache.write_selector(&key(2), [&b"A"[..]]).expect("selector");
    let mut bytes = fs::read(&path).expect("read");
    bytes[std::mem::offset_of!(Head, build)] ^= 1;
    fs::write(&path, bytes).expect("write");
    fs::write(images.join(UNFINISHED_OF_DEAD), "left over").expect("write");
    fs::write(images.join(format!("{}.lock", key(3))), "").expect("write");
    let held = place.cache.lock(&key(4)).expect("lock").expect("is free");
    let making = place.cache.begin(10, ByteSize(PLENTY)).expect("begin");
    let pruned = place.cache.prune().expect("prune");
    // The dead freezer's file was already gone when `begin` made room.
    assert_eq!(pruned.files, 1);
    let mut expected = vec![
        making.path().file_name().expect("name").to_str().expect("UTF-8").to_owned(),
        image_name(&key(1), &key(0)).replace("images/", ""),
        format!("{}.selector", key(1)),
        format!("{}.lock", key(4)),
    ];
    expected.sort();
    assert_eq!(names(&place.cache), expected);
    drop(held);
}

const UNFINISHED_OF_DEAD: &str = ".new-1-0";

#[test]
fn one_freezer_holds_the_lock_of_a_key() {
    let place = place();
    let lock = place.cache.lock(&key(1)).expect("lock").expect("is free");
    assert!(place.cache.lock(&key(1)).expect("lock").is_none());
    assert!(place.cache.lock(&key(2)).expect("lock").is_some());
    drop(lock);
    assert!(names(&place.cache).is_empty());
    assert!(place.cache.lock(&key(1)).expect("lock").is_some());
}

#[test]
fn a_lock_is_handed_on() {
    let place = place();
    let lock = place.cache.lock(&key(1)).expect("lock").expect("is free");
    let inherited = lock.as_file().try_clone_to_owned().expect("dup");
    lock.leave();
    assert!(place.cache.lock(&key(1)).expect("lock").is_none());
    drop(place.cache.adopt_lock(&key(1), inherited));
    assert!(names(&place.cache).is_empty());
}

#[test]
fn a_use_is_noted_once_an_hour() {
    let place = place();
    let path = add(&place.cache, 1, 1, PLENTY).expect("add");
    let noted = || {
        place.cache.open_image(&key(1), &key(0)).expect("open").note_use();
        fs::metadata(&path).expect("stat").modified().expect("mtime")
    };
    let recent = SystemTime::now() - Duration::from_secs(1000);
    File::open(&path).expect("open").set_modified(recent).expect("utime");
    assert_eq!(noted(), recent);
    set_used(&path, 1000);
    assert!(noted() > recent);
}

#[test]
fn removing_the_last_image_of_a_key_removes_its_selector() {
    let place = place();
    add(&place.cache, 1, 1, PLENTY).expect("add");
    place.cache.write_selector(&key(1), [&b"A"[..]]).expect("selector");
    for entry in place.cache.entries().expect("list") {
        place.cache.remove(&entry).expect("remove");
    }
    assert!(names(&place.cache).is_empty());
}
