//! What the commands do when nobody reads what they print.

use std::io;
use std::process::{Command, Output};

/// Runs the commands with a standard output whose reader has gone.
fn unread(arguments: &[&str]) -> Output {
    let (reader, writer) = io::pipe().expect("descriptors are left");
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command
        .args(arguments)
        .stdout(writer)
        .output()
        .expect("the commands are built")
}

#[test]
fn a_list_that_head_has_read_enough_of_is_no_panic() {
    for arguments in [&["demos", "--list"][..], &["help"]] {
        let output = unread(arguments);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }
}

#[test]
fn the_status_is_told_all_the_same() {
    let output = unread(&["help", "me"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}
