//! A storm: processes that use everything in shared memory are killed at random moments, and what
//! they leave is looked at.
//!
//! The storm is a process of its own, the root of a family, so that nothing of it may be left when
//! it has ended. `PROCESSION_STORM_SEED` repeats one, as far as moments can be repeated;
//! `PROCESSION_STORM_KILLS` says how many processes are killed.

#![expect(
    clippy::unwrap_used,
    reason = "a child process fails by panicking, like a test"
)]

mod check;
mod shared;
mod works;

use procession_process::Process;
use procession_testkit::{eventually, exists, kill9, shared_memory, watchdog};
use shared::{Random, Shared};
use std::env;
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

procession_process::enable_in_tests!();

/// How many processes are killed when nothing else is said.
const KILLS: u64 = 160;
/// How many rage at one time.
const AT_ONCE: u64 = 4;

// SYN-025, SYN-026, SYN-027, SYN-029, SYN-033
#[test]
#[expect(clippy::print_stdout, reason = "the seed is needed to repeat a storm")]
fn nobody_is_blocked_by_the_dead() {
    if env::var_os(ROOT).is_some() {
        return be_the_storm(number(SEED).unwrap(), number(KILLED).unwrap());
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = number(SEED).unwrap_or_else(|| u64::from(now.subsec_nanos()) | 1);
    let kills = number(KILLED).unwrap_or(KILLS);
    println!("sync storm: seed {seed}, {kills} kills");
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "nobody_is_blocked_by_the_dead", "--nocapture"])
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
    let left: Vec<_> = left.filter(|pid| exists(pid.parse().unwrap())).collect();
    let ours = |pid: &&&str| {
        let name = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        name.contains("nobody_is_blocked_by_the_dead")
    };
    assert_eq!(left.iter().filter(ours).count(), 0, "processes are left");
}

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

/// Kills that many processes, looks at what each leaves, and tells of it.
#[expect(clippy::print_stdout, reason = "it is how the storm tells the test")]
fn be_the_storm(seed: u64, kills: u64) {
    let mut random = Random(seed);
    let shared = Shared::new();
    let mut doing = vec![0; works::ALL.len()];
    let mut killed = Vec::new();
    while (killed.len() as u64) < kills {
        let _watchdog = watchdog();
        for pid in round(&shared, &mut random, &mut doing) {
            killed.push(pid.to_string());
        }
        check::all(&shared);
    }
    let family = procession_shm::family::current().unwrap().id();
    let counts = works::ALL.iter().zip(doing);
    let counts = counts.map(|((name, ..), count)| format!("{name} {count}"));
    println!("family: {family}");
    println!("killed: {}", killed.join(" "));
    let counts = counts.collect::<Vec<_>>().join(", ");
    println!("summary: {} killed: {counts}", killed.len());
}

/// Starts some processes, and kills them one after the other; returns who they were.
fn round(shared: &Shared, random: &mut Random, doing: &mut [u32]) -> Vec<u32> {
    let spawn = |index| Process::spawn(rage, (shared.clone(), index, random.next())).unwrap();
    let processes: Vec<_> = (0..AT_ONCE).map(spawn).collect();
    let kill = |(index, process): (usize, Process<()>)| {
        if index == 0 {
            eventually("a process is at work", || shared.doing_of(index) != 0);
        }
        thread::sleep(Duration::from_micros(random.below(3000)));
        let pid = process.pid();
        kill9(pid);
        assert!(process.join().is_err(), "it rages until it is killed");
        if let Some(doing) = doing.get_mut(shared.doing_of(index).wrapping_sub(1)) {
            *doing += 1;
        }
        shared.set_doing(index, 0);
        check::what_the_living_use(shared);
        pid
    };
    processes.into_iter().enumerate().map(kill).collect()
}

/// Does one thing after the other, for ever.
fn rage(shared: Shared, index: u64, seed: u64) {
    let mut random = Random(seed | 1);
    loop {
        let which = random.below(works::ALL.len() as u64) as usize;
        shared.set_doing(index as usize, which + 1);
        let (_, times, work) = works::ALL[which];
        (0..times).for_each(|_| work(&shared, &mut random));
    }
}
