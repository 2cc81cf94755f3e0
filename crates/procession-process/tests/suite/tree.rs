//! Children of children.

use procession_pipe::{PipeWriter, pipe};
use procession_process::{Process, current_process, start_method};
use procession_shm::Value;
use std::io::{Read, Write};

fn tree(depth: u32) -> Vec<String> {
    let mut names = vec![current_process().name().to_owned()];
    for _ in 0..if depth == 0 { 0 } else { 2 } {
        names.extend(Process::spawn(tree, (depth - 1,)).unwrap().join().unwrap());
    }
    names
}

// PRC-009
pub(crate) fn children_have_children() {
    let root = Process::builder().name("root").spawn(tree, (2,)).unwrap();
    let names = root.join().unwrap();
    assert_eq!(names.len(), 7);
    let below = names[1..].iter();
    let below: Vec<_> = below.map(|name| name.rsplit_once(':').unwrap().1).collect();
    assert_eq!(below, ["1", "1", "2", "2", "1", "2"]);
}

fn count_down(depth: u32) -> Vec<u32> {
    let mut pids = vec![std::process::id()];
    assert_eq!(current_process().start_method(), Some(start_method()));
    if depth > 0 {
        let child = Process::spawn(count_down, (depth - 1,)).unwrap();
        assert_eq!(
            child.name().matches(':').count(),
            current_process().name().matches(':').count() + 1
        );
        pids.extend(child.join().unwrap());
    }
    pids
}

// PRC-009
pub(crate) fn processes_are_nested_to_any_depth() {
    let pids = Process::spawn(count_down, (5,)).unwrap().join().unwrap();
    assert_eq!(pids.len(), 6);
    let mut distinct = pids.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), 6, "{pids:?}");
}

fn hand_down(depth: u32, mut words: PipeWriter, sum: Value<u32>) {
    writeln!(words, "{depth}").unwrap();
    sum.update(|sum| *sum += depth);
    if depth > 0 {
        let child = Process::spawn(hand_down, (depth - 1, words, sum)).unwrap();
        child.join().unwrap();
    }
}

// PRC-009, PRC-030
pub(crate) fn a_handle_goes_down_the_tree() {
    let (mut reader, writer) = pipe().unwrap();
    let sum = Value::new(0).unwrap();
    let process = Process::spawn(hand_down, (3, writer, sum.clone())).unwrap();
    process.join().unwrap();
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "3\n2\n1\n0\n");
    assert_eq!(sum.get(), 6);
}
