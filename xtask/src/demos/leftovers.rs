//! Finds what a demo left outside its directory: shared memory, temporary files and sockets.
//!
//! Other programs of the library may run at the same time. What is theirs is told from what was
//! left behind by its holder: it is looked at when no process of the demo is alive any more, so
//! whatever a living process holds belongs to another program. Nothing else tells them apart,
//! therefore a program that is killed elsewhere at this moment is blamed on the demo.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::processes::pids;

/// How the names of everything the library makes begin.
const PREFIX: &str = "procession-";

/// What the names of its sockets contain.
const IN_SOCKET_NAMES: &str = "procession";

/// How often it is looked whether something has gone.
const PAUSE: Duration = Duration::from_millis(20);

/// Something with a name that outlives processes, or may.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Thing {
    /// An entry of `/dev/shm` or of the folder for temporary files.
    File(PathBuf),
    /// A socket, by its inode and its name.
    Socket(String, String),
}

impl Thing {
    /// Tells whether a process that has this file open or mapped, or its like, holds the thing.
    ///
    /// A family lives as long as anything of it is held: its lease, or any of its segments.
    fn is_held_as(&self, name: &str) -> bool {
        match self {
            Self::File(path) => is_of_family(name, &family(path)),
            Self::Socket(inode, _) => name == format!("socket:[{inode}]"),
        }
    }

    /// Tells whether another user made it.
    fn is_of_another_user(&self) -> bool {
        let Self::File(path) = self else { return false };
        let owner = fs::symlink_metadata(path).map(|metadata| metadata.uid());
        owner.is_ok_and(|owner| owner != nix::unistd::geteuid().as_raw())
    }
}

impl std::fmt::Display for Thing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Socket(_, name) => write!(f, "the socket {name}"),
        }
    }
}

/// What was there before a demo ran.
#[derive(Debug)]
pub(super) struct Before {
    things: BTreeSet<Thing>,
    directory: PathBuf,
}

impl Before {
    /// Notes what is there now; `directory` is where the demo will run.
    pub(super) fn now(directory: &Path) -> Self {
        Self {
            things: things(directory),
            directory: directory.to_owned(),
        }
    }

    /// Waits until nothing new is left, and returns what is at the end of the grace.
    ///
    /// To be called when no process of the demo is left.
    pub(super) fn settle(&self, grace: Duration) -> Vec<String> {
        let end = Instant::now() + grace;
        loop {
            let left = self.left();
            if left.is_empty() || Instant::now() >= end {
                return left
                    .iter()
                    .map(|thing| format!("it left {thing}"))
                    .collect();
            }
            thread::sleep(PAUSE);
        }
    }

    /// Returns what is new and nobody's.
    fn left(&self) -> Vec<Thing> {
        let mut new = things(&self.directory);
        new.retain(|thing| !self.things.contains(thing) && !thing.is_of_another_user());
        if new.is_empty() {
            return Vec::new();
        }
        let held = held();
        let is_held = |thing: &Thing| held.iter().any(|name| thing.is_held_as(name));
        new.into_iter().filter(|thing| !is_held(thing)).collect()
    }
}

/// Returns everything that has the look of the library's.
fn things(directory: &Path) -> BTreeSet<Thing> {
    let places = [PathBuf::from("/dev/shm"), std::env::temp_dir()];
    let files = places
        .iter()
        .flat_map(|place| entries(place))
        .filter(|path| is_ours(path));
    let table = fs::read_to_string("/proc/net/unix").unwrap_or_default();
    files
        .map(Thing::File)
        .chain(sockets(&table, directory))
        .collect()
}

/// Returns the paths of a folder's entries.
fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect()
}

fn is_ours(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with(PREFIX))
}

/// Returns the named sockets in `/proc/net/unix` that are the library's or lie in the directory.
fn sockets(table: &str, directory: &Path) -> Vec<Thing> {
    let directory = directory.to_string_lossy();
    table
        .lines()
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let (inode, name) = (fields.nth(6)?, fields.next()?);
            let ours = name.contains(IN_SOCKET_NAMES) || name.contains(&*directory);
            ours.then(|| Thing::Socket(inode.to_owned(), name.to_owned()))
        })
        .collect()
}

/// Returns what all names of a family begin with: `procession-<family>` of
/// `procession-<family>-<number>`, or of `procession-<family>.<word>`.
fn family(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let family = name.strip_prefix(PREFIX).unwrap_or(&name);
    let family = family.split(['-', '.']).next().unwrap_or_default();
    path.with_file_name(format!("{PREFIX}{family}"))
        .to_string_lossy()
        .into_owned()
}

/// Tells whether the name is of that family, and not of one whose name is longer.
fn is_of_family(name: &str, family: &str) -> bool {
    let rest = name.strip_prefix(family);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.', ' ', '/']))
}

/// Returns what living processes have open, mapped or as their folder.
///
/// Processes of other users cannot be looked into, but what they made is not counted either.
fn held() -> BTreeSet<String> {
    pids()
        .into_iter()
        .flat_map(|pid| held_by(&PathBuf::from(format!("/proc/{pid}"))))
        .collect()
}

fn held_by(process: &Path) -> Vec<String> {
    let links = entries(&process.join("fd"))
        .into_iter()
        .chain([process.join("cwd")]);
    let open = links.filter_map(|link| fs::read_link(link).ok());
    let mut held: Vec<String> = open
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    let maps = fs::read_to_string(process.join("maps")).unwrap_or_default();
    held.extend(
        maps.lines()
            .filter_map(|line| Some(line[line.find('/')?..].to_owned())),
    );
    held
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::unix::net::UnixListener;

    fn shm(name: &str) -> PathBuf {
        PathBuf::from(format!(
            "/dev/shm/{PREFIX}xtask{}{name}",
            std::process::id()
        ))
    }

    /// Waits until the entry counts as left: other tests start programs meanwhile, which hold what
    /// is open here for a moment.
    fn is_left_soon(before: &Before, path: &Path) -> bool {
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end {
            if before.left().contains(&Thing::File(path.to_owned())) {
                return true;
            }
            thread::sleep(PAUSE);
        }
        false
    }

    #[test]
    fn an_entry_that_nobody_holds_is_left() {
        let before = Before::now(Path::new("/nowhere"));
        let path = shm("a-1");
        drop(File::create(&path).unwrap());
        let is_left = is_left_soon(&before, &path);
        let is_new = !Before::now(Path::new("/nowhere"))
            .things
            .contains(&Thing::File(path.clone()));
        fs::remove_file(&path).unwrap();
        assert!(is_left && !is_new);
    }

    #[test]
    fn an_entry_of_a_living_family_is_not_left() {
        let before = Before::now(Path::new("/nowhere"));
        let (segment, lease) = (shm("b-1"), shm("b.lease"));
        drop(File::create(&segment).unwrap());
        let held = File::create(&lease).unwrap();
        let while_held = before.left();
        drop(held);
        let is_left = is_left_soon(&before, &segment);
        fs::remove_file(&segment).unwrap();
        fs::remove_file(&lease).unwrap();
        assert!(
            !while_held.contains(&Thing::File(segment)),
            "{while_held:?}"
        );
        assert!(is_left);
    }

    #[test]
    fn other_names_are_not_ours() {
        assert!(!is_ours(Path::new("/dev/shm/pulse-shm-1")));
        assert!(is_ours(Path::new("/dev/shm/procession-abc-1")));
    }

    #[test]
    fn a_family_is_what_its_names_have_in_common() {
        for name in ["procession-abc-1", "procession-abc.lease", "procession-abc"] {
            assert_eq!(
                family(&Path::new("/dev/shm").join(name)),
                "/dev/shm/procession-abc"
            );
        }
    }

    #[test]
    fn a_longer_name_is_of_another_family() {
        let family = "/dev/shm/procession-abc";
        assert!(is_of_family("/dev/shm/procession-abc-12", family));
        assert!(is_of_family("/dev/shm/procession-abc.lease", family));
        assert!(!is_of_family("/dev/shm/procession-abcd-12", family));
    }

    #[test]
    fn sockets_are_read_with_their_names() {
        let table = "Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000: 00000002 00000000 00010000 0001 01 146 @procession-abc\n\
            0000: 00000003 00000000 00000000 0001 03 147\n\
            0000: 00000002 00000000 00010000 0001 01 148 /t/demo/s\n\
            0000: 00000002 00000000 00010000 0001 01 149 @other\n";
        let found = sockets(table, Path::new("/t/demo"));
        let socket = |inode: &str, name: &str| Thing::Socket(inode.to_owned(), name.to_owned());
        assert_eq!(
            found,
            [socket("146", "@procession-abc"), socket("148", "/t/demo/s")]
        );
    }

    #[test]
    fn a_socket_that_a_living_process_holds_is_not_left() {
        let directory = tempfile::tempdir().unwrap();
        let before = Before::now(directory.path());
        let _listener = UnixListener::bind(directory.path().join("s")).unwrap();
        let is_socket = |thing: &&Thing| matches!(thing, Thing::Socket(..));
        let now = things(directory.path());
        assert_eq!(now.difference(&before.things).filter(is_socket).count(), 1);
        assert_eq!(before.left().iter().filter(is_socket).count(), 0);
    }
}
