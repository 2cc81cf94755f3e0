//! A child that does not come to its task says why, once, whatever the start method.
//!
//! Each scene is this program again, which plays it before its `main`: what it does there before
//! `init`, its children do too.

#![expect(
    clippy::exit,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a scene is a program of its own"
)]

use procession_process::{Process, StartMethod, preload, set_start_method};
use procession_shm::{Value, family};
use procession_testkit::watchdog;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, exit};
use std::{env, fs, io};

/// Which scene is played, and by which start method.
const SCENE: &str = "PROCESSION_TEST_SCENE";
const METHOD: &str = "PROCESSION_TEST_METHOD";

const _: () = {
    extern "C" fn before_main() {
        match env::var(SCENE) {
            Ok(scene) => play(&scene),
            Err(_) => procession_process::init(),
        }
    }
    // SAFETY: the loader calls each entry of this section once, with C's convention.
    #[used]
    #[unsafe(link_section = ".init_array")]
    static BEFORE_MAIN: extern "C" fn() = before_main;
};

fn play(scene: &str) -> ! {
    let value = (scene == "value").then(|| Value::new(7).unwrap());
    let marked = env::args().any(|argument| argument == "--procession-child");
    if scene == "arguments" && marked {
        eprintln!("error: unexpected argument '--procession-child' found");
        exit(2);
    }
    if scene == "umask" && !marked {
        become_nobody();
        // SAFETY: the call takes no memory.
        unsafe { libc::umask(0o777) };
    }
    procession_process::init();
    drop(value);
    let method = env::var(METHOD).unwrap();
    let named = |one: &&StartMethod| format!("{one:?}") == method;
    set_start_method(*StartMethod::ALL.iter().find(named).unwrap());
    match scene {
        "lease" => remove_lease(),
        "proc" => hide_proc().unwrap_or_else(|_| exit(NOT_ALLOWED)),
        "namespace" => make_namespace().unwrap_or_else(|_| exit(NOT_ALLOWED)),
        "user" => {
            family::current().unwrap();
            become_nobody();
        }
        "executable" => chmod(&env::current_exe().unwrap(), 0o600),
        "preload" => preload(|(): ()| -> () { exit(3) }, ()).unwrap(),
        _ => {}
    }
    println!("{}", if scene == "umask" { share() } else { start() });
    exit(0)
}

/// As [`start`], with a child that opens something shared.
fn share() -> String {
    let shared = Value::new(7).unwrap();
    let child = Process::spawn(|shared: Value<i32>| shared.get(), (shared,));
    format!("fine: {}", child.unwrap().join().unwrap())
}

/// Gives up the rights of root, which no file refuses.
fn become_nobody() {
    // SAFETY: the call takes no memory.
    if unsafe { libc::geteuid() } == 0 {
        // SAFETY: as above.
        let changed = unsafe { libc::setuid(65534) };
        assert_eq!(changed, 0);
    }
}

/// The exit code of a scene for which this program lacks the rights.
const NOT_ALLOWED: i32 = 77;

fn start() -> String {
    match Process::spawn(|| 7, ()) {
        Err(error) => format!("start: {error}"),
        Ok(process) => match process.join() {
            Err(error) => format!("join: {error}"),
            Ok(seven) => format!("fine: {seven}"),
        },
    }
}

fn remove_lease() {
    let id = family::current().unwrap().id();
    fs::remove_file(format!("/dev/shm/procession-{id}-lease")).unwrap();
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Puts an empty directory over `/proc`, for this process only.
fn hide_proc() -> io::Result<()> {
    let (none, root, proc) = (c"tmpfs".as_ptr(), c"/".as_ptr(), c"/proc".as_ptr());
    let private = libc::MS_REC | libc::MS_PRIVATE;
    // SAFETY: the call takes no memory.
    succeeds(unsafe { libc::unshare(libc::CLONE_NEWNS) })?;
    let no_data = std::ptr::null();
    // SAFETY: all strings are C strings, and nothing else is read.
    succeeds(unsafe { libc::mount(none, root, std::ptr::null(), private, no_data) })?;
    // SAFETY: as above.
    succeeds(unsafe { libc::mount(none, proc, none, 0, no_data) })
}

/// Has the children of this process numbered anew.
fn make_namespace() -> io::Result<()> {
    // SAFETY: the call takes no memory.
    succeeds(unsafe { libc::unshare(libc::CLONE_NEWPID) })
}

fn succeeds(result: i32) -> io::Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Has a program play a scene; returns what it says, after it has checked that nothing else does.
fn play_by(mut program: Command, scene: &str, method: StartMethod) -> Option<String> {
    let played = program.env(SCENE, scene).env(METHOD, format!("{method:?}"));
    let output = played.output().unwrap();
    let complaints = String::from_utf8(output.stderr).unwrap();
    if output.status.code() == Some(NOT_ALLOWED) {
        return None;
    }
    // The parser's own words, and no more of them than one child's.
    assert!(complaints.lines().count() <= 1, "{complaints}");
    assert!(!complaints.contains("procession:"), "{complaints}");
    Some(String::from_utf8(output.stdout).unwrap())
}

fn scene(scene: &str, method: StartMethod) -> String {
    let program = Command::new(env::current_exe().unwrap());
    play_by(program, scene, method).expect("it needs no rights")
}

#[track_caller]
fn expect(words: &str, all: &[&str]) {
    for part in all {
        assert!(words.contains(part), "{part:?} is not in {words:?}");
    }
}

// PRC-060
#[test]
fn what_is_shared_before_init_is_named() {
    let _watchdog = watchdog();
    for method in [StartMethod::ForkServer, StartMethod::Spawn] {
        let words = scene("value", method);
        expect(&words, &["join: ", "could not start: ", "call init before"]);
    }
    // A copy has its parent's family.
    assert_eq!(scene("value", StartMethod::Fork), "fine: 7\n");
}

// PRC-060
#[test]
fn a_umask_that_keeps_everybody_out_keeps_no_child_out() {
    let _watchdog = watchdog();
    for method in StartMethod::ALL {
        assert_eq!(scene("umask", method), "fine: 7\n");
    }
}

// PRC-060
#[test]
fn a_lease_that_has_lost_its_name_keeps_no_child_out() {
    let _watchdog = watchdog();
    for method in StartMethod::ALL {
        assert_eq!(scene("lease", method), "fine: 7\n");
    }
}

// PRC-060
#[test]
fn arguments_that_are_read_before_init_are_named() {
    let _watchdog = watchdog();
    let advice = ["exited with code 2 before it reached `procession::init()`"];
    for method in [StartMethod::ForkServer, StartMethod::Spawn] {
        let words = scene("arguments", method);
        expect(&words, &advice);
        expect(&words, &["first line of `main`", "enable_in_tests!"]);
    }
    assert_eq!(scene("arguments", StartMethod::Fork), "fine: 7\n");
}

#[test]
fn a_preload_that_exits_is_named() {
    let _watchdog = watchdog();
    let words = scene("preload", StartMethod::ForkServer);
    expect(&words, &["preload", "exited with code 3"]);
}

// PRC-060
#[test]
fn a_program_that_the_loader_started_is_told() {
    let _watchdog = watchdog();
    let loaders = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];
    let loader = loaders.iter().find(|path| Path::new(path).exists());
    let loader = loader.expect("a program of glibc has a loader");
    let started = |method| {
        let mut program = Command::new(loader);
        program.arg(env::current_exe().unwrap());
        play_by(program, "loader", method).expect("it needs no rights")
    };
    for method in [StartMethod::ForkServer, StartMethod::Spawn] {
        expect(&started(method), &["start: ", "dynamic loader", "itself"]);
    }
    assert_eq!(started(StartMethod::Fork), "fine: 7\n");
}

// PRC-060
#[test]
fn a_missing_proc_is_named() {
    let _watchdog = watchdog();
    for method in StartMethod::ALL {
        let program = Command::new(env::current_exe().unwrap());
        // Who may not mount has a `/proc`.
        if let Some(words) = play_by(program, "proc", method) {
            expect(&words, &["start: /proc is not there", "mount -t proc"]);
        }
    }
}

// PRC-060
#[test]
fn a_namespace_of_the_childrens_own_is_named() {
    let _watchdog = watchdog();
    for method in StartMethod::ALL {
        let program = Command::new(env::current_exe().unwrap());
        // Who may not make one has none.
        if let Some(words) = play_by(program, "namespace", method) {
            expect(&words, &["cannot start", "PID namespace"]);
        }
    }
}

// PRC-060
#[test]
fn a_program_that_has_become_another_user_starts_children_or_says_why_not() {
    let _watchdog = watchdog();
    for method in StartMethod::ALL {
        let words = scene("user", method);
        if words != "fine: 7\n" {
            expect(&words, &["lease in /dev/shm", "Permission denied"]);
        }
    }
}

// PRC-060
#[test]
fn an_executable_that_cannot_be_run_again_is_named() {
    let _watchdog = watchdog();
    let directory = tempfile::tempdir().unwrap();
    for method in StartMethod::ALL {
        let program = directory.path().join(format!("{method:?}"));
        // By another process: a child of another test that had the file open for writing would keep
        // it from being run.
        let own = env::current_exe().unwrap();
        let copied = Command::new("cp").arg(own).arg(&program).status();
        assert!(copied.unwrap().success());
        let words = play_by(Command::new(&program), "executable", method).unwrap();
        match method {
            StartMethod::Fork => assert_eq!(words, "fine: 7\n"),
            _ => expect(&words, &["start: the executable", "Permission denied"]),
        }
    }
}
