//! The managed event.

use super::{manager, start};
use procession_manager::{Event, Value};
use procession_testkit::{eventually, watchdog};
use std::time::Duration;

#[test]
fn it_is_set_waited_for_and_cleared() {
    // MGR-012
    let _watchdog = watchdog();
    let manager = manager();
    let event = manager.event().unwrap();
    let use_it = |event: Event| -> anyhow::Result<()> {
        assert!(event.is_set()?);
        event.wait()?;
        event.clear()?;
        assert!(!event.wait_timeout(Duration::from_millis(1))?);
        Ok(())
    };
    assert!(!event.is_set().unwrap());
    event.set().unwrap();
    start(use_it, (event.clone(),)).join().unwrap();
    assert!(!event.is_set().unwrap());
}

#[test]
fn all_who_wait_see_it_even_if_it_is_cleared_at_once() {
    let _watchdog = watchdog();
    let manager = manager();
    let (event, waiting) = (manager.event().unwrap(), manager.value(0).unwrap());
    let wait = |event: Event, waiting: Value<u32>| -> anyhow::Result<()> {
        waiting.update(|waiting| *waiting += 1)?;
        Ok(event.wait()?)
    };
    let args = || (event.clone(), waiting.clone());
    let mut children = vec![start(wait, args()), start(wait, args())];
    eventually("both are about to wait", || waiting.get().unwrap() == 2);
    // One that comes too late for a set sees a later one.
    eventually("all have seen it", || {
        event.set().unwrap();
        event.clear().unwrap();
        children.retain(procession_process::Process::is_alive);
        children.is_empty()
    });
}
