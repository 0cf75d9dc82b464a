//! Has the kernel say when inputs may have changed, so that they need not be compared at each start.
//!
//! A watch is sound on file systems that only this machine changes; elsewhere there is none, and everything is compared each time. What a
//! program changes through a mapping of a file is noticed when the file is closed.

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// Most symbolic links on the way to a file, as in the kernel.
const MOST_LINKS: usize = 40;

/// File systems that only this machine changes, by their numbers in `statfs`: ext2 to ext4, XFS, btrfs, tmpfs, overlayfs, f2fs, ZFS,
/// squashfs, EROFS, ramfs, bcachefs.
const LOCAL: [i64; 11] = [
    0xef53,
    0x5846_5342,
    0x9123_683e,
    0x0102_1994,
    0x794c_7630,
    0xf2f5_2010,
    0x2fc1_2fc1,
    0x7371_7368,
    0xe0f5_e1e2,
    0x8584_58f6,
    0xca45_1a4e,
];

/// Names in a directory that matter.
#[derive(Debug)]
enum Names {
    All,
    Some(HashSet<OsString>),
}

/// A watch over paths.
#[derive(Debug)]
pub struct Watch {
    inotify: OwnedFd,
    /// Told of by the kernel when something is mounted.
    mounts: File,
    names: HashMap<i32, Names>,
    /// Folders, no links, the way to which is watched.
    passed: HashSet<PathBuf>,
}

impl Watch {
    /// Watches paths, with all that leads to them.
    ///
    /// # Errors
    /// Where one lies on a file system that others may change as well, or so many watches are not to be had.
    pub fn over(paths: &[PathBuf]) -> io::Result<Watch> {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        let mounts = File::open("/proc/self/mountinfo")?;
        let mut watch = Watch { inotify, mounts, names: HashMap::new(), passed: HashSet::new() };
        // The first look only tells what has been mounted by now.
        watch.something_was_mounted();
        for path in paths {
            watch.add(path, 0)?;
        }
        Ok(watch)
    }

    /// Watches the way to a path, from the root on, and what it leads to.
    fn add(&mut self, path: &Path, links: usize) -> io::Result<()> {
        let mut folder = PathBuf::from("/");
        let mut rest = path.components();
        while let Some(component) = rest.next() {
            let name = match component {
                Component::Normal(name) => name,
                Component::ParentDir => {
                    folder.pop();
                    continue;
                }
                _ => continue,
            };
            let next = folder.join(name);
            if self.passed.contains(&next) {
                folder = next;
                continue;
            }
            self.watch_name(&folder, name.to_owned())?;
            let Ok(metadata) = next.symlink_metadata() else { return Ok(()) };
            if metadata.is_symlink() {
                if links >= MOST_LINKS {
                    return Err(io::ErrorKind::InvalidInput.into());
                }
                let target = folder.join(next.read_link()?).join(rest.as_path());
                return self.add(&target, links + 1);
            }
            if metadata.is_file() && metadata.nlink() > 1 {
                // It may be changed under another name.
                self.watch_all(&next)?;
            }
            if !metadata.is_dir() {
                return Ok(());
            }
            self.passed.insert(next.clone());
            folder = next;
        }
        if folder.is_dir() { self.watch_all(&folder) } else { Ok(()) }
    }

    fn watch_name(&mut self, folder: &Path, name: OsString) -> io::Result<()> {
        let number = self.watch(folder)?;
        match self.names.entry(number).or_insert_with(|| Names::Some(HashSet::new())) {
            Names::All => {}
            Names::Some(names) => {
                names.insert(name);
            }
        }
        Ok(())
    }

    fn watch_all(&mut self, path: &Path) -> io::Result<()> {
        let number = self.watch(path)?;
        self.names.insert(number, Names::All);
        Ok(())
    }

    fn watch(&self, path: &Path) -> io::Result<i32> {
        if !LOCAL.contains(&(rustix::fs::statfs(path)?.f_type as i64)) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let flags = WatchFlags::MODIFY
            | WatchFlags::ATTRIB
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::MOVE
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF;
        Ok(inotify::add_watch(&self.inotify, path, flags)?)
    }

    /// Whether nothing has happened since this was asked last that may have changed an input.
    pub fn is_quiet(&self) -> bool {
        let mut quiet = !self.something_was_mounted();
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(&self.inotify, &mut buffer);
        loop {
            match reader.next() {
                Ok(event) => quiet &= !self.matters(event.wd(), event.events(), event.file_name()),
                Err(Errno::AGAIN) => return quiet,
                Err(Errno::INTR) => {}
                Err(_) => return false,
            }
        }
    }

    fn matters(&self, number: i32, events: ReadFlags, name: Option<&std::ffi::CStr>) -> bool {
        if events.intersects(ReadFlags::QUEUE_OVERFLOW | ReadFlags::IGNORED | ReadFlags::UNMOUNT) {
            return true;
        }
        match (self.names.get(&number), name) {
            (Some(Names::Some(names)), Some(name)) => {
                names.contains(std::ffi::OsStr::from_bytes(name.to_bytes()))
            }
            // What happens to a folder itself: its stamp counts only where it is an input, but it may be moved away.
            (Some(Names::Some(_)), None) => {
                events.intersects(ReadFlags::MOVE_SELF | ReadFlags::DELETE_SELF | ReadFlags::ATTRIB)
            }
            (Some(Names::All) | None, _) => true,
        }
    }

    fn something_was_mounted(&self) -> bool {
        let mut wait = [PollFd::new(&self.mounts, PollFlags::PRI)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let polled = rustix::event::poll(&mut wait, Some(&now));
        polled.is_err() || wait[0].revents().intersects(PollFlags::PRI | PollFlags::ERR)
    }
}

impl AsFd for Watch {
    /// Can be read when something may have happened.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn quiet_after(watch: &Watch, change: impl FnOnce()) -> bool {
        assert!(watch.is_quiet());
        change();
        watch.is_quiet()
    }

    #[test]
    fn changes_of_inputs_are_noticed_and_others_are_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("release/lib")).expect("folders");
        fs::write(at("release/lib/a.py"), "1").expect("a file");
        std::os::unix::fs::symlink("release", at("current")).expect("a link");
        let paths = [at("current/lib/a.py"), at("missing/folder/b.py")];
        let watch = || Watch::over(&paths).expect("a local file system");
        assert!(quiet_after(&watch(), || fs::write(at("unrelated"), "x").expect("written")));
        assert!(!quiet_after(&watch(), || fs::write(at("release/lib/a.py"), "2").expect("written")));
        assert!(!quiet_after(&watch(), || fs::create_dir(at("missing")).expect("made")));
        assert!(!quiet_after(&watch(), || {
            fs::remove_file(at("current")).expect("removed");
            std::os::unix::fs::symlink("elsewhere", at("current")).expect("a link");
        }));
    }

    #[test]
    fn a_file_is_noticed_under_another_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let other = tempfile::tempdir().expect("a folder");
        let (one, two) = (folder.path().join("a.py"), other.path().join("b.py"));
        fs::write(&one, "1").expect("a file");
        fs::hard_link(&one, &two).expect("a link on the same file system");
        let watch = Watch::over(&[one]).expect("a local file system");
        assert!(!quiet_after(&watch, || fs::write(&two, "2").expect("written")));
    }
}
