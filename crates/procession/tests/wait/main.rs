//! Waiting for queues, alone and together with processes and connections.

#![expect(clippy::unwrap_used, reason = "a task fails by panicking, like a test")]

use procession::{
    Connection, GetError, JoinableQueue, Pipe, Process, Queue, SimpleQueue, Waitable, wait,
};
use procession_testkit::{eventually, kill9, watchdog};
use std::collections::BTreeSet;
use std::fs;
use std::thread::{self, Scope, ScopedJoinHandle, park};
use std::time::{Duration, Instant};

mod sandbox;
mod signals;

procession::enable_in_tests!();

/// Far beyond what any wait takes, and not for ever.
const LONG: Duration = Duration::from_secs(100);

fn queues(count: usize) -> Vec<Queue<u32>> {
    (0..count).map(|_| Queue::new().unwrap()).collect()
}

fn dynamic(queues: &[Queue<u32>]) -> Vec<&dyn Waitable> {
    queues.iter().map(|queue| queue as &dyn Waitable).collect()
}

/// Starts a thread and waits until it sleeps in the kernel.
fn asleep<'scope, R: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> R + Send + 'scope,
) -> ScopedJoinHandle<'scope, R> {
    let (tell, told) = std::sync::mpsc::channel();
    let thread = scope.spawn(move || {
        tell.send(nix::unistd::gettid()).unwrap();
        work()
    });
    let path = format!("/proc/self/task/{}/stat", told.recv().unwrap());
    eventually("the thread sleeps", || {
        let stat = fs::read_to_string(&path).unwrap_or_default();
        stat.rsplit_once(") ")
            .is_some_and(|(_, rest)| rest.starts_with('S'))
    });
    thread
}

fn put_when_told(queue: Queue<u32>, told: Connection<(), u32>) {
    while let Ok(item) = told.recv() {
        queue.put(&item).unwrap();
    }
}

#[test]
fn queues_wake_who_waits_for_many_of_them() {
    let _watchdog = watchdog();
    // One, as many as a thread can sleep on, one more, and more than two helpers can.
    for count in [1, 128, 129, 300] {
        let queues = queues(count);
        for index in [0, count / 2, count - 1] {
            assert_eq!(wait(&queues, Duration::from_millis(1)).unwrap(), []);
            thread::scope(|scope| {
                let waiter = asleep(scope, || wait(&queues, None));
                queues[index].put(&1).unwrap();
                assert_eq!(waiter.join().unwrap().unwrap(), [index]);
            });
            assert_eq!(queues[index].get().unwrap(), 1);
        }
    }
}

#[test]
fn queues_and_descriptors_wake_who_waits_for_both() {
    let _watchdog = watchdog();
    for count in [1, 127, 128, 260] {
        let queues = queues(count);
        let (here, there) = Pipe::duplex::<u32, u32>().unwrap();
        let mut objects = dynamic(&queues);
        objects.insert(0, &here);
        let (queues, objects) = (&queues, &objects);
        for index in [1, count] {
            wakes(objects, index, || queues[index - 1].put(&1).unwrap());
            queues[index - 1].get().unwrap();
        }
        wakes(objects, 0, || there.send(&1).unwrap());
        here.recv().unwrap();
    }
}

/// Waits for `objects`, of which nothing is ready until `act`.
fn wakes(objects: &[&dyn Waitable], expected: usize, act: impl FnOnce() + Send) {
    assert_eq!(wait(objects, Duration::ZERO).unwrap(), []);
    assert_eq!(wait(objects, Duration::from_millis(1)).unwrap(), []);
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(2));
            act();
        });
        assert_eq!(wait(objects, LONG).unwrap(), [expected]);
    });
}

#[test]
fn all_that_are_ready_come_in_order() {
    let _watchdog = watchdog();
    let queues = queues(3);
    let simple = SimpleQueue::<u8>::new().unwrap();
    let joinable = JoinableQueue::<u8>::new().unwrap();
    let (here, there) = Pipe::duplex::<(), ()>().unwrap();
    let objects: [&dyn Waitable; 6] = [
        &joinable, &queues[0], &here, &simple, &queues[1], &queues[2],
    ];
    assert_eq!(wait(&objects, Duration::ZERO).unwrap(), []);
    simple.put(&1).unwrap();
    joinable.put(&1).unwrap();
    queues[2].put(&1).unwrap();
    there.send(&()).unwrap();
    for timeout in [Some(Duration::ZERO), None, Some(Duration::MAX)] {
        assert_eq!(wait(&objects, timeout).unwrap(), [0, 2, 3, 5]);
    }
}

#[test]
fn a_queue_and_the_process_that_should_fill_it() {
    let _watchdog = watchdog();
    let queue = Queue::new().unwrap();
    let (tell, told) = Pipe::duplex::<u32, ()>().unwrap();
    let child = Process::spawn(put_when_told, (queue.clone(), told)).unwrap();
    let objects: [&dyn Waitable; 2] = [&queue, &child];
    for item in 0..50 {
        tell.send(&item).unwrap();
        assert_eq!(wait(&objects, None).unwrap(), [0]);
        assert_eq!(queue.get().unwrap(), item);
    }
    kill9(child.pid());
    assert_eq!(wait(&objects, None).unwrap(), [1]);
    assert!(queue.is_empty().unwrap());
    assert!(child.join().is_err());
}

#[test]
fn the_timeout_passes_where_nothing_comes() {
    let _watchdog = watchdog();
    let queues = queues(2);
    let (here, _there) = Pipe::duplex::<(), ()>().unwrap();
    let timeout = Duration::from_millis(20);
    let mixed: [&dyn Waitable; 3] = [&queues[0], &queues[1], &here];
    for objects in [&mixed[..1], &mixed[..2], &mixed[..]] {
        let start = Instant::now();
        assert_eq!(wait(objects, timeout).unwrap(), []);
        assert!(start.elapsed() >= timeout);
    }
}

#[test]
fn a_queue_that_is_closed_is_ready() {
    let _watchdog = watchdog();
    let queues = queues(3);
    let (here, _there) = Pipe::duplex::<(), ()>().unwrap();
    let mut objects = dynamic(&queues);
    thread::scope(|scope| {
        let waiter = asleep(scope, || wait(&queues, None));
        queues[1].close().unwrap();
        assert_eq!(waiter.join().unwrap().unwrap(), [1]);
    });
    objects.push(&here);
    assert_eq!(wait(&objects, None).unwrap(), [1]);
    objects.remove(1);
    thread::scope(|scope| {
        scope.spawn(|| queues[2].close().unwrap());
        assert_eq!(wait(&objects, None).unwrap(), [1]);
    });
}

#[test]
fn all_who_wait_for_an_item_are_told_and_one_gets_it() {
    let _watchdog = watchdog();
    let queues = queues(2);
    thread::scope(|scope| {
        let waiters: Vec<_> = (0..4)
            .map(|_| asleep(scope, || wait(&queues, None)))
            .collect();
        queues[1].put(&5).unwrap();
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap().unwrap(), [1]);
        }
    });
    assert_eq!(queues[1].try_get().unwrap(), 5);
    assert!(matches!(queues[1].try_get(), Err(GetError::Empty)));
    assert_eq!(wait(&queues, Duration::ZERO).unwrap(), []);
}

/// Takes from both queues what it can, until one is closed; puts what it took into the last one.
fn take_what_comes(from: [Queue<u32>; 2], to: Queue<u32>) {
    loop {
        for index in wait(&from, None).unwrap() {
            match from[index].try_get() {
                Ok(item) => to.put(&item).unwrap(),
                // Another one was faster.
                Err(GetError::Empty) => {}
                Err(_) => return,
            }
        }
    }
}

#[test]
fn what_several_wait_for_and_take_comes_once() {
    let _watchdog = watchdog();
    let (from, to) = (
        [Queue::new().unwrap(), Queue::new().unwrap()],
        Queue::new().unwrap(),
    );
    let takers: Vec<_> = (0..3)
        .map(|_| Process::spawn(take_what_comes, (from.clone(), to.clone())).unwrap())
        .collect();
    let mut missing: BTreeSet<u32> = (0..2000).collect();
    for &item in &missing {
        from[item as usize % 2].put(&item).unwrap();
    }
    while !missing.is_empty() {
        assert!(missing.remove(&to.get().unwrap()));
    }
    from[1].close().unwrap();
    for taker in takers {
        taker.join().unwrap();
    }
    assert!(to.is_empty().unwrap());
}

fn wait_for_ever(queue: Queue<u32>, before: Queue<()>) {
    let (here, _there) = Pipe::duplex::<(), ()>().unwrap();
    before.put(&()).unwrap();
    wait(&[&queue as &dyn Waitable, &here], None).unwrap();
    loop {
        park();
    }
}

#[test]
fn a_waiter_that_is_killed_hinders_nobody() {
    let _watchdog = watchdog();
    let (queue, before) = (Queue::new().unwrap(), Queue::new().unwrap());
    let spawn = || Process::spawn(wait_for_ever, (queue.clone(), before.clone())).unwrap();
    for round in 0..10 {
        let victim = spawn();
        before.get().unwrap();
        thread::sleep(Duration::from_micros(round * 100));
        kill9(victim.pid());
        assert!(victim.join().is_err());
        thread::scope(|scope| {
            let waiter = asleep(scope, || wait(&[&queue], None));
            queue.put(&7).unwrap();
            assert_eq!(waiter.join().unwrap().unwrap(), [0]);
        });
        assert_eq!(queue.get().unwrap(), 7);
    }
}

fn put_for_ever(queue: Queue<u32>) {
    while queue.put(&1).is_ok() {}
}

#[test]
fn a_putter_that_is_killed_strands_nobody() {
    let _watchdog = watchdog();
    let queue = Queue::bounded(1).unwrap();
    let (here, _there) = Pipe::duplex::<(), ()>().unwrap();
    for round in 0..30 {
        let child = Process::spawn(put_for_ever, (queue.clone(),)).unwrap();
        for _ in 0..round * 10 {
            assert_eq!(wait(&[&queue as &dyn Waitable, &here], None).unwrap(), [0]);
            queue.get().unwrap();
        }
        child.kill().unwrap();
        let objects: [&dyn Waitable; 3] = [&queue, &here, &child];
        while !wait(&objects, None).unwrap().contains(&2) {
            let _ = queue.try_get();
        }
        assert!(child.join().is_err());
        let _ = queue.try_get();
        // The next one is heard of, whatever the dead one had begun.
        thread::scope(|scope| {
            scope.spawn(|| queue.put(&2).unwrap());
            let objects: [&dyn Waitable; 2] = [&queue, &here];
            assert_eq!(wait(&objects, None).unwrap(), [0]);
        });
        assert_eq!(queue.get().unwrap(), 2);
    }
}

#[test]
fn a_stopped_putter_that_may_have_the_lock_hides_nothing_else() {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    let _watchdog = watchdog();
    let (queue, idle) = (Queue::new().unwrap(), Queue::<u32>::new().unwrap());
    let (here, there) = Pipe::duplex::<u32, u32>().unwrap();
    let child = Process::spawn(put_for_ever, (queue.clone(),)).unwrap();
    let pid = Pid::from_raw(child.pid().cast_signed());
    for round in 0..20 {
        assert_eq!(wait(&[&queue], None).unwrap(), [0]);
        kill(pid, Signal::SIGSTOP).unwrap();
        while queue.try_get_many(1000).is_ok() {}
        thread::scope(|scope| {
            scope.spawn(|| there.send(&round).unwrap());
            let ready = wait(&[&idle as &dyn Waitable, &queue, &here], None).unwrap();
            assert!(ready.contains(&2) || ready == [1]);
        });
        assert_eq!(here.recv().unwrap(), round);
        kill(pid, Signal::SIGCONT).unwrap();
    }
    child.kill().unwrap();
    assert!(child.join().is_err());
}

fn entries(folder: &str) -> usize {
    fs::read_dir(folder).unwrap().count()
}

fn wait_often() {
    let queues = queues(130);
    let (here, there) = Pipe::duplex::<u32, u32>().unwrap();
    let mut objects = dynamic(&queues);
    objects.push(&here);
    wait(&objects, Duration::from_micros(1)).unwrap();
    let before = (entries("/proc/self/fd"), entries("/proc/self/task"));
    for round in 0..1000 {
        let index = round % objects.len();
        if index == queues.len() {
            there.send(&1).unwrap();
            assert_eq!(wait(&objects, None).unwrap(), [index]);
            here.recv().unwrap();
        } else if round % 2 == 0 {
            thread::scope(|scope| {
                scope.spawn(|| queues[index].put(&1).unwrap());
                assert_eq!(wait(&objects, None).unwrap(), [index]);
            });
            queues[index].get().unwrap();
        } else {
            assert_eq!(wait(&objects, Duration::from_micros(100)).unwrap(), []);
        }
    }
    // A thread that was joined may be in the list for another moment.
    eventually("no descriptor and no thread is left", || {
        (entries("/proc/self/fd"), entries("/proc/self/task")) == before
    });
}

#[test]
fn a_thousand_waits_leave_no_descriptor_and_no_thread() {
    let _watchdog = watchdog();
    Process::spawn(wait_often, ()).unwrap().join().unwrap();
}

/// A process with one thread is one again when a wait has returned.
fn wait_and_fork() {
    let queue = Queue::<u32>::new().unwrap();
    let (here, _there) = Pipe::duplex::<(), ()>().unwrap();
    for round in 0..100 {
        let objects: [&dyn Waitable; 2] = [&queue, &here];
        assert_eq!(wait(&objects, Duration::from_micros(1)).unwrap(), []);
        let child = Process::fork(move || round).unwrap();
        assert_eq!(child.join().unwrap(), round);
    }
}

#[test]
fn who_has_waited_with_helpers_can_fork() {
    let _watchdog = watchdog();
    Process::spawn(wait_and_fork, ()).unwrap().join().unwrap();
}
