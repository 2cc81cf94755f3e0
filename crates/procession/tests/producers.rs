//! Queues that end with their last producer.

use procession::{
    Fault, GetError, JoinableQueue, Pipe, Process, Producer, PutError, Queue, SimpleQueue,
    StartMethod, StateError, wait,
};
use procession_testkit::{eventually, kill9, watchdog};
use std::thread;
use std::time::Duration;

procession::enable_in_tests!();

const SOON: Duration = Duration::from_millis(1);

fn put_numbers(producer: Producer<u64>, from: u64, to: u64) {
    for number in from..to {
        producer.put(&number).expect("there is room");
    }
}

fn sum_up(queue: Queue<u64>) -> Result<u64, String> {
    let sum = queue.iter().sum::<Result<u64, GetError>>();
    sum.map_err(|error| error.to_string())
}

fn put_for_ever(producer: Producer<u64>) {
    for number in 0.. {
        producer.put(&number).expect("there is room");
    }
}

fn hold(producer: Producer<u64>) {
    producer.put(&0).expect("there is room");
    loop {
        thread::park();
    }
}

// QUE-015
#[test]
fn iteration_ends_with_the_producers_of_every_start_method() {
    let _watchdog = watchdog();
    for method in [StartMethod::ForkServer, StartMethod::Spawn] {
        let queue = Queue::bounded(10).unwrap();
        let producer = queue.producer().unwrap();
        let start = || Process::builder().start_method(method);
        let consumers = [(); 2].map(|()| start().spawn(sum_up, (queue.clone(),)).unwrap());
        let producers = [0, 100, 200].map(|from| {
            let args = (producer.clone(), from, from + 100);
            start().spawn(put_numbers, args).unwrap()
        });
        drop(producer);
        let sums = consumers.map(|consumer| consumer.join().unwrap().unwrap());
        assert_eq!(sums.iter().sum::<u64>(), (0..300).sum());
        for producer in producers {
            producer.join().unwrap();
        }
        assert!(queue.is_closed());
        assert!(matches!(queue.put(&1), Err(PutError::Closed(_))));
        assert!(matches!(queue.producer(), Err(StateError::Closed(_))));
    }
}

// QUE-015
#[test]
fn a_producer_that_is_killed_at_any_moment_is_no_producer() {
    let _watchdog = watchdog();
    for round in 0..15_u64 {
        let queue = Queue::bounded(if round % 2 == 0 { 0 } else { 3 }).unwrap();
        let producer = queue.producer().unwrap();
        let producers = [(); 2].map(|()| {
            let process = Process::spawn(put_for_ever, (producer.clone(),)).unwrap();
            let pid = process.pid();
            let killer = thread::spawn(move || {
                thread::sleep(Duration::from_micros(round * 400));
                kill9(pid);
            });
            (process, killer)
        });
        drop(producer);
        // What each has put is a beginning of all numbers, and comes in order.
        let got: Vec<u64> = queue.iter().collect::<Result<_, _>>().unwrap();
        let begun = got.iter().filter(|&&number| number == 0).count();
        assert!(begun <= 2);
        let mut next = [0, 0];
        for number in got {
            let of = next.iter().position(|&next| next == number);
            next[of.expect("none is missing in between")] += 1;
        }
        for (process, killer) in producers {
            killer.join().unwrap();
            process.join().unwrap_err();
        }
    }
}

// QUE-015
#[test]
fn a_consumer_that_sleeps_already_learns_of_the_last_producers_death() {
    let _watchdog = watchdog();
    let queue = Queue::<u64>::new().unwrap();
    let consumers = [(); 2].map(|()| {
        let queue = queue.clone();
        thread::spawn(move || queue.iter().map(Result::unwrap).sum::<u64>())
    });
    thread::sleep(Duration::from_millis(20));
    let producer = queue.producer().unwrap();
    let holder = Process::spawn(hold, (producer,)).unwrap();
    eventually("it has put", || {
        consumers.iter().all(|it| !it.is_finished()) && queue.is_empty().unwrap()
    });
    holder.kill().unwrap();
    assert_eq!(consumers.map(|consumer| consumer.join().unwrap()), [0, 0]);
    holder.join().unwrap_err();
}

type Get = fn(&Queue<u64>) -> Result<u64, GetError>;

// QUE-015
#[test]
fn every_way_to_get_tells_that_nobody_is_left() {
    let _watchdog = watchdog();
    let gets: [Get; 4] = [
        |queue| queue.get(),
        |queue| queue.try_get(),
        |queue| queue.get_timeout(SOON),
        |queue| queue.get_many(3).map(|items| items[0]),
    ];
    for get in gets {
        let queue = Queue::new().unwrap();
        let holder = Process::spawn(hold, (queue.producer().unwrap(),)).unwrap();
        assert_eq!(queue.get().unwrap(), 0);
        assert!(matches!(queue.try_get(), Err(GetError::Empty)));
        assert!(matches!(queue.get_timeout(SOON), Err(GetError::Empty)));
        // Who is stopped is there.
        let pid = nix::unistd::Pid::from_raw(holder.pid().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSTOP).unwrap();
        let late = queue.get_timeout(Duration::from_millis(120));
        assert!(matches!(late, Err(GetError::Empty)));
        holder.kill().unwrap();
        holder.join().unwrap_err();
        let ended = get(&queue);
        assert!(matches!(ended, Err(GetError::Closed(_))), "{ended:?}");
    }
}

// QUE-015
#[test]
fn a_producer_on_its_way_is_there_until_it_is_taken_or_lost() {
    let _watchdog = watchdog();
    let queue = Queue::new().unwrap();
    let (receiver, sender) = Pipe::simplex::<Producer<u64>>().unwrap();
    sender.send(&queue.producer().unwrap()).unwrap();
    assert!(
        matches!(queue.try_get(), Err(GetError::Empty)),
        "it is on its way"
    );
    let taken = receiver.recv().unwrap();
    taken.put(&7).unwrap();
    assert_eq!(queue.get().unwrap(), 7);
    assert!(
        matches!(queue.try_get(), Err(GetError::Empty)),
        "it was taken"
    );

    sender.send(&taken).unwrap();
    drop(taken);
    assert!(
        matches!(queue.try_get(), Err(GetError::Empty)),
        "it is on its way"
    );
    drop(receiver);
    // A process that another test starts has a copy of the socket until it runs its program.
    assert_eq!(queue.iter().count(), 0, "it was lost");
}

fn never_takes_it(_: Producer<u64>) {}

// QUE-015
#[test]
fn a_child_that_is_killed_before_it_has_its_producer_is_no_producer() {
    let _watchdog = watchdog();
    for _ in 0..10 {
        let queue = Queue::<u64>::new().unwrap();
        let producer = queue.producer().unwrap();
        let process = Process::builder()
            .start_method(StartMethod::Spawn)
            .spawn(never_takes_it, (producer,))
            .unwrap();
        // It loads its program now; nearly always, so that it need not fail.
        kill9(process.pid());
        assert_eq!(queue.iter().count(), 0);
        let _ = process.join();
    }
}

// QUE-015
#[test]
fn a_wait_sees_that_the_last_producer_was_killed() {
    let _watchdog = watchdog();
    let queue = Queue::new().unwrap();
    let other = Queue::<u64>::new().unwrap();
    let (connection, _there) = Pipe::duplex::<u8, u8>().unwrap();
    let holder = Process::spawn(hold, (queue.producer().unwrap(),)).unwrap();
    assert_eq!(queue.get().unwrap(), 0);
    assert_eq!(wait(&[&other, &queue], SOON).unwrap(), []);
    let killer = {
        let pid = holder.pid();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            kill9(pid);
        })
    };
    assert_eq!(wait(&[&other, &queue], None).unwrap(), [1]);
    killer.join().unwrap();
    let mixed: [&dyn procession::Waitable; 2] = [&connection, &queue];
    assert_eq!(wait(&mixed, Duration::ZERO).unwrap(), [1]);
    holder.join().unwrap_err();
}

fn work_through(queue: JoinableQueue<u64>) -> u64 {
    let mut done = 0;
    for item in &queue {
        item.expect("it is a number");
        queue.task_done().expect("it was got");
        done += 1;
    }
    done
}

// QUE-015
#[test]
fn joinable_and_simple_queues_end_too() {
    let _watchdog = watchdog();
    let queue = JoinableQueue::new().unwrap();
    let producer = queue.producer().unwrap();
    let worker = Process::spawn(work_through, (queue.clone(),)).unwrap();
    put_numbers(producer, 0, 50);
    queue.join().unwrap();
    assert_eq!(worker.join().unwrap(), 50);

    let queue = SimpleQueue::new().unwrap();
    let producer = queue.producer().unwrap();
    Process::spawn(put_numbers, (producer, 0, 3))
        .unwrap()
        .join()
        .unwrap();
    let mut got = Vec::new();
    for item in queue {
        got.push(item.unwrap());
    }
    assert_eq!(got, [0, 1, 2]);
}

#[test]
fn a_producer_cannot_lie_in_a_queue() {
    let _watchdog = watchdog();
    let queue = Queue::<u64>::new().unwrap();
    let of_producers = Queue::new().unwrap();
    let refused = of_producers.put(&queue.producer().unwrap());
    assert!(matches!(refused, Err(PutError::Descriptors)));
    // The one that was refused is gone, and was the last.
    assert!(matches!(queue.get(), Err(GetError::Closed(_))));
}

fn without_descriptors(queue: Queue<u64>) -> bool {
    use nix::sys::resource::{Resource, setrlimit};
    setrlimit(Resource::RLIMIT_NOFILE, 0, 0).expect("it can be lowered");
    matches!(queue.producer(), Err(StateError::Fault(Fault::Count(_))))
}

// QUE-015
#[test]
fn want_of_descriptors_is_an_error_and_ends_nothing() {
    let _watchdog = watchdog();
    let queue = Queue::new().unwrap();
    let process = Process::spawn(without_descriptors, (queue.clone(),)).unwrap();
    assert!(process.join().unwrap());
    queue.put(&1).unwrap();
    assert!(!queue.is_closed());
}
