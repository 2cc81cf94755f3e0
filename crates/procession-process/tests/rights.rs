//! A child is as the program is now: what the program has laid down or changed since it started its
//! first child holds for the next, by every start method.
//!
//! Some of it only root can try. Without root these cases run in a namespace of users, where the
//! system allows that, or say that they do not.

#![expect(
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "tasks fail by panicking, like tests; a case that cannot be tried says so"
)]

use nix::errno::Errno;
use nix::sched::{CloneFlags, CpuSet, sched_getaffinity, sched_setaffinity, unshare};
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Pid, Uid, chroot, geteuid, getuid, setgid, setgroups, setresuid, setuid};
use procession_os::capabilities::Capabilities;
use procession_process::{Process, StartMethod, Task, at_one_moment, set_start_method};
use procession_testkit::sandbox::refuse;
use procession_testkit::{eventually, exists, fork_server, watchdog};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::{env, thread};

procession_process::enable_in_tests!();

const NOBODY: u32 = 65534;

/// What a thread has that its children are to have.
fn seen() -> Vec<String> {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    let told = [
        "Umask:",
        "Uid:",
        "Gid:",
        "Groups:",
        "Cap",
        "NoNewPrivs:",
        "Seccomp",
        "Cpus_allowed:",
    ];
    let lines = status
        .lines()
        .filter(|line| told.iter().any(|start| line.starts_with(start)));
    let mut seen: Vec<String> = lines.map(str::to_owned).collect();
    // Without the two signals that the C library keeps for itself.
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = u64::from_str_radix(ignored.unwrap().trim(), 16).unwrap();
    seen.push(format!("ignored {:x}", ignored & !(0b11 << 31)));
    seen.push(fs::read_to_string("/proc/thread-self/oom_score_adj").unwrap());
    seen.push(fs::read_to_string("/proc/thread-self/cgroup").unwrap());
    seen.push(fs::read_to_string("/proc/self/limits").unwrap());
    for namespace in ["user", "mnt", "net", "uts", "ipc", "pid_for_children"] {
        let link = fs::read_link(format!("/proc/thread-self/ns/{namespace}"));
        seen.push(link.unwrap().to_str().unwrap().to_owned());
    }
    // The policy, the nice value and the priority.
    let stat = fs::read_to_string("/proc/thread-self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    seen.push([fields[16], fields[37], fields[38]].join(" "));
    seen
}

fn theirs() -> Vec<String> {
    Process::spawn(seen, ()).unwrap().join().unwrap()
}

/// Has `change` happen in a program that has started children before, and expects that the next ones
/// see what it sees; `method` is how.
fn program(method: StartMethod, change: fn()) {
    set_start_method(method);
    // The second one has the fork server make a third in advance.
    for _ in 0..2 {
        assert_eq!(theirs(), seen());
    }
    let (before, server) = (seen(), fork_server(std::process::id()));
    change();
    assert_ne!(seen(), before, "nothing has changed");
    for _ in 0..3 {
        assert_eq!(theirs(), seen());
    }
    if let Some(server) = server {
        eventually("the old server is gone", || !exists(server));
    }
}

/// What is started at one moment is as the program was when the first was started, but for its rights.
fn start_at_one_moment(method: StartMethod) {
    set_start_method(method);
    umask(Mode::from_bits_truncate(0o022));
    let before = seen();
    let both = at_one_moment(|| {
        let first = theirs();
        umask(Mode::from_bits_truncate(0o027));
        [first, theirs()]
    });
    assert_eq!(both[0], before);
    // A copy of the program and a program that it starts cannot be as it was.
    let of_fork_server = method == StartMethod::ForkServer;
    assert_eq!(both[1] == before, of_fork_server, "{:?}", both[1]);
    assert_eq!(theirs(), seen());
    if geteuid().is_root() {
        at_one_moment(|| {
            assert_eq!(theirs(), seen());
            setresuid(
                Uid::from_raw(NOBODY),
                Uid::from_raw(NOBODY),
                Uid::from_raw(0),
            )
            .unwrap();
            assert_eq!(theirs(), seen());
        });
    }
}

// PRC-042
#[test]
fn what_is_started_at_one_moment_is_alike_but_never_has_rights_that_the_program_has_no_more() {
    try_with_each_method(start_at_one_moment);
}

fn try_with_each_method<M>(task: impl Task<(StartMethod,), M, Output = ()>) {
    let _watchdog = watchdog();
    for method in StartMethod::ALL {
        let alone = Process::builder()
            .start_method(StartMethod::Spawn)
            .daemon(true);
        let process = alone.spawn(task, (method,)).unwrap();
        if let Err(error) = process.join() {
            panic!("{method:?}: {error}");
        }
    }
}

fn is_root() -> bool {
    let root = geteuid().is_root();
    if !root {
        eprintln!("not tried: only root can do that");
    }
    root
}

/// Makes a test of something that a program changes.
macro_rules! changes {
    ($(fn $name:ident() $(if $condition:ident)? $change:block)*) => {
        $(#[test]
        fn $name() {
            $(if !$condition() {
                return;
            })?
            try_with_each_method(|method: StartMethod| program(method, || $change));
        })*
    };
}

changes! {
    // PRC-041
    fn the_users_are_the_programs() if is_root {
        setgroups(&[Gid::from_raw(NOBODY)]).unwrap();
        setgid(Gid::from_raw(NOBODY)).unwrap();
        setuid(Uid::from_raw(NOBODY)).unwrap();
    }

    // PRC-041
    fn capabilities_that_were_laid_down_stay_laid_down() if is_root {
        let none = Capabilities { effective: 0, permitted: 0, inheritable: 0 };
        none.set().unwrap();
    }

    // PRC-041
    fn capabilities_that_were_kept_are_kept() if is_root {
        prctl::set_keepcaps(true).unwrap();
        setuid(Uid::from_raw(NOBODY)).unwrap();
        let kept = 1 << 10 | 1 << 12;
        let kept = Capabilities { effective: 1 << 10, permitted: kept, inheritable: 0 };
        kept.set().unwrap();
    }

    // PRC-041
    fn an_effective_user_that_is_dropped_for_a_while_is_dropped() if is_root {
        nix::unistd::seteuid(Uid::from_raw(NOBODY)).unwrap();
    }

    // PRC-041
    fn privileges_stay_refused() {
        prctl::set_no_new_privs().unwrap();
    }

    // PRC-041
    fn a_filter_of_system_calls_holds() {
        refuse(libc::SYS_swapon, Errno::EPERM);
    }

    // PRC-041
    fn a_second_filter_holds_too() {
        refuse(libc::SYS_swapon, Errno::EPERM);
        assert_eq!(theirs(), seen());
        refuse(libc::SYS_swapoff, Errno::EPERM);
    }

    // PRC-041
    fn a_namespace_of_users_is_entered() {
        if unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET).is_err() {
            eprintln!("not tried: this system does not let a user make namespaces");
            umask(Mode::from_bits_truncate(0o077));
        }
    }

    // PRC-041
    fn namespaces_are_entered() if is_root {
        let all = CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWIPC;
        unshare(all).unwrap();
    }

    // PRC-042
    fn the_umask_is_the_programs() {
        umask(Mode::from_bits_truncate(0o027));
    }

    // PRC-042
    fn the_nice_value_is_the_programs() {
        // SAFETY: this call takes numbers only.
        let done = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 7) };
        assert_eq!(done, 0);
    }

    // PRC-042
    fn the_scheduler_is_the_programs() {
        let none = libc::sched_param { sched_priority: 0 };
        // SAFETY: the kernel reads the parameters, which outlive the call.
        let done = unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const none) };
        assert_eq!(done, 0);
    }

    // PRC-042
    fn the_processors_are_the_programs() if has_several_processors {
        let mut one = CpuSet::new();
        one.set(first_processor()).unwrap();
        sched_setaffinity(Pid::from_raw(0), &one).unwrap();
    }

    // PRC-042
    fn the_limits_are_the_programs() {
        for limit in [Resource::RLIMIT_NOFILE, Resource::RLIMIT_CORE, Resource::RLIMIT_STACK] {
            let (soft, hard) = getrlimit(limit).unwrap();
            setrlimit(limit, soft.min(1 << 20) / 2, hard.min(1 << 40)).unwrap();
        }
        setrlimit(Resource::RLIMIT_NPROC, 60_000, 60_000).unwrap();
    }

    // PRC-042
    fn the_oom_score_is_the_programs() {
        fs::write("/proc/self/oom_score_adj", "321").unwrap();
    }

    // PRC-042
    fn ignored_signals_are_the_programs() {
        // SAFETY: ignoring installs no handler whose code could be unsound.
        unsafe { signal(Signal::SIGUSR1, SigHandler::SigIgn) }.unwrap();
    }
}

fn processors() -> Vec<usize> {
    let own = sched_getaffinity(Pid::from_raw(0)).unwrap();
    (0..CpuSet::count())
        .filter(|&number| own.is_set(number).unwrap())
        .collect()
}

fn first_processor() -> usize {
    processors()[0]
}

fn has_several_processors() -> bool {
    let several = processors().len() > 1;
    if !several {
        eprintln!("not tried: there is one processor");
    }
    several
}

// PRC-042
#[test]
fn the_cgroup_is_the_programs() {
    if !is_root() {
        return;
    }
    try_with_each_method(|method: StartMethod| {
        let group = format!("/sys/fs/cgroup/pids/procession-{}", std::process::id());
        if fs::create_dir(&group).is_err() {
            eprintln!("not tried: there is no such control group here");
            return;
        }
        set_start_method(method);
        theirs();
        theirs();
        let join = |group: &str| {
            fs::write(
                format!("{group}/cgroup.procs"),
                std::process::id().to_string(),
            )
        };
        join(&group).unwrap();
        let both = (theirs(), seen());
        join("/sys/fs/cgroup/pids").unwrap();
        theirs();
        eventually("the group is empty", || fs::remove_dir(&group).is_ok());
        assert_eq!(both.0, both.1);
        assert!(both.1.iter().any(|seen| seen.contains("procession-")));
    });
}

// PRC-041
#[test]
fn nobody_leaves_a_root_directory_that_the_program_has_entered() {
    if !is_root() {
        return;
    }
    try_with_each_method(|method: StartMethod| {
        set_start_method(method);
        theirs();
        theirs();
        let jail = tempfile::tempdir().unwrap();
        let prison = jail.path().to_owned();
        fs::write(prison.join("inside"), "").unwrap();
        chroot(&prison).unwrap();
        let is_inside = || fs::exists("/inside").unwrap();
        // Without a `/proc` there may be no child; one that is not inside there must not be.
        if let Ok(child) = Process::spawn(is_inside, ()) {
            assert!(child.join().unwrap_or(true));
        }
        std::mem::forget(jail);
    });
}

/// Capabilities, filters and processors are each thread's own. Those of the thread that starts count.
// PRC-041, PRC-042
#[test]
fn the_thread_that_starts_a_child_counts() {
    let _watchdog = watchdog();
    for method in [StartMethod::ForkServer, StartMethod::Spawn] {
        let alone = Process::builder()
            .start_method(StartMethod::Spawn)
            .daemon(true);
        let task = |method: StartMethod| {
            set_start_method(method);
            theirs();
            let strict = thread::spawn(|| {
                theirs();
                refuse(libc::SYS_swapon, Errno::EPERM);
                for _ in 0..3 {
                    assert_eq!(theirs(), seen());
                }
                seen()
            });
            let strict = strict.join().unwrap();
            assert_ne!(seen(), strict);
            assert_eq!(theirs(), seen());
            let others = thread::spawn(|| (theirs(), seen())).join().unwrap();
            assert_eq!(others.0, others.1);
        };
        alone.spawn(task, (method,)).unwrap().join().unwrap();
    }
}

/// A program of root's that anybody may run as root takes that up again with each exec.
// PRC-041
#[test]
fn a_program_with_roots_bit_that_drops_root_has_children_without() {
    const CASE: &str = "PROCESSION_ROOTS_BIT";
    if let Ok(method) = env::var(CASE) {
        let user = getuid();
        assert!(geteuid().is_root() && !user.is_root());
        setresuid(user, user, user).unwrap();
        set_start_method(StartMethod::ALL[method.parse::<usize>().unwrap()]);
        for _ in 0..3 {
            assert_eq!(theirs(), seen());
        }
        return;
    }
    if !is_root() {
        return;
    }
    let _watchdog = watchdog();
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    let program = directory.path().join("program");
    fs::copy("/proc/self/exe", &program).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o4755)).unwrap();
    for method in ["0", "1"] {
        let output = Command::new(&program)
            .args([
                "--exact",
                "a_program_with_roots_bit_that_drops_root_has_children_without",
            ])
            .env(CASE, method)
            .uid(NOBODY)
            .gid(NOBODY)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}

// PRC-042
#[test]
fn a_server_is_kept_while_nothing_changes() {
    let _watchdog = watchdog();
    let alone = Process::builder()
        .start_method(StartMethod::Spawn)
        .daemon(true);
    let task = || {
        set_start_method(StartMethod::ForkServer);
        theirs();
        let server = fork_server(std::process::id()).unwrap();
        for _ in 0..10 {
            theirs();
            thread::spawn(theirs).join().unwrap();
        }
        assert_eq!(fork_server(std::process::id()), Some(server));
    };
    alone.spawn(task, ()).unwrap().join().unwrap();
}
