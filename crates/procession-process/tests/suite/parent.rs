//! The parent, as its child knows it.

use super::forever;
use procession_pipe::{Connection, Pipe};
use procession_process::{Process, current_process, parent_process};
use std::time::Duration;

// PRC-004
pub(crate) fn a_child_knows_its_parent() {
    let describe = || {
        let parent = parent_process().expect("it has a parent");
        assert_eq!(current_process().parent_pid(), Some(parent.pid()));
        assert_eq!(
            nix::unistd::getppid().as_raw().cast_unsigned(),
            parent.pid()
        );
        (parent.name().to_owned(), parent.pid(), parent.is_alive())
    };
    let described = Process::spawn(describe, ()).unwrap().join().unwrap();
    let me = current_process();
    assert_eq!(described, (me.name().to_owned(), std::process::id(), true));
    let below = || {
        let describe = || parent_process().map(|parent| parent.name().to_owned());
        Process::spawn(describe, ()).unwrap().join().unwrap()
    };
    let named = Process::builder().name("in between").spawn(below, ());
    assert_eq!(
        named.unwrap().join().unwrap().as_deref(),
        Some("in between")
    );
}

/// Says that its parent lives, and later that it has ended.
fn watch_parent(tell: Connection<bool, ()>) {
    let parent = parent_process().expect("it has a parent");
    tell.send(&parent.is_alive()).unwrap();
    let ended = parent.wait_timeout(Duration::MAX).unwrap();
    tell.send(&(ended && !parent.is_alive())).unwrap();
}

fn start_watcher(tell: Connection<bool, ()>) {
    let detached = Process::builder().detached(true);
    let _child = detached.spawn(watch_parent, (tell,)).unwrap();
    forever();
}

// PRC-004
pub(crate) fn a_grandchild_sees_its_parents_end() {
    let (here, there) = Pipe::duplex::<(), bool>().unwrap();
    let parent = Process::spawn(start_watcher, (there,)).unwrap();
    assert!(here.recv().unwrap());
    parent.terminate().unwrap();
    assert!(parent.join().is_err());
    assert!(here.recv().unwrap());
}

// PRC-004
pub(crate) fn a_parent_that_runs_is_waited_for_in_vain() {
    let waits = || {
        let parent = parent_process().expect("it has a parent");
        parent.wait_timeout(Duration::from_millis(20)).unwrap()
    };
    assert!(!Process::spawn(waits, ()).unwrap().join().unwrap());
}
