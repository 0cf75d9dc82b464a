use super::observe::tidy;
use super::{
    Caches, Changed, InputError, Note, Observed, Op, Record, Tables, build, build_refusal, check,
};
use glowplug_image::inputs::{DIRECTORY_FOUND_IN, FILE_IS_DIRECTORY, NO_PARENT};
use glowplug_image::{Head, Section};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;
use zerocopy::{FromBytes, IntoBytes};

/// A folder with files, and what a freezer saw of it.
struct World {
    dir: TempDir,
    observed: Observed,
}

impl World {
    fn new(files: &[&str]) -> World {
        let world = World { dir: tempfile::tempdir().unwrap(), observed: Observed::default() };
        for file in files {
            world.write(file, "x = 1\n");
        }
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        if name.starts_with('/') { PathBuf::from(name) } else { self.dir.path().join(name) }
    }

    fn write(&self, name: &str, contents: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    fn saw(mut self, op: Op, names: &[&str]) -> World {
        for name in names {
            let path = self.path(name);
            self.observed.record.note(path, op);
        }
        self
    }

    fn looked_up(mut self, dir: &str, stems: &[&str]) -> World {
        let stems: BTreeSet<String> = stems.iter().map(|stem| (*stem).to_owned()).collect();
        let dir = self.path(dir);
        self.observed.record.note(tidy(dir.as_os_str()), Op::FinderList);
        self.observed.lookups.insert(dir, stems);
        self
    }

    fn ran(mut self, name: &str, prefix_len: u64) -> World {
        self.observed.program = Some((self.path(name), prefix_len));
        self
    }

    /// Builds as a freezer that starts later than anything in the folder was written.
    fn build(&self) -> Result<Tables, InputError> {
        build(&self.observed, SystemTime::now() + Duration::from_secs(60))
    }

    /// Builds as a freezer that started before everything in the folder was written.
    fn build_early(&self) -> Result<Tables, InputError> {
        build(&self.observed, SystemTime::now() - Duration::from_secs(60))
    }

    fn image(&self) -> Image {
        Image(self.build().unwrap().alone())
    }

    fn error(&self) -> String {
        self.build().unwrap_err().to_string().replace(self.dir.path().to_str().unwrap(), "DIR")
    }
}

struct Image(Vec<u64>);

impl Image {
    fn check(&self) -> Result<(), Changed> {
        let bytes = self.0.as_bytes();
        let head = Head::parse(bytes, bytes.len() as u64).unwrap();
        check(head, bytes, Caches::Warm)
    }

    /// What changed, relative to the world's folder, with what is said of it.
    fn change(&self, world: &World) -> String {
        let text = self.check().unwrap_err().to_string();
        text.replace(world.dir.path().to_str().unwrap(), "DIR")
    }
}

fn names(tables: &Tables) -> Vec<String> {
    let text = |offset: u32| {
        let rest = &tables.strings[offset as usize..];
        let end = rest.iter().position(|byte| *byte == 0).unwrap();
        String::from_utf8_lossy(&rest[..end]).into_owned()
    };
    // What every build adds for the dynamic loader says nothing here.
    let dirs = tables.directories.iter().filter(|dir| text(dir.path) != "/etc");
    dirs.flat_map(|dir| {
        let files = &tables.files[dir.files as usize..][..dir.file_count as usize];
        let absences = &tables.absences[dir.absences as usize..][..dir.absence_count as usize];
        let files = files.iter().map(|file| match file.kind {
            FILE_IS_DIRECTORY => format!("{}/", text(file.name)),
            glowplug_image::inputs::FILE_NOFOLLOW => format!("{}@", text(file.name)),
            _ => text(file.name),
        });
        let absences = absences.iter().map(|absent| format!("!{}", text(absent.name)));
        files.chain(absences).collect::<Vec<_>>()
    })
    .collect()
}

#[test]
fn unchanged_inputs_pass() {
    let world = World::new(&["lib/a.py", "lib/b/__init__.py", "lib/b/data.json", "run.py"])
        .looked_up("lib", &["a", "b", "c"])
        .looked_up("lib/b", &["data"])
        .saw(Op::Read, &["lib/a.py", "lib/b/__init__.py", "lib/b/data.json"])
        .saw(Op::Stat, &["lib/b"])
        .saw(Op::Missing, &["lib/c.py", "nowhere/deep/x.py"])
        .ran("run.py", 3);
    world.image().check().unwrap();
}

#[test]
fn a_file_edited_in_place_is_seen() {
    let world = World::new(&["lib/a.py"]).saw(Op::Read, &["lib/a.py"]);
    let image = world.image();
    world.write("lib/a.py", "x = 2\n");
    assert_eq!(image.change(&world), "inputs changed: DIR/lib/a.py");
    fs::remove_file(world.path("lib/a.py")).unwrap();
    assert_eq!(image.change(&world), "inputs changed: DIR/lib/a.py is gone");
    fs::remove_dir(world.path("lib")).unwrap();
    assert_eq!(image.change(&world), "inputs changed: DIR/lib is gone");
}

#[test]
fn a_file_replaced_by_one_of_the_same_size_and_time_is_seen() {
    let world = World::new(&["lib/a.py"]).saw(Op::Read, &["lib/a.py"]);
    let image = world.image();
    let before = fs::metadata(world.path("lib/a.py")).unwrap().modified().unwrap();
    world.write("lib/new", "x = 2\n");
    fs::File::open(world.path("lib/new")).unwrap().set_modified(before).unwrap();
    fs::rename(world.path("lib/new"), world.path("lib/a.py")).unwrap();
    assert_eq!(image.change(&world), "inputs changed: DIR/lib/a.py");
}

#[test]
fn a_name_that_was_looked_up_is_seen_when_it_appears() {
    let world =
        World::new(&["lib/a.py"]).looked_up("lib", &["a", "json"]).saw(Op::Read, &["lib/a.py"]);
    let image = world.image();
    world.write("lib/other.py", "");
    image.check().unwrap();
    world.write("lib/json.py", "");
    assert_eq!(image.change(&world), "inputs changed: names in DIR/lib");
}

#[test]
fn every_name_counts_where_somebody_else_listed() {
    let world = World::new(&["lib/a.py"]).looked_up("lib", &["a"]).saw(Op::List, &["lib"]);
    let image = world.image();
    world.write("lib/other.txt", "");
    assert_eq!(image.change(&world), "inputs changed: names in DIR/lib");
    fs::remove_file(world.path("lib/other.txt")).unwrap();
    image.check().unwrap();
}

#[test]
fn every_name_counts_where_lookups_are_unknown() {
    let world = World::new(&["lib/a.py"]).saw(Op::FinderList, &["lib"]);
    let image = world.image();
    world.write("lib/other.py", "");
    assert_eq!(image.change(&world), "inputs changed: names in DIR/lib");
}

#[test]
fn absences_in_a_listed_directory_are_covered_by_its_names() {
    let world =
        World::new(&["lib/a.py"]).looked_up("lib", &["a"]).saw(Op::Missing, &["lib/conf.py"]);
    assert!(names(&world.build().unwrap()).is_empty());
    let image = world.image();
    world.write("lib/a.image", "");
    image.check().unwrap();
    world.write("lib/conf.py", "");
    assert_eq!(image.change(&world), "inputs changed: names in DIR/lib");
}

#[test]
fn absences_that_can_be_no_modules_are_asked_for() {
    let world =
        World::new(&["lib/a.py"]).looked_up("lib", &["a"]).saw(Op::Missing, &["lib/conf.ini"]);
    assert_eq!(names(&world.build().unwrap()), ["!conf.ini"]);
    let image = world.image();
    world.write("lib/conf.ini", "");
    assert_eq!(image.change(&world), "inputs changed: DIR/lib/conf.ini appeared");
}

#[test]
fn absences_elsewhere_are_asked_for() {
    let world = World::new(&["home/x"]).saw(Op::Missing, &["home/.rc", "home/.config/p/rc"]);
    assert_eq!(names(&world.build().unwrap()), ["!.config/p/rc", "!.rc"]);
    let image = world.image();
    world.write("home/.config/q", "");
    image.check().unwrap();
    world.write("home/.config/p/rc", "");
    assert_eq!(image.change(&world), "inputs changed: DIR/home/.config/p/rc appeared");
}

#[test]
fn an_absence_behind_a_dangling_link_or_a_file_is_asked_for() {
    let world = World::new(&["lib/file"])
        .looked_up("lib", &["a"])
        .saw(Op::Missing, &["lib/link", "lib/file/x"]);
    symlink("target", world.path("lib/link")).unwrap();
    assert_eq!(names(&world.build().unwrap()), ["!file/x", "!link"]);
    let image = world.image();
    image.check().unwrap();
    world.write("lib/target", "");
    assert_eq!(image.change(&world), "inputs changed: DIR/lib/link appeared");
}

#[test]
fn bytecode_is_vouched_for_by_its_source() {
    let world = World::new(&["a.py", "b.py", "__pycache__/a.cpython-311.pyc"]);
    world.write("__pycache__/a.cpython-311.pyc", "0123\0\0\0\0timesize...");
    let world = world
        .saw(Op::Stat, &["a.py", "b.py"])
        .saw(Op::Read, &["__pycache__/a.cpython-311.pyc"])
        .saw(Op::Missing, &["__pycache__/b.cpython-311.pyc"])
        .saw(Op::Write, &["__pycache__/b.cpython-311.pyc", "__pycache__/b.cpython-311.pyc.1234"]);
    assert_eq!(names(&world.build().unwrap()), ["a.py", "b.py"]);
}

#[test]
fn bytecode_without_a_vouching_source_is_a_file() {
    let hashed = "__pycache__/a.cpython-311.pyc";
    let alone = "__pycache__/c.cpython-311.pyc";
    let world = World::new(&["a.py", alone, "d.pyc"]);
    world.write(hashed, "0123\u{1}\0\0\0somehash...");
    let world = world.saw(Op::Stat, &["a.py"]).saw(Op::Read, &[hashed, alone, "d.pyc"]);
    let expected = [hashed, alone, "a.py", "d.pyc"];
    assert_eq!(names(&world.build().unwrap()), expected);
}

#[test]
fn directories_that_were_only_asked_for_may_change() {
    let world = World::new(&["some/a.py"]).saw(Op::Stat, &["some"]);
    assert_eq!(names(&world.build().unwrap()), ["some/"]);
    let image = world.image();
    world.write("some/b.py", "");
    image.check().unwrap();
    fs::rename(world.path("some"), world.path("other")).unwrap();
    world.write("some", "a file now");
    assert_eq!(image.change(&world), "inputs changed: DIR/some");
}

#[test]
fn a_link_that_is_led_elsewhere_is_seen() {
    let world = World::new(&["one/a.py", "two/a.py"]).saw(Op::Link, &["link"]);
    symlink("one", world.path("link")).unwrap();
    assert_eq!(names(&world.build().unwrap()), ["link/", "link@"]);
    let image = world.image();
    image.check().unwrap();
    fs::remove_file(world.path("link")).unwrap();
    symlink("two", world.path("link")).unwrap();
    assert_eq!(image.change(&world), "inputs changed: DIR/link");
}

#[test]
fn only_the_beginning_of_the_program_counts() {
    let world = World::new(&[]).ran("run.py", 9);
    world.write("run.py", "import a\nprint(1)\n");
    let image = world.image();
    world.write("run.py", "import a\nprint(2)\nmore()\n");
    image.check().unwrap();
    world.write("run.py", "import a");
    assert_eq!(image.change(&world), "inputs changed: contents of DIR/run.py");
    world.write("run.py", "import b\nprint(1)\n");
    assert_eq!(image.change(&world), "inputs changed: contents of DIR/run.py");
    fs::remove_file(world.path("run.py")).unwrap();
    assert_eq!(image.change(&world), "inputs changed: DIR/run.py is gone");
}

#[test]
fn a_program_that_counts_as_a_whole_may_not_grow() {
    let world = World::new(&["run.py"]).ran("run.py", 6);
    let image = world.image();
    image.check().unwrap();
    world.write("run.py", "x = 1\ny = 2\n");
    assert_eq!(image.change(&world), "inputs changed: contents of DIR/run.py");
}

#[test]
fn a_program_that_was_also_imported_counts_as_a_file() {
    let asked = || World::new(&["run.py"]).ran("run.py", 0).saw(Op::Stat, &["run.py"]);
    assert!(names(&asked().build().unwrap()).is_empty());
    assert_eq!(names(&asked().saw(Op::Read, &["run.py"]).build().unwrap()), ["run.py"]);
    let cache = "__pycache__/run.cpython-311.pyc";
    assert_eq!(names(&asked().saw(Op::Missing, &[cache]).build().unwrap()), ["run.py"]);
}

#[test]
fn what_changed_since_the_freeze_began_is_refused() {
    let world = World::new(&["a.py"]).saw(Op::Read, &["a.py"]);
    assert!(matches!(world.build_early(), Err(InputError::Racy(path)) if path.ends_with("a.py")));
    let world = World::new(&["a.py"]).saw(Op::List, &["."]);
    assert!(matches!(world.build_early(), Err(InputError::Racy(_))));
    let world = World::new(&["a.py"]).ran("a.py", 1);
    assert!(matches!(world.build_early(), Err(InputError::Racy(_))));
}

#[test]
fn a_finder_may_list_a_directory_that_changes() {
    let world = World::new(&["out.txt"]).looked_up(".", &["json"]);
    let tables = world.build_early().unwrap();
    let dir = tables.directories.iter().find(|dir| dir.kind == DIRECTORY_FOUND_IN).unwrap();
    assert_eq!(dir.stamp.mtime_ns, 0, "its stamp vouches for nothing");
    let image = Image(tables.alone());
    image.check().unwrap();
    world.write("json.py", "");
    assert!(matches!(image.check(), Err(Changed::Directory(_))));
    let racy = World::new(&["json.py"]).looked_up(".", &["json"]);
    assert!(matches!(racy.build_early(), Err(InputError::Racy(path)) if path.ends_with("json.py")));
}

#[test]
fn what_came_or_went_meanwhile_is_refused() {
    let world = World::new(&[]).saw(Op::Read, &["gone.py"]);
    assert_eq!(world.error(), "DIR/gone.py vanished while the program was being frozen");
    let world = World::new(&["here.py"]).saw(Op::Missing, &["here.py"]);
    assert_eq!(world.error(), "DIR/here.py appeared while the program was being frozen");
    let mut world = World::new(&[]);
    world.observed.mapped = vec![PathBuf::from("/lib/x.so (deleted)")];
    assert_eq!(world.error(), "/lib/x.so vanished while the program was being frozen");
}

#[test]
fn what_the_imports_both_read_and_write_is_refused() {
    let world = World::new(&["cache"]).saw(Op::Read, &["cache"]).saw(Op::Write, &["cache"]);
    let error = world.build_early().unwrap_err();
    assert!(matches!(&error, InputError::ReadAndWritten(path) if path.ends_with("cache")));
    assert!(!error.is_passing());
    let consumed = World::new(&[]).saw(Op::Read, &["job"]).saw(Op::Write, &["job"]);
    assert!(matches!(consumed.build(), Err(InputError::ReadAndWritten(_))));
}

#[test]
fn a_refusal_keeps_the_inputs_that_are_not_at_fault() {
    let world = World::new(&["a.py"]).saw(Op::Read, &["a.py", "/dev/nvidia0", "/proc/1/stat"]);
    assert!(world.build().is_err_and(|error| !error.is_passing()));
    let later = SystemTime::now() + Duration::from_secs(60);
    assert_eq!(names(&build_refusal(&world.observed, later).unwrap()), ["a.py"]);
    let racy = build_refusal(&world.observed, SystemTime::now() - Duration::from_secs(60));
    assert!(racy.is_err_and(|error| error.is_passing()));
}

#[test]
fn what_the_imports_only_write_is_noted() {
    let world = World::new(&["log"]).saw(Op::Write, &["log", "temporary"]);
    let tables = world.build_early().unwrap();
    let removed = Note::Removed(world.path("temporary"));
    assert_eq!(tables.notes, [Note::Wrote(world.path("log")), removed]);
    assert!(names(&tables).is_empty());
    // Opened for writing, but long before: it was read at most.
    assert_eq!(names(&world.build().unwrap()), ["log"]);
}

#[test]
fn bytecode_that_python_writes_down_is_no_act_of_the_imports() {
    let files = ["lib/a.py", "lib/__pycache__/a.cpython-311.pyc"];
    let temporary = "lib/__pycache__/a.cpython-311.pyc.1402";
    let world = World::new(&files)
        .saw(Op::Read, &["lib/a.py"])
        .saw(Op::Missing, &["lib/__pycache__", files[1], temporary])
        .saw(Op::Write, &["lib/__pycache__", files[1], temporary]);
    let source = world.path("lib/a.py");
    let past = SystemTime::now() - Duration::from_secs(60);
    let tables = build(&world.observed, past);
    assert!(matches!(&tables, Err(InputError::Racy(path)) if *path == source), "{tables:?}");
    let tables = world.build().unwrap();
    assert_eq!(names(&tables), ["a.py"]);
    assert!(tables.notes.is_empty());
}

#[test]
fn what_the_imports_made_and_removed_is_noted() {
    let world = World::new(&[]).saw(Op::Write, &["tmp"]).saw(Op::Stat, &["tmp"]);
    let tables = world.build().unwrap();
    assert!(names(&tables).is_empty());
    assert_eq!(tables.notes, [Note::Removed(world.path("tmp"))]);
}

#[test]
fn a_lock_file_that_came_and_went_stays_absent() {
    let world = World::new(&["x"]).saw(Op::Missing, &["lock"]).saw(Op::Write, &["lock"]);
    assert_eq!(names(&world.build().unwrap()), ["!lock"]);
}

#[test]
fn pseudo_files_are_no_files() {
    let world = World::new(&[])
        .saw(Op::Read, &["/dev/urandom", "/proc/self/maps", "/proc/loadavg", "/proc/nothing"])
        .saw(Op::Missing, &["/sys/nothing"]);
    let tables = world.build().unwrap();
    assert!(names(&tables).is_empty());
    assert!(tables.notes.contains(&Note::HostFact(PathBuf::from("/proc/loadavg"))));
    let fact = "/proc/sys/kernel/random/boot_id";
    let image = World::new(&[]).saw(Op::Read, &[fact]).image();
    image.check().unwrap();
    assert!(matches!(
        World::new(&[]).saw(Op::Read, &["/proc/1/stat"]).build(),
        Err(InputError::OtherProcess(_))
    ));
    assert!(matches!(
        World::new(&[]).saw(Op::Read, &["/dev/nvidia0"]).build(),
        Err(InputError::Device(_))
    ));
}

#[test]
fn mappings_and_extra_files_are_files() {
    let mut world = World::new(&["x.so", "python"]);
    world.observed.mapped =
        ["[heap]", "/memfd:jit", "/dev/zero"].into_iter().map(PathBuf::from).collect();
    world.observed.mapped.push(world.path("x.so"));
    world.observed.extra_files.push(world.path("python"));
    world.write("own/restorer", "");
    world.observed.own.push(world.path("own"));
    world.observed.extra_files.push(world.path("own/restorer"));
    let world = world.saw(Op::Read, &["own/recorder.so"]);
    assert_eq!(names(&world.build().unwrap()), ["own/restorer", "python", "x.so"]);
}

#[test]
fn directories_are_reached_through_their_parents() {
    let files: Vec<String> = ["a", "a/b/c", "a/bb"]
        .into_iter()
        .flat_map(|dir| (0..10).map(move |file| format!("{dir}/{file}")))
        .chain(["a/few/x".to_owned()])
        .collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let world = World::new(&files).looked_up("a/few", &["x"]).saw(Op::Read, &files);
    let tables = world.build().unwrap();
    let parents: Vec<u32> = tables.directories.iter().map(|dir| dir.parent).collect();
    // The first is /etc, for the dynamic loader; the last has few entries, which are asked for from above.
    assert_eq!(parents, [NO_PARENT, NO_PARENT, 1, 1, 1]);
    assert_eq!(tables.directories[4].file_count, 0);
    assert!(names(&tables).contains(&"few/x".to_owned()));
    let image = Image(tables.alone());
    image.check().unwrap();
    world.write("a/few/x", "y");
    assert_eq!(image.change(&world), "inputs changed: DIR/a/few/x");
}

#[test]
fn many_inputs_are_checked_by_two_threads() {
    let files: Vec<String> =
        (0..60).flat_map(|d| (0..20).map(move |f| format!("d{d}/f{f}"))).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let world = World::new(&files).saw(Op::Read, &files);
    for file in ["d0/f0", "d31/f7", "d59/f19"] {
        let image = world.image();
        image.check().unwrap();
        let before = fs::metadata(world.path(file)).unwrap().permissions();
        let mut read_only = before.clone();
        read_only.set_readonly(true);
        fs::set_permissions(world.path(file), read_only).unwrap();
        fs::set_permissions(world.path(file), before).unwrap();
        assert_eq!(image.change(&world), format!("inputs changed: DIR/{file}"));
    }
}

#[test]
fn records_are_read() {
    let mut file = vec![0u8; 64];
    file.extend_from_slice(b"O/a//./b/\0ELANG\0X/bin/sh\0C/run/x\0S/a/b\0\0\0Qx\0Orelative\0");
    let used = (file.len() - 64) as u64;
    file[..8].copy_from_slice(&used.to_le_bytes());
    file[8..16].copy_from_slice(&7u64.to_le_bytes());
    let record = Record::parse(&file);
    assert_eq!((record.pid, record.overflow, record.damaged), (7, false, 2));
    assert!(record.variables.contains(OsStr::new("LANG")));
    let deeds: Vec<_> = record.deeds.iter().map(|d| (d.op, d.name.to_str().unwrap())).collect();
    assert!(deeds.contains(&(b'X', "/bin/sh")) && deeds.contains(&(b'C', "/run/x")));
    let seen = record.paths[Path::new("/a/b")];
    assert_eq!(seen.first(), Op::Read);
    assert!(seen.has(Op::Stat) && !seen.has(Op::Write));
    assert_eq!(record.opened().collect::<Vec<_>>(), [Path::new("/a/b")]);
}

#[test]
fn what_another_pass_read_about_itself_is_not_added() {
    let mut theirs = Record { pid: 7, ..Record::default() };
    for path in ["/proc/7/stat", "/proc/71/stat", "/a/b", "/w/x"] {
        theirs.note(path.into(), Op::Read);
    }
    let mut record = Record { pid: 8, ..Record::default() };
    record.add_reads(&theirs, &BTreeSet::from(["/w".into()]));
    assert_eq!(record.opened().collect::<Vec<_>>(), [Path::new("/a/b")]);
}

#[test]
fn a_record_that_is_cut_off_says_so() {
    let mut file = vec![0u8; 64];
    file[..8].copy_from_slice(&100u64.to_le_bytes());
    file.extend_from_slice(b"O/a");
    assert!(Record::parse(&file).overflow);
    assert!(Record::parse(&[0, 1, 2]).paths.is_empty());
    let mut world = World::new(&[]);
    world.observed.record.overflow = true;
    assert!(matches!(world.build(), Err(InputError::Overflow)));
}

/// An image whose every word was replaced in turn either passes or is refused, and says why.
#[test]
fn damaged_tables_are_survived() {
    let world = World::new(&["a/x", "a/b/y", "run"])
        .looked_up("a", &["x"])
        .saw(Op::Read, &["a/x", "a/b/y"])
        .saw(Op::Missing, &["no"])
        .ran("run", 2);
    let good = world.image().0;
    let mut refused = 0;
    let tables = glowplug_image::HEAD_LEN / 8;
    for at in (0..size_of::<Head>() / 8).chain(tables..good.len()) {
        for value in [0, 1, u64::MAX, 0x7fff_ffff, 1 << 32] {
            let mut words = good.clone();
            words[at] = value;
            let bytes = words.as_bytes();
            if let Ok(head) = Head::parse(bytes, bytes.len() as u64) {
                refused += u32::from(check(head, bytes, Caches::Cold).is_err());
            }
        }
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn a_table_that_is_cut_off_does_not_pass_for_an_empty_one() {
    let image = World::new(&["a"]).saw(Op::Read, &["a"]).image().0;
    let bytes = image.as_bytes();
    let head = Head::parse(bytes, bytes.len() as u64).unwrap();
    let strings = head.section(Section::Strings);
    let short = &bytes[..usize::try_from(strings.offset).unwrap()];
    assert!(matches!(check(head, short, Caches::Warm), Err(Changed::Damaged(_))));
    let mut wrong = Head::read_from_prefix(bytes).unwrap().0;
    wrong.sections[Section::Files as usize].len = 0;
    assert!(matches!(check(&wrong, bytes, Caches::Warm), Err(Changed::Damaged(_))));
}

#[test]
fn what_libc_reads_by_itself_counts() {
    let tables = World::new(&[]).build().unwrap();
    let strings = String::from_utf8_lossy(&tables.strings).into_owned();
    let named: Vec<&str> = strings.split('\0').collect();
    for file in ["ld.so.cache", "ld.so.preload", "localtime"] {
        assert!(named.contains(&file), "{file} is no input: {named:?}");
    }
}
