//! What does not compile, and that the error says what to do instead.
//!
//! Each program is given to the compiler that built this test, with the facade that this test is
//! linked with. Of what it prints only this library's own words are asked for, and the line of the
//! user's program: the rest is the compiler's, and changes with it.

#![expect(
    clippy::unwrap_used,
    reason = "what the tests share fails by panicking, like a test"
)]

use procession_testkit::watchdog;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What stands before the line that is tried.
const BEFORE: &str = "\
use procession::{Array, Manager, Pool, Process, RawArray, RawValue, Value};
use std::error::Error;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::{Arc, Mutex};

struct Report;
fn good(x: u32) -> u32 { x }
fn text(text: &str) -> usize { text.len() }
fn bytes(bytes: &[u8]) -> usize { bytes.len() }
fn path(path: &Path) -> bool { path.is_absolute() }
fn array(array: &Array<i32>) -> usize { array.len() }
fn takes(_: Report) {}
fn counts(_: Arc<Mutex<u32>>) {}
fn returns(_: u32) -> Report { Report }
fn fails(_: u32) -> Result<u32, Box<dyn Error>> { Ok(1) }

fn main() {
    procession::init();
    let pool = Pool::new(1).unwrap();
    let by = 3_u32;
    let pointer: fn(u32) -> u32 = good;
    let token = PhantomData::<*const ()>;
    let _ = (&pool, by, pointer, token);
";

/// Returns what the compiler says about a program with these lines; `None` if it compiles.
fn compile(lines: &[String]) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("tried.rs");
    fs::write(&source, format!("{BEFORE}{}\n}}\n", lines.join("\n"))).unwrap();
    let output = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args([
            "--edition=2024",
            "--crate-type=bin",
            "--emit=obj",
            "-Awarnings",
        ])
        .arg("-L")
        .arg(format!("dependency={}", libraries().display()))
        .arg("--extern")
        .arg(format!("procession={}", facade().display()))
        .arg("-o")
        .arg(folder.path().join("tried.o"))
        .arg(&source)
        .output()
        .unwrap();
    (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Returns the folder of the libraries that this test is linked with: its own.
fn libraries() -> PathBuf {
    env::current_exe().unwrap().parent().unwrap().to_owned()
}

/// Returns the facade's library; of several, which other builds left there, the newest.
fn facade() -> PathBuf {
    let is_it = |path: &Path| {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        name.starts_with("libprocession-") && path.extension() == Some(OsStr::new("rlib"))
    };
    let built = |path: &PathBuf| path.metadata().unwrap().modified().unwrap();
    fs::read_dir(libraries())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| is_it(path))
        .max_by_key(built)
        .unwrap()
}

/// Asserts that no line compiles, and that an error that shows the line has these words.
fn assert_refused(words: &[&str], lines: impl IntoIterator<Item = String>) {
    let lines: Vec<String> = lines.into_iter().collect();
    let said = compile(&lines).unwrap_or_else(|| panic!("this compiles: {lines:#?}"));
    let errors: Vec<&str> = said.split("\nerror").collect();
    for (index, line) in lines.iter().enumerate() {
        let place = format!("tried.rs:{}:", BEFORE.lines().count() + 1 + index);
        let is_about_it = |error: &&str| {
            let says = |word: &&str| error.contains(word);
            error.contains(&place) && error.contains(line) && words.iter().all(says)
        };
        assert!(errors.iter().any(is_about_it), "{line}: {words:?}\n{said}");
    }
}

/// Each way to give a task to another process, with `TASK` for it and `ARGUMENT` for what it takes.
const WAYS: &[&str] = &[
    "Process::spawn(TASK, (ARGUMENT,))",
    "Process::builder().spawn(TASK, (ARGUMENT,))",
    "pool.map(TASK, [ARGUMENT])",
    "pool.map_chunked(TASK, [ARGUMENT], 1)",
    "pool.starmap(TASK, [(ARGUMENT,)])",
    "pool.apply(TASK, (ARGUMENT,))",
    "pool.apply_async(TASK, (ARGUMENT,))",
    "pool.task(TASK).map([ARGUMENT])",
    "pool.task(TASK).apply((ARGUMENT,))",
];

fn each_way(task: &str, argument: &str) -> Vec<String> {
    let way = |way: &&str| way.replace("TASK", task).replace("ARGUMENT", argument) + ".unwrap();";
    WAYS.iter().map(way).collect()
}

fn spawn(task: &str, argument: &str) -> [String; 1] {
    [format!("Process::spawn({task}, ({argument},)).unwrap();")]
}

#[test]
fn what_is_right_compiles() {
    let _watchdog = watchdog();
    let mut lines = each_way("good", "2");
    lines.push("Value::new(true).unwrap();".to_owned());
    assert_eq!(compile(&lines), None);
}

// VAL-009
#[test]
fn a_closure_that_captures_is_refused_at_the_call() {
    let _watchdog = watchdog();
    let set_up = |which| format!("procession::{which}(move |_: u32| drop(by), 2).unwrap();");
    let mut lines = each_way("move |x: u32| x * by", "2");
    lines.extend(["inherit", "preload"].map(set_up));
    let words = ["a closure that captures nothing", "Pass it as an argument"];
    assert_refused(&words, lines);
}

// VAL-009
#[test]
fn a_function_pointer_is_refused() {
    let _watchdog = watchdog();
    assert_refused(&["PassTheFunctionItself"], each_way("pointer", "2"));
}

// VAL-012
#[test]
fn a_function_is_called_only_by_its_value() {
    let _watchdog = watchdog();
    // With the type alone, a closure would be called that has captured what exists nowhere.
    let forge = "fn forge<F: procession::Task<(), M, Output = ()>, M>() { F::call(()).unwrap(); }";
    assert_refused(&["argument #1 of type `F` is missing"], [forge.to_owned()]);
}

// VAL-012
#[test]
fn a_value_that_must_stay_in_its_thread_is_not_captured() {
    let _watchdog = watchdog();
    let lines = [
        "Process::spawn(move || drop(token), ()).unwrap();",
        "pool.apply(move || drop(token), ()).unwrap();",
        "pool.map(move |_: u32| drop(token), [1]).unwrap();",
        "procession::inherit(move |_: u32| drop(token), 1).unwrap();",
        "let _ = Manager::start().unwrap().value(1).unwrap().update(move |_: &mut i32| drop(token));",
    ];
    let words = ["cannot be sent between threads safely"];
    for line in lines {
        assert_refused(&words, [line.to_owned()]);
    }
}

// VAL-009
#[test]
fn a_borrowed_argument_is_refused_and_the_owned_type_named() {
    let _watchdog = watchdog();
    assert_refused(&["TakeAStringInstead"], each_way("text", "\"a\""));
    assert_refused(&["TakeAVecInstead"], spawn("bytes", "&b\"a\"[..]"));
    assert_refused(&["TakeAPathBufInstead"], spawn("path", "Path::new(\"a\")"));
    let words = ["is not a task with the arguments", "a clone of a handle"];
    assert_refused(&words, spawn("array", "&Array::from_iter(0..3).unwrap()"));
}

// VAL-009
#[test]
fn what_serde_cannot_carry_is_refused_as_an_argument_and_as_a_result() {
    let _watchdog = watchdog();
    let words = ["is not a task with the arguments", "derive both"];
    assert_refused(&words, each_way("takes", "Report"));
    assert_refused(&words, each_way("returns", "2"));
    // It would be a copy, which shares nothing.
    assert_refused(&words, each_way("counts", "Arc::new(Mutex::new(1))"));
    let words = [
        "is not a task with the arguments",
        "`Box<dyn Error>` does not",
    ];
    assert_refused(&words, each_way("fails", "2"));
    let words = ["cannot be what a forked process does"];
    assert_refused(&words, ["Process::fork(|| Report).unwrap();".to_owned()]);
}

// VAL-009
#[test]
fn shared_memory_refuses_what_is_not_plain() {
    let _watchdog = watchdog();
    let lines = [
        "Value::new(String::new()).unwrap();",
        "Array::from_iter([vec![1]]).unwrap();",
        "RawValue::new(Report).unwrap();",
        "RawArray::from_slice(&[Report]).unwrap();",
    ];
    let words = [
        "is not plain data",
        "#[procession::plain]",
        "a queue or a pipe",
    ];
    assert_refused(&words, lines.map(str::to_owned));
}

// VAL-009
#[test]
fn what_ends_when_it_is_dropped_is_not_made_in_vain() {
    let _watchdog = watchdog();
    // The compiler writes a type's path in front of its name where another type has that name too.
    for (make, words) in [
        (
            "Pool::new(1)",
            ["unused `", "Pool`", "ends its workers at once"],
        ),
        (
            "Manager::start()",
            ["unused `", "Manager`", "ends the server"],
        ),
        (
            "Listener::builder().bind(([127, 0, 0, 1], 0))",
            ["unused `", "Listener`", "closes the address"],
        ),
    ] {
        let line =
            format!("#[deny(unused_must_use)] fn in_vain() {{ procession::{make}.unwrap(); }}");
        assert_refused(&words, [line]);
    }
}
