//! A test program that calls `init` in a test, when its arguments were read, is told.

#![expect(clippy::print_stdout, reason = "a test plays a program of its own")]

use procession_process::{Process, StartError, StartMethod, set_start_method};
use procession_testkit::watchdog;
use std::env;
use std::process::Command;

const METHOD: &str = "PROCESSION_TEST_METHOD";

fn play(method: &str) {
    procession_process::init();
    if method == "Spawn" {
        set_start_method(StartMethod::Spawn);
    }
    match Process::spawn(|| (), ()) {
        Err(error) => {
            assert!(matches!(error, StartError::BeforeInit(_)), "{error}");
            println!("told: {error}");
        }
        Ok(process) => {
            let error = process.join().expect_err("it does not reach its task");
            println!("told: {error}");
        }
    }
}

// PRC-060
#[test]
fn a_child_that_the_test_harness_refuses_is_told() {
    let _watchdog = watchdog();
    if let Ok(method) = env::var(METHOD) {
        return play(&method);
    }
    for method in ["ForkServer", "Spawn"] {
        let output = Command::new(env::current_exe().unwrap())
            .args([
                "a_child_that_the_test_harness_refuses_is_told",
                "--nocapture",
            ])
            .env(METHOD, method)
            .output()
            .unwrap();
        let words = String::from_utf8(output.stdout).unwrap();
        let told = words.lines().find(|line| line.contains("told: ")).unwrap();
        assert!(
            told.contains("before it reached `procession::init()`"),
            "{told}"
        );
        assert!(told.contains("enable_in_tests!"), "{told}");
    }
}
