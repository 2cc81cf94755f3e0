//! What reports a panic in a child.

#![expect(
    clippy::exit,
    clippy::print_stderr,
    reason = "a scene is a program of its own, with a hook of its own"
)]

use procession_process::{Cause, Failure, Process, StartMethod, set_start_method};
use procession_testkit::watchdog;
use std::process::{Command, exit};
use std::{env, panic, thread};

/// By which start method the scene of a program with a hook of its own is played.
const METHOD: &str = "PROCESSION_TEST_METHOD";

const _: () = {
    extern "C" fn before_main() {
        match env::var(METHOD) {
            Ok(method) => play(&method),
            Err(_) => procession_process::init(),
        }
    }
    // SAFETY: the loader calls each entry of this section once, with C's convention.
    #[used]
    #[unsafe(link_section = ".init_array")]
    static BEFORE_MAIN: extern "C" fn() = before_main;
};

fn play(method: &str) -> ! {
    panic::set_hook(Box::new(|_| eprintln!("the program's own hook")));
    procession_process::init();
    let named = |one: &&StartMethod| format!("{one:?}") == method;
    let method = StartMethod::ALL.iter().find(named);
    set_start_method(*method.expect("there is such a method"));
    let process = Process::spawn(|| -> () { panic!("told") }, ()).expect("it starts");
    let error = process.join().expect_err("it panics");
    let Cause::Call(Failure::Panicked(panic)) = error.cause() else {
        panic!("{error}");
    };
    assert_eq!(panic.message(), "told");
    assert!(panic.location().is_some());
    exit(0)
}

// PRC-063
#[test]
fn a_hook_of_the_programs_own_reports_alone() {
    let _watchdog = watchdog();
    for method in StartMethod::ALL {
        let program = env::current_exe().expect("this program has a path");
        let mut program = Command::new(program);
        let output = program.env(METHOD, format!("{method:?}")).output();
        let output = output.expect("it runs");
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words}");
        assert_eq!(words, "the program's own hook\n");
    }
}

// PRC-063
#[test]
fn a_panic_of_another_thread_is_reported_with_its_name() {
    let _watchdog = watchdog();
    let panics = || {
        let thread = thread::Builder::new().name("reader".to_owned());
        let thread = thread.spawn(|| panic!("told")).expect("there is room");
        assert!(thread.join().is_err());
    };
    let mut process = Process::builder()
        .name("parent of threads")
        .stderr(procession_process::Stdio::piped())
        .spawn(panics, ())
        .expect("it starts");
    let stderr = process.take_stderr().expect("it is a pipe");
    let words = std::io::read_to_string(stderr).expect("it is text");
    let pid = process.pid();
    process.join().expect("its own thread does not panic");
    let first = format!("process `parent of threads` (pid {pid}): thread 'reader' panicked at ");
    assert!(words.starts_with(&first), "{words}");
}
