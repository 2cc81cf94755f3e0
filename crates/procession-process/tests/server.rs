//! The fork server: that it is used, who may die when, and that it is nobody else's.
//!
//! Each test works in a process of its own, whose server is nobody else's.

#![expect(
    clippy::exit,
    clippy::unwrap_used,
    reason = "tasks fail by panicking, like tests, and may end their process"
)]

use nix::sys::signal::{SigHandler, Signal, kill, signal};
use nix::sys::stat::fstat;
use nix::unistd::{Pid, getpgid, getppid};
use procession_pipe::{Connection, Pipe};
use procession_process::{
    Cause, ExitStatus, Process, StartMethod, active_children, parent_process, start_method,
};
use procession_testkit::{
    Watchdog, alive, children, eventually, exists, fork_server, kill9, watchdog,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, park};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

procession_process::enable_in_tests!();

/// Lets the processes of a test be interrupted, also where a shell started this program in the
/// background, which makes it ignore SIGINT.
fn prepare() -> Watchdog {
    // SAFETY: the default installs no handler whose code could be unsound.
    unsafe { signal(Signal::SIGINT, SigHandler::SigDfl) }.unwrap();
    watchdog()
}

/// Runs `task` in a process of its own. It is a daemon, and so are its children, which therefore
/// end with it when it fails.
fn alone<R>(task: impl Fn() -> R + Copy + Send + 'static) -> R
where
    R: Serialize + DeserializeOwned,
{
    let _watchdog = prepare();
    let process = Process::builder().daemon(true).spawn(task, ());
    process.unwrap().join().unwrap()
}

fn forever() {
    loop {
        park();
    }
}

fn me() -> u32 {
    std::process::id()
}

/// Returns this process's server, which is started if it is not there.
fn server() -> u32 {
    assert_eq!(Process::spawn(|| 7, ()).unwrap().join().unwrap(), 7);
    fork_server(me()).expect("a child was started")
}

fn send(signal: Signal, pid: u32) {
    kill(Pid::from_raw(pid.cast_signed()), signal).unwrap();
}

fn ended<R: Serialize + DeserializeOwned>(process: Process<R>) -> ExitStatus {
    let error = process.join().map(drop).unwrap_err();
    match error.cause() {
        Cause::Ended(status) => *status,
        _ => panic!("{error}"),
    }
}

#[test]
fn one_server_makes_all_children_and_the_owner_is_their_parent() {
    alone(|| {
        assert_eq!(start_method(), StartMethod::ForkServer);
        assert_eq!(fork_server(me()), None);
        let server = server();
        let parents = || {
            (
                getppid().as_raw().cast_unsigned(),
                parent_process().unwrap().pid(),
            )
        };
        for _ in 0..3 {
            let theirs = Process::spawn(parents, ()).unwrap().join().unwrap();
            assert_eq!(theirs, (me(), me()));
            assert_eq!(fork_server(me()), Some(server));
        }
        let spawn = Process::builder().start_method(StartMethod::Spawn);
        spawn.spawn(|| (), ()).unwrap().join().unwrap();
        assert_eq!(fork_server(me()), Some(server));
    });
}

fn exit_when_told(talk: Connection<(), i32>) {
    std::process::exit(talk.recv().unwrap());
}

// PRC-014
#[test]
fn children_of_a_killed_server_live_on_and_their_statuses_are_exact() {
    alone(|| {
        let first = server();
        let (here, there) = Pipe::duplex::<i32, ()>().unwrap();
        let exits = Process::spawn(exit_when_told, (there,)).unwrap();
        let (ours, theirs) = Pipe::duplex::<u32, u32>().unwrap();
        let add = |talk: Connection<u32, u32>| talk.recv().unwrap() + 1;
        let returns = Process::spawn(add, (theirs,)).unwrap();
        let parked = Process::spawn(forever, ()).unwrap();
        kill9(first);
        eventually("the server ends", || !alive(first));
        let second = server();
        assert_ne!(first, second);
        assert!(!exists(first));
        assert!(exits.is_alive() && returns.is_alive() && parked.is_alive());
        here.send(&33).unwrap();
        assert_eq!(ended(exits), ExitStatus::Code(33));
        ours.send(&6).unwrap();
        assert_eq!(returns.join().unwrap(), 7);
        parked.terminate().unwrap();
        assert_eq!(ended(parked), ExitStatus::Signal(15));
    });
}

/// Marsaglia's xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// How many children were started. `u32::MAX` when there will be no more.
static STARTED: AtomicU32 = AtomicU32::new(0);

/// Kills servers of this process at random moments, but none before a start has succeeded after the
/// last, for a start does not try for ever; returns how many.
fn kill_servers(seed: u64) -> u32 {
    let (mut random, mut killed, mut last) = (Random(seed), 0, 0);
    loop {
        thread::sleep(Duration::from_micros(random.below(20_000)));
        match STARTED.load(Ordering::Relaxed) {
            u32::MAX => return killed,
            started if started == last => continue,
            started => last = started,
        }
        if let Some(server) = fork_server(me()) {
            let server = Pid::from_raw(server.cast_signed());
            killed += u32::from(kill(server, Signal::SIGKILL).is_ok());
        }
    }
}

/// Starts 500 children while servers are killed; returns how many servers were.
fn start_among_kills(seed: u64) -> u32 {
    let kills = thread::spawn(move || kill_servers(seed));
    for number in 1..=500 {
        let process = Process::spawn(|number: u32| number, (number,)).unwrap();
        assert_eq!(process.join().unwrap(), number);
        STARTED.store(number, Ordering::Relaxed);
    }
    STARTED.store(u32::MAX, Ordering::Relaxed);
    let killed = kills.join().unwrap();
    let server = server();
    // No stranger and no zombie: neither among the living nor under another name.
    assert_eq!(children(me()), []);
    let group = |pid: u32| getpgid(Some(Pid::from_raw(pid.cast_signed()))).unwrap();
    let below = below(me());
    // The server, and the one child that it has made in advance.
    assert!(below.len() <= 2, "{below:?}");
    assert!(below.iter().all(|&pid| group(pid) == group(server)));
    assert!(active_children().is_empty());
    killed
}

// PRC-014
#[test]
#[expect(clippy::print_stdout, reason = "the seed is needed to repeat it")]
fn no_start_is_lost_when_servers_are_killed_at_random_moments() {
    let _watchdog = prepare();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = u64::from(now.subsec_nanos()) | 1;
    println!("servers killed at random moments: seed {seed}");
    let killed = Process::spawn(start_among_kills, (seed,)).unwrap();
    let killed = killed.join().unwrap();
    println!("{killed} servers killed");
    assert!(killed > 0);
}

/// Returns all children of process `pid`, as the kernel lists them.
fn below(pid: u32) -> BTreeSet<u32> {
    let parent = format!("\nPPid:\t{pid}\n");
    let pids = fs::read_dir("/proc").unwrap();
    let pids = pids.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let status = |pid: u32| fs::read_to_string(format!("/proc/{pid}/status"));
    pids.filter(|&pid| status(pid).is_ok_and(|status| status.contains(&parent)))
        .collect()
}

#[test]
fn interrupts_do_not_end_it() {
    alone(|| {
        let first = server();
        send(Signal::SIGINT, first);
        assert_eq!(server(), first);
        assert!(alive(first));
        // What the server blocks, a child does not.
        let child = Process::spawn(forever, ()).unwrap();
        child.interrupt().unwrap();
        assert_eq!(ended(child), ExitStatus::Signal(2));
    });
}

/// Sends what a terminal sends for Ctrl-C, which this process ignores and its child does not.
fn interrupt_the_group() {
    let first = server();
    let child = Process::spawn(forever, ()).unwrap();
    let group = || nix::unistd::getpgid(Some(Pid::from_raw(child.pid().cast_signed())));
    eventually("the child is in the group", || {
        group() == Ok(nix::unistd::getpgrp())
    });
    procession_os::parent::ignore_interrupts().unwrap();
    kill(Pid::from_raw(0), Signal::SIGINT).unwrap();
    assert_eq!(ended(child), ExitStatus::Signal(2));
    assert!(alive(first));
}

#[test]
fn a_terminals_interrupt_does_not_reach_it() {
    let _watchdog = prepare();
    let builder = Process::builder().process_group(0);
    let process = builder.spawn(interrupt_the_group, ()).unwrap();
    process.join().unwrap();
}

/// Tells who the server is; then returns, or waits to be killed.
fn tell_server(talk: Connection<u32, ()>, and_return: bool) {
    talk.send(&server()).unwrap();
    if !and_return {
        forever();
    }
}

#[test]
fn it_is_gone_with_its_owner() {
    let _watchdog = prepare();
    for and_return in [true, false] {
        let (here, there) = Pipe::duplex::<(), u32>().unwrap();
        let owner = Process::spawn(tell_server, (there, and_return)).unwrap();
        let server = here.recv().unwrap();
        if and_return {
            owner.join().unwrap();
            assert!(!alive(server));
        } else {
            kill9(owner.pid());
            assert_eq!(ended(owner), ExitStatus::Signal(9));
            eventually("the server is gone", || !alive(server));
        }
    }
}

fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Stops its server and asks it for a child.
fn wait_for_a_stopped_server(talk: Connection<u32, ()>) {
    let server = server();
    send(Signal::SIGSTOP, server);
    eventually("the server is stopped", || state(server) == Some('T'));
    talk.send(&server).unwrap();
    let _child = Process::spawn(forever, ()).unwrap();
}

#[test]
fn it_is_gone_with_an_owner_that_waits_for_it() {
    let _watchdog = prepare();
    let (here, there) = Pipe::duplex::<(), u32>().unwrap();
    let owner = Process::spawn(wait_for_a_stopped_server, (there,)).unwrap();
    let server = here.recv().unwrap();
    thread::sleep(Duration::from_millis(20));
    kill9(owner.pid());
    assert_eq!(ended(owner), ExitStatus::Signal(9));
    eventually("the server is gone", || !alive(server));
}

// PRC-014
#[test]
fn who_waits_for_a_stopped_server_gets_another_when_it_is_killed() {
    alone(|| {
        let first = server();
        send(Signal::SIGSTOP, first);
        let starts = thread::spawn(|| Process::spawn(|| 7, ()).unwrap());
        thread::sleep(Duration::from_millis(20));
        assert!(!starts.is_finished());
        kill9(first);
        assert_eq!(starts.join().unwrap().join().unwrap(), 7);
        assert_ne!(fork_server(me()), Some(first));
        assert_eq!(below(me()).len(), 1);
    });
}

/// Returns the sockets among the descriptors of a process, by the kernel's number for each.
fn sockets(pid: u32) -> Vec<(RawFd, u64)> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let socket = |entry: fs::DirEntry| {
        let link = fs::read_link(entry.path()).ok()?.to_str()?.to_owned();
        let number = link
            .strip_prefix("socket:[")?
            .strip_suffix(']')?
            .parse()
            .ok()?;
        Some((entry.file_name().to_str()?.parse().ok()?, number))
    };
    entries.filter_map(|entry| socket(entry.ok()?)).collect()
}

// PRC-034, PRC-035
#[test]
fn nobody_can_connect_to_it() {
    alone(|| {
        let server = server();
        let sockets = sockets(server);
        assert_eq!(sockets.len(), 1);
        let (_, inode) = sockets[0];
        // The kernel's list has the address, if there is one, behind the number.
        let all = fs::read_to_string("/proc/self/net/unix").unwrap();
        let lines = all
            .lines()
            .map(|line| line.split_whitespace().skip(6).collect());
        let mut ours =
            lines.filter(|line: &Vec<&str>| line.first() == Some(&inode.to_string().as_str()));
        assert_eq!(ours.next().map(|line| line.len()), Some(1));
    });
}

#[test]
fn descriptors_of_siblings_and_the_server_are_apart() {
    alone(|| {
        let server = server();
        let open = || fs::read_dir(format!("/proc/{server}/fd")).unwrap().count();
        // Its three streams, its socket and its owner; what an answer was about it has yet to close.
        let rest = || eventually("the server has nothing else open", || open() == 5);
        rest();
        let ours = sockets(server);
        let siblings: Vec<_> = (0..10)
            .map(|_| Process::spawn(forever, ()).unwrap())
            .collect();
        rest();
        let process = Process::spawn(|| sockets(me()), ()).unwrap();
        let theirs = process.join().unwrap();
        assert_eq!(theirs.len(), 1);
        assert_ne!(theirs[0].1, ours[0].1);
        for sibling in siblings {
            sibling.kill().unwrap();
            assert_eq!(ended(sibling), ExitStatus::Signal(9));
        }
        rest();
        assert_eq!(sockets(server), ours);
    });
}

// PRC-009
#[test]
fn a_child_that_has_children_has_a_server_of_its_own() {
    alone(|| {
        let ours = server();
        let (here, there) = Pipe::duplex::<(), u32>().unwrap();
        let child = Process::spawn(tell_server, (there, false)).unwrap();
        let theirs = here.recv().unwrap();
        assert_ne!(ours, theirs);
        assert_eq!(fork_server(child.pid()), Some(theirs));
        kill9(child.pid());
        assert_eq!(ended(child), ExitStatus::Signal(9));
        eventually("the child's server is gone", || !alive(theirs));
        assert_eq!(server(), ours);
    });
}

/// Finds this process's socket to its server, after the first start. All others are older.
fn server_socket(before: &[(RawFd, u64)]) -> RawFd {
    let new = sockets(me()).into_iter();
    let mut new = new.filter(|socket| !before.contains(socket));
    let (socket, _) = new.next().expect("the socket to the server");
    assert_eq!(new.next(), None);
    socket
}

/// Writes what no owner writes into this process's socket to its server.
fn write_to_server(socket: RawFd, garbage: &[u8]) {
    // SAFETY: the socket belongs to a part of this process that is not in use meanwhile.
    let socket = unsafe { BorrowedFd::borrow_raw(socket) };
    assert!(fstat(socket).is_ok());
    let mut copy = UnixStream::from(socket.try_clone_to_owned().unwrap());
    copy.write_all(garbage).unwrap();
}

fn talk_nonsense(garbage: Vec<u8>) {
    let before = sockets(me());
    let first = server();
    let socket = server_socket(&before);
    let child = Process::spawn(forever, ()).unwrap();
    write_to_server(socket, &garbage);
    eventually("the server ends", || !alive(first));
    assert!(child.is_alive());
    child.kill().unwrap();
    assert_eq!(ended(child), ExitStatus::Signal(9));
    assert_ne!(server(), first);
}

// PRC-035
#[test]
fn garbage_ends_it_without_harm() {
    let _watchdog = prepare();
    let frames = [
        &[0xff_u8; 64][..],
        &[0, 0, 0, 3, 0x14, 0, 0],
        b"\0\0\0\x10garbage and more",
        &[0; 40],
    ];
    for garbage in frames {
        let owner = Process::builder().daemon(true);
        let owner = owner.spawn(talk_nonsense, (garbage.to_vec(),)).unwrap();
        owner.join().unwrap();
    }
}

/// Starts this program as a server or child, and tells it `frame`.
fn told(frame: &[u8]) -> Option<i32> {
    let (ours, theirs) = UnixStream::pair().unwrap();
    nix::fcntl::fcntl(&theirs, nix::fcntl::F_SETFD(nix::fcntl::FdFlag::empty())).unwrap();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--procession-child", &theirs.as_raw_fd().to_string()])
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    drop(theirs);
    (&ours).write_all(frame).unwrap();
    drop(ours);
    child.wait().unwrap().code()
}

#[test]
fn what_is_no_owner_gets_no_server() {
    let _watchdog = prepare();
    // A length, the kind of the message that makes a server, and what does not belong there.
    for body in [&[][..], &[0], &[0xff; 100], &[7; 60]] {
        let len = u32::try_from(body.len() + 3).unwrap().to_be_bytes();
        let frame = [&len[..], &[0x13, 0, 0], body].concat();
        assert_eq!(told(&frame), Some(70), "{body:?}");
    }
}
