//! How a server ends, and what its clients are told.

use super::{manager, start};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procession::{Fault, GetError};
use procession_manager::{Event, List, Manager, ManagerError, Queue, Value};
use procession_process::{Cause, ExitStatus};
use procession_testkit::{alive, eventually, exists, kill9, watchdog};

fn is_gone<T>(result: &Result<T, ManagerError>) -> bool {
    matches!(result, Err(ManagerError::Gone))
}

fn send(pid: u32, signal: Signal) {
    kill(Pid::from_raw(pid.cast_signed()), signal).expect("the server is there");
}

fn socket_exists(name: &str) -> bool {
    let sockets = std::fs::read_to_string("/proc/net/unix").expect("it can be read");
    sockets.contains(name)
}

#[test]
fn nothing_is_left_after_it() {
    // MGR-008, MGR-009
    let _watchdog = watchdog();
    let manager = manager();
    let (pid, address) = (manager.pid(), manager.address().clone());
    let list = manager.list_from([1]).unwrap();
    assert!(alive(pid) && socket_exists(address.name()));
    manager.shutdown().unwrap();
    assert!(!exists(pid) && !socket_exists(address.name()));
    assert!(is_gone(&list.len()));
    assert!(is_gone(&manager.list::<u8>()));
    assert!(is_gone(&manager.object_count()));
    manager.shutdown().unwrap();
}

#[test]
fn dropping_the_manager_ends_it() {
    let _watchdog = watchdog();
    let manager = manager();
    let (pid, list) = (manager.pid(), manager.list_from([1]).unwrap());
    drop(manager);
    assert!(!exists(pid));
    assert!(is_gone(&list.len()));
}

#[test]
fn blocked_calls_end_with_it() {
    let _watchdog = watchdog();
    for end in [Manager::shutdown, |manager: &Manager| {
        kill9(manager.pid());
        Ok(())
    }] {
        let manager = manager();
        let (event, queue) = (manager.event().unwrap(), manager.queue::<u8>().unwrap());
        let about = manager.value(0).unwrap();
        let wait = |event: Event, about: Value<u32>| {
            let told = about.update(|about| *about += 1);
            // The end may come before the answer to this.
            is_gone(&told) || is_gone(&event.wait())
        };
        let child = start(wait, (event.clone(), about.clone()));
        std::thread::scope(|scope| {
            let waiting =
                scope.spawn(|| matches!(queue.get(), Err(GetError::Fault(Fault::Server(_)))));
            eventually("the child is about to wait", || about.get().unwrap() == 1);
            end(&manager).unwrap();
            assert!(waiting.join().unwrap());
        });
        assert!(child.join().unwrap());
    }
}

#[test]
fn a_killed_server_is_reported() {
    let _watchdog = watchdog();
    let manager = manager();
    let list = manager.list_from([1]).unwrap();
    let clone = list.clone();
    kill9(manager.pid());
    eventually("the call fails", || is_gone(&list.len()));
    drop(list);
    let error = manager.shutdown().unwrap_err();
    let ManagerError::Server(error) = error else {
        panic!("{error}")
    };
    assert!(
        matches!(error.cause(), Cause::Ended(ExitStatus::Signal(9))),
        "{error}"
    );
    // A proxy of a dead server still travels, and says the same where it arrives.
    let is_dead = |list: List<i32>| is_gone(&list.len());
    assert!(start(is_dead, (clone,)).join().unwrap());
    assert!(!exists(manager.pid()));
}

#[test]
fn it_ends_when_the_process_that_started_it_is_killed() {
    let _watchdog = watchdog();
    let manager = manager();
    let report = manager.queue().unwrap();
    let own_a_manager = |report: Queue<u32>| -> anyhow::Result<()> {
        let manager = Manager::start()?;
        let list = manager.list_from([1])?;
        report.put(&manager.pid())?;
        loop {
            std::thread::park();
            list.len()?;
        }
    };
    let owner = start(own_a_manager, (report.clone(),));
    let server = report.get().unwrap();
    assert!(alive(server));
    kill9(owner.pid());
    assert!(owner.join().is_err());
    eventually("the server has ended", || !alive(server));
}

#[test]
fn interrupts_do_not_end_it() {
    let _watchdog = watchdog();
    let manager = manager();
    let list = manager.list_from([1]).unwrap();
    send(manager.pid(), Signal::SIGINT);
    assert_eq!(list.len().unwrap(), 1);
    manager.shutdown().unwrap();
}

#[test]
fn a_server_that_cannot_end_is_killed() {
    let _watchdog = watchdog();
    let manager = manager();
    send(manager.pid(), Signal::SIGSTOP);
    assert!(matches!(manager.shutdown(), Err(ManagerError::Server(_))));
    assert!(!exists(manager.pid()));
}

#[test]
fn managers_are_independent() {
    // MGR-011
    let _watchdog = watchdog();
    for _ in 0..3 {
        let (one, other) = (manager(), manager());
        let (here, there) = (one.list_from([1]).unwrap(), other.list_from([2]).unwrap());
        one.shutdown().unwrap();
        assert!(is_gone(&here.len()));
        assert_eq!(there.len().unwrap(), 1);
    }
}

#[test]
fn an_aborting_method_takes_the_server_with_it_and_no_client() {
    let _watchdog = watchdog();
    let manager = manager();
    let object = manager.host(|| 0_u8, ()).unwrap();
    let abort = |_: &mut u8| -> u8 { std::process::abort() };
    assert!(is_gone(&object.with(abort)));
    let error = manager.shutdown().unwrap_err();
    assert!(error.to_string().contains("SIGABRT"), "{error}");
}
