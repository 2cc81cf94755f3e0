//! Tests of what a process of another build does with the messages of this one.

use crate::current::current_process;
use crate::init::MARKER;
use crate::method::{StartMethod, fork_server};
use crate::settings::Choices;
use crate::start::{self, Start, WorkSocket};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use procession_pipe::{Channel, Deadline};
use procession_testkit::watchdog;
use procession_wire::Message;
use std::fs::{self, Permissions};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};

crate::enable_in_tests!();

/// Held by a test that writes programs: a child that another test starts meanwhile would have such a
/// file open for writing, and it could not be run.
static WRITING: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    WRITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes a copy of this program that `change` may change.
fn copy(directory: &Path, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> PathBuf {
    let (path, mut bytes) = (directory.join(name), fs::read("/proc/self/exe").unwrap());
    change(&mut bytes);
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
    path
}

/// Makes it another build: by its build id, or by its bytes if it has none.
fn rebuild(bytes: &mut Vec<u8>) {
    /// The end of the header of the note that holds the build id.
    const NOTE: &[u8] = b"\x03\0\0\0GNU\0";
    if let Some(at) = bytes.windows(NOTE.len()).position(|bytes| bytes == NOTE) {
        bytes[at + NOTE.len()] ^= 1;
    }
    bytes.push(0);
}

/// How a program ended that was started as a child, and the bytes that it has sent.
type Told = (ExitStatus, Vec<u8>);

/// Starts `program` as a child that gets this message, and its work if it is not to be a server, and
/// waits for its end.
fn tell(program: &Path, message: Message, work: Option<(Channel, Message)>) -> Told {
    let (channel, control) = Channel::pair().unwrap();
    let control = OwnedFd::from(control);
    fcntl(&control, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    let mut child = Command::new(program)
        .args([MARKER, &control.as_raw_fd().to_string()])
        .spawn()
        .unwrap();
    drop(control);
    channel.send(message).unwrap();
    if let Some((socket, work)) = work {
        // Who does not want it has closed the socket.
        let _ = socket.send(work);
    }
    let status = child.wait().unwrap();
    let sent = channel.recv_bytes_by(Deadline::PASSED);
    (status, sent.unwrap())
}

fn refused((status, sent): &Told) -> bool {
    let words = String::from_utf8_lossy(sent);
    status.code() == Some(70) && words.contains("it was started by another executable")
}

/// Starts `program` as a child that is to leave a file.
fn start(program: &Path, mark: &Path) -> Told {
    let described = current_process().child(None, None, false);
    let (settings, _) = Choices::default().settings(StartMethod::Spawn).unwrap();
    let mut start = Start::new(described, settings).unwrap();
    let (message, socket) = start.message(WorkSocket::new().unwrap()).unwrap();
    let leave = |mark: PathBuf| fs::write(mark, "it ran").unwrap();
    let work = work_of(&start, leave, mark);
    tell(program, message, Some((socket, work)))
}

fn work_of<F: crate::Task<(PathBuf,), M>, M>(start: &Start, task: F, mark: &Path) -> Message {
    start::work(start, task, &(mark.to_owned(),)).unwrap()
}

#[test]
fn a_start_by_another_build_is_refused_and_calls_nothing() {
    let (_watchdog, _alone) = (watchdog(), alone());
    let directory = tempfile::tempdir().unwrap();
    let same = copy(directory.path(), "same", |_| ());
    let other = copy(directory.path(), "other", rebuild);
    let mark = directory.path().join("mark");
    let output = start(&other, &mark);
    assert!(refused(&output) && !mark.exists(), "{output:?}");
    // Where the file lies makes no difference.
    let output = start(&same, &mark);
    assert!(output.0.success() && mark.exists(), "{output:?}");
}

#[test]
fn a_server_of_another_build_serves_nobody() {
    let (_watchdog, _alone) = (watchdog(), alone());
    let directory = tempfile::tempdir().unwrap();
    let other = copy(directory.path(), "other", rebuild);
    let message = fork_server::first_message(std::process::id()).unwrap();
    let output = tell(&other, message, None);
    assert!(refused(&output), "{output:?}");
}
