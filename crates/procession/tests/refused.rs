//! A worker and a server that cannot start say why, where they are started.

#![expect(
    clippy::exit,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a scene is a program of its own"
)]

use procession::{Manager, Pool, Process, StartMethod, Value, set_start_method};
use procession_testkit::watchdog;
use std::env;
use std::process::{Command, exit};

/// What is started by a program that shares something before it calls `init`.
const SCENE: &str = "PROCESSION_TEST_SCENE";
const METHOD: &str = "PROCESSION_TEST_METHOD";

const _: () = {
    extern "C" fn before_main() {
        match env::var(SCENE) {
            Ok(scene) => play(&scene),
            Err(_) => procession::init(),
        }
    }
    // SAFETY: the loader calls each entry of this section once, with C's convention.
    #[used]
    #[unsafe(link_section = ".init_array")]
    static BEFORE_MAIN: extern "C" fn() = before_main;
};

fn play(scene: &str) -> ! {
    let _value = Value::new(7).unwrap();
    procession::init();
    let method = env::var(METHOD).unwrap();
    let named = |one: &&StartMethod| format!("{one:?}") == method;
    set_start_method(*StartMethod::ALL.iter().find(named).unwrap());
    println!("{}", start(scene));
    exit(0)
}

fn start(scene: &str) -> String {
    let error: anyhow::Error = match scene {
        "pool" => match Pool::new(1).and_then(|pool| pool.apply(|| 7, ())) {
            Err(error) => error.into(),
            Ok(seven) => return format!("fine: {seven}"),
        },
        "manager" => match Manager::start() {
            Err(error) => error.into(),
            Ok(_) => return "fine: a manager".to_owned(),
        },
        _ => match Process::builder()
            .detached(true)
            .spawn(|| 7, ())
            .unwrap()
            .join()
        {
            Err(error) => error.into(),
            Ok(seven) => return format!("fine: {seven}"),
        },
    };
    error.to_string()
}

#[test]
fn what_is_shared_before_init_is_named_by_whatever_was_to_start() {
    let _watchdog = watchdog();
    for scene in ["pool", "manager", "detached"] {
        for method in [StartMethod::ForkServer, StartMethod::Spawn] {
            let output = Command::new(env::current_exe().unwrap())
                .env(SCENE, scene)
                .env(METHOD, format!("{method:?}"))
                .output()
                .unwrap();
            let words = String::from_utf8(output.stdout).unwrap();
            assert!(words.contains("call init before sharing"), "{words}");
            assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
        }
    }
}
