//! A storm: processes are started, and they, their parents and their servers are killed at random
//! moments; nobody may be left, and each end is reported once and as it was.
//!
//! The storm is a program of its own, which has one thread, so that all start methods can be had,
//! and which adopts the orphans below it, so that none is missed. `PROCESSION_STORM_SEED` repeats
//! one, as far as moments can be repeated; `PROCESSION_STORM_KILLS` says how many processes are
//! started.

#![expect(
    clippy::exit,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tasks may end their process, and fail by panicking, like tests; a storm tells its seed"
)]

use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use procession_process::{Cause, ExitStatus, Process, StartMethod, set_start_method};
use procession_shm::Value;
use procession_testkit::helper::{Helper, read, say};
use procession_testkit::{
    children, eventually, fork_server, fork_servers, shared_memory, watchdog,
};
use std::thread::{park, sleep};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{env, fs};

procession_process::enable_in_tests!();
procession_testkit::helpers!(storm);

/// How many processes are started when nothing else is said.
const STARTS: u64 = 200;
/// How many of those that wait to be killed there are at most.
const AT_ONCE: usize = 6;

fn rage(method: StartMethod) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let number = |name| {
        env::var(name)
            .ok()
            .map(|text: String| text.parse().unwrap())
    };
    let seed = number("PROCESSION_STORM_SEED").unwrap_or_else(|| u64::from(now.subsec_nanos()) | 1);
    let starts = number("PROCESSION_STORM_KILLS").unwrap_or(STARTS);
    println!("process storm: {method:?}, seed {seed}, {starts} starts");
    // A thousand at a time, each with a watchdog of its own.
    for part in 0..starts.div_ceil(1000) {
        let _watchdog = watchdog();
        let starts = (starts - part * 1000).min(1000);
        let lines = [method as u64, seed.wrapping_add(2 * part) | 1, starts];
        let mut storm = Helper::start("storm", &lines.map(|line| line.to_string()));
        let family = storm.hear();
        println!("{}", storm.hear());
        assert!(storm.end().success());
        assert!(shared_memory(&family).is_empty(), "names are left");
    }
}

// PRC-014, PRC-037
#[test]
fn nobody_is_lost_or_left_with_a_fork_server() {
    rage(StartMethod::ForkServer);
}

// PRC-037
#[test]
fn nobody_is_lost_or_left_with_spawn() {
    rage(StartMethod::Spawn);
}

// PRC-037
#[test]
fn nobody_is_lost_or_left_with_fork() {
    rage(StartMethod::Fork);
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

/// What a storm has.
struct Storm {
    random: Random,
    /// Those that wait to be killed.
    waiting: Vec<Process<()>>,
    /// How many began their task.
    begun: Value<u64>,
    started: u64,
    /// Returned, exited, killed by hand, servers killed.
    counts: [u32; 4],
}

/// In the helper: rages, looks at what is left, and tells of it.
fn storm() {
    procession_process::init();
    let [method, seed, starts] = [(); 3].map(|()| read().unwrap().parse::<u64>().unwrap());
    set_start_method(StartMethod::ALL[method as usize]);
    prctl::set_child_subreaper(true).unwrap();
    let mut storm = Storm {
        random: Random(seed),
        waiting: Vec::new(),
        begun: Value::new(0).unwrap(),
        started: 0,
        counts: [0; 4],
    };
    say(procession_shm::family::current().unwrap().id());
    storm.return_two_values();
    let open = || fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open();
    while storm.started < starts {
        storm.step();
    }
    while !storm.waiting.is_empty() {
        storm.kill_one();
    }
    let me = std::process::id();
    eventually("nobody is left", || {
        reap_orphans();
        children(me).is_empty() && fork_servers(me).len() <= 1
    });
    storm.return_two_values();
    assert_eq!(open(), before);
    assert!(procession_process::active_children().is_empty());
    let [returned, exited, killed, servers] = storm.counts;
    let (started, begun) = (storm.started, storm.begun.get());
    say(&format!(
        "{started} started: {returned} returned, {exited} exited, {killed} were killed; \
         {begun} tasks began, those of grandchildren among them; {servers} servers were killed"
    ));
}

/// Reaps those whose parents were killed. None of the storm's own children is left to be reaped.
fn reap_orphans() {
    let status = || waitpid(None, Some(WaitPidFlag::WNOHANG));
    while status().is_ok_and(|status| status.pid().is_some()) {}
}

impl Storm {
    fn step(&mut self) {
        match self.random.below(8) {
            0 | 1 => self.return_a_value(),
            2 => self.exit(),
            3 => self.kill_a_server(),
            4 | 5 if self.waiting.len() < AT_ONCE => self.start_a_parent(),
            6 if self.waiting.len() < AT_ONCE => self.start_and_kill(),
            _ if self.waiting.is_empty() => self.start_a_parent(),
            _ => self.kill_one(),
        }
    }

    /// After the second start everything is there that starts keep.
    fn return_two_values(&mut self) {
        self.return_a_value();
        self.return_a_value();
    }

    fn return_a_value(&mut self) {
        let number = self.random.below(1 << 40);
        let process = Process::spawn(count_and_return, (self.begun.clone(), number)).unwrap();
        self.started += 1;
        assert_eq!(process.join().unwrap(), number);
        self.counts[0] += 1;
    }

    fn exit(&mut self) {
        let code = self.random.below(256) as u8;
        let process = Process::spawn(count_and_exit, (self.begun.clone(), code)).unwrap();
        self.started += 1;
        assert_eq!(ended(process), ExitStatus::Code(code));
        self.counts[1] += 1;
    }

    /// Starts a process that goes on starting others.
    fn start_a_parent(&mut self) {
        let seed = self.random.below(1 << 40) | 1;
        let process = Process::spawn(start_children, (self.begun.clone(), seed)).unwrap();
        self.started += 1;
        self.waiting.push(process);
    }

    fn start_and_kill(&mut self) {
        self.start_a_parent();
        let process = self.waiting.pop().unwrap();
        self.kill(process, 500);
    }

    fn kill_one(&mut self) {
        let index = self.random.below(self.waiting.len() as u64) as usize;
        let process = self.waiting.swap_remove(index);
        self.kill(process, 6_000);
    }

    /// Kills a process within so many microseconds, and sees that it is reported as it was.
    fn kill(&mut self, process: Process<()>, within: u64) {
        sleep(Duration::from_micros(self.random.below(within)));
        let signal = [Signal::SIGKILL, Signal::SIGTERM][self.random.below(2) as usize];
        kill(Pid::from_raw(process.pid().cast_signed()), signal).unwrap();
        assert_eq!(ended(process), ExitStatus::Signal(signal as i32));
        self.counts[2] += 1;
    }

    /// Kills this process's server, or that of one of its children.
    fn kill_a_server(&mut self) {
        let below = self.waiting.iter().map(Process::pid);
        let owners: Vec<u32> = below.chain([std::process::id()]).collect();
        let owner = owners[self.random.below(owners.len() as u64) as usize];
        if let Some(server) = fork_server(owner) {
            let server = Pid::from_raw(server.cast_signed());
            self.counts[3] += u32::from(kill(server, Signal::SIGKILL).is_ok());
        }
    }
}

fn ended(process: Process<()>) -> ExitStatus {
    let error = process.join().unwrap_err();
    match error.cause() {
        Cause::Ended(status) => *status,
        _ => panic!("{error}"),
    }
}

fn count_and_return(begun: Value<u64>, number: u64) -> u64 {
    count(&begun);
    number
}

fn count_and_exit(begun: Value<u64>, code: u8) {
    count(&begun);
    std::process::exit(code.into());
}

/// Counts also where the process that counted before was killed meanwhile.
fn count(begun: &Value<u64>) {
    let mut begun = begun
        .lock()
        .or_else(procession_shm::AcquireError::repaired)
        .unwrap();
    *begun += 1;
}

/// Starts children that wait, that end, and that start children in turn, until it is killed.
fn start_children(begun: Value<u64>, seed: u64) {
    count(&begun);
    let mut random = Random(seed);
    let mut kept = Vec::new();
    for _ in 0..random.below(5) {
        let process = match random.below(3) {
            0 => Process::spawn(park, ()),
            1 => Process::spawn(|| (), ()),
            _ => Process::spawn(start_children, (begun.clone(), random.below(1 << 40) | 1)),
        };
        // What serves all may be killed more often than a start tries it.
        kept.extend(process);
    }
    loop {
        park();
    }
}
