//! A storm: producers, consumers and waiters are killed at random moments, and what they leave is
//! looked at.
//!
//! The storm is a process of its own, the root of a family, so that nothing of it may be left when
//! it has ended. `PROCESSION_STORM_SEED` repeats one, as far as moments can be repeated;
//! `PROCESSION_STORM_KILLS` says how many processes are killed.

#![expect(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "a task fails by panicking, like a test, and owns its arguments"
)]

mod check;
mod roles;

use check::Tally;
use procession_process::{Cause, Process};
use procession_testkit::{exists, kill9, shared_memory, watchdog};
use roles::{Random, Role, Shared};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{env, fs, thread};

procession_process::enable_in_tests!();

/// How many processes are killed when nothing else is said.
const KILLS: u64 = 180;
/// How many of them around one queue.
const ROUND: u64 = 60;
/// How many items the queue holds, and whether they are long, in one round after the other.
const KINDS: [(usize, bool); 3] = [(0, false), (7, true), (7, false)];

const ROOT: &str = "PROCESSION_STORM_ROOT";
const SEED: &str = "PROCESSION_STORM_SEED";
const KILLED: &str = "PROCESSION_STORM_KILLS";

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap())
}

fn told<'a>(said: &'a str, what: &str) -> &'a str {
    let found = said.lines().find_map(|line| line.split_once(what));
    found.expect("the storm tells it").1
}

// QUE-012
#[test]
#[expect(clippy::print_stdout, reason = "the seed is needed to repeat a storm")]
fn a_storm_of_kills_loses_only_what_the_killed_had_in_hand() {
    if env::var_os(ROOT).is_some() {
        return be_the_storm(number(SEED).unwrap(), number(KILLED).unwrap());
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = number(SEED).unwrap_or_else(|| u64::from(now.subsec_nanos()) | 1);
    let kills = number(KILLED).unwrap_or(KILLS);
    println!("queue storm: seed {seed}, {kills} kills");
    let name = "a_storm_of_kills_loses_only_what_the_killed_had_in_hand";
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(ROOT, "1")
        .env(SEED, seed.to_string())
        .env(KILLED, kills.to_string())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "the storm with seed {seed}: {}\n{said}\n{complaints}",
        output.status
    );
    println!("{}", told(&said, "summary: "));
    let family = told(&said, "family: ");
    assert!(shared_memory(family).is_empty(), "names are left");
    let left = told(&said, "killed: ").split(' ');
    let ours = |pid: &&str| {
        let name_of = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        exists(pid.parse().unwrap()) && name_of.contains(name)
    };
    assert_eq!(left.filter(ours).count(), 0, "processes are left");
}

/// Kills that many processes, looks at what is left, and tells of it.
#[expect(clippy::print_stdout, reason = "it is how the storm tells the test")]
fn be_the_storm(seed: u64, kills: u64) {
    let mut random = Random::new(seed);
    let mut killed = Vec::new();
    let mut tally = Tally::default();
    while (killed.len() as u64) < kills {
        let _watchdog = watchdog();
        let folder = env::temp_dir().join(format!("procession-storm-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (capacity, long) = KINDS[killed.len() / ROUND as usize % KINDS.len()];
        let mut storm = Storm::new(capacity, long, folder.to_str().unwrap());
        let now = ROUND.min(kills - killed.len() as u64);
        (0..now).for_each(|_| killed.push(storm.kill_one(&mut random).to_string()));
        storm.end();
        tally.check(&storm);
        drop(storm);
        fs::remove_dir_all(folder).unwrap();
    }
    println!(
        "family: {}",
        procession_shm::family::current().unwrap().id()
    );
    println!("killed: {}", killed.join(" "));
    println!("summary: {} killed: {tally}", killed.len());
}

/// One queue, and the processes around it.
struct Storm {
    shared: Shared,
    folder: String,
    living: Vec<(Role, Process<()>)>,
    started: u32,
    dead: Vec<Role>,
}

impl Storm {
    fn new(capacity: usize, long: bool, folder: &str) -> Self {
        let mut storm = Self {
            shared: Shared::new(capacity, long, ROUND as usize + Role::ALL.len()),
            folder: folder.to_owned(),
            living: Vec::new(),
            started: 0,
            dead: Vec::new(),
        };
        for role in Role::ALL {
            storm.start(role);
        }
        storm
    }

    fn start(&mut self, role: Role) {
        let path = self.path(self.started);
        let args = (role, self.shared.clone(), self.started, path);
        self.started += 1;
        self.living
            .push((role, Process::spawn(roles::play, args).unwrap()));
    }

    /// Where the process of that number writes down what it got.
    fn path(&self, index: u32) -> String {
        format!("{}/{index}", self.folder)
    }

    fn kill(&mut self, index: usize) -> u32 {
        let (role, process) = self.living.swap_remove(index);
        let pid = process.pid();
        kill9(pid);
        let ended = process.join().unwrap_err();
        assert!(
            matches!(ended.cause(), Cause::Ended(_)),
            "{role:?}: {ended}"
        );
        self.dead.push(role);
        pid
    }

    /// Kills one, and starts another in its place.
    fn kill_one(&mut self, random: &mut Random) -> u32 {
        thread::sleep(Duration::from_micros(random.below(6000)));
        let index = random.below(self.living.len() as u64) as usize;
        let role = self.living[index].0;
        let pid = self.kill(index);
        self.start(role);
        pid
    }

    /// Kills the living producers, and lets the others come to their end.
    fn end(&mut self) {
        while let Some(index) = self.living.iter().position(|(role, _)| role.produces()) {
            self.kill(index);
        }
        while !self.shared.queue.is_empty().unwrap() {
            thread::sleep(Duration::from_millis(1));
        }
        self.shared.stop.put(&()).unwrap();
        for (_, process) in self.living.drain(..) {
            process.join().unwrap();
        }
    }
}
