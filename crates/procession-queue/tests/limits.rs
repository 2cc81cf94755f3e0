//! The largest items, descriptors that run out, processes that are stopped with a lock.

#![expect(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "a task fails by panicking, like a test, and owns its arguments"
)]

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procession_process::{Builder, Process};
use procession_queue::{
    Fault, GetError, JoinError, JoinableQueue, MAX_ITEM_LEN, PutError, Queue, StateError,
    TaskDoneError,
};
use procession_shm::{Array, Value};
use procession_testkit::{kill9, shared_memory, watchdog};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeSet;
use std::fs::File;
use std::time::Duration;

procession_process::enable_in_tests!();

const SHORT: Duration = Duration::from_millis(5);

/// `PROCESSION_TEST_LARGEST` makes it a gibibyte, which takes four of memory.
#[test]
fn a_very_large_item_comes_whole() {
    let _watchdog = watchdog();
    let largest = std::env::var_os("PROCESSION_TEST_LARGEST").is_some();
    let len = if largest { 1 << 30 } else { 128 << 20 };
    let queue = Queue::new().unwrap();
    let mut text = "x".repeat(len - 1);
    text.push('y');
    queue.put(&text).unwrap();
    assert!(queue.get().unwrap() == text);
    assert!(queue.is_empty().unwrap());
}

/// A text many times over.
#[derive(Debug)]
struct Repeated(String, usize);

impl Serialize for Repeated {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(std::iter::repeat_n(&self.0, self.1))
    }
}

impl<'de> Deserialize<'de> for Repeated {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut texts = Vec::<String>::deserialize(deserializer)?;
        let len = texts.len();
        Ok(Self(texts.pop().unwrap_or_default(), len))
    }
}

#[test]
fn an_item_above_the_limit_is_refused() {
    let _watchdog = watchdog();
    let queue = Queue::new().unwrap();
    let refused = queue.put(&Repeated("x".repeat(1 << 24), 65));
    let Err(PutError::TooLarge { len, max }) = refused else {
        panic!("{refused:?}");
    };
    assert!(len > 65 << 24 && max == MAX_ITEM_LEN);
    assert!(queue.is_empty().unwrap());
    queue.put(&Repeated("x".into(), 65)).unwrap();
    assert_eq!(queue.get().unwrap().1, 65);
}

#[test]
fn timeouts_may_be_as_long_or_as_short_as_can_be() {
    let _watchdog = watchdog();
    let queue = JoinableQueue::bounded(1).unwrap();
    queue.put_timeout(&1, Duration::MAX).unwrap();
    assert!(matches!(
        queue.put_timeout(&1, Duration::ZERO),
        Err(PutError::Full)
    ));
    assert_eq!(queue.get_timeout(Duration::MAX).unwrap(), 1);
    assert!(matches!(
        queue.get_timeout(Duration::ZERO),
        Err(GetError::Empty)
    ));
    assert!(matches!(
        queue.join_timeout(Duration::ZERO),
        Err(JoinError::TimedOut)
    ));
    queue.task_done().unwrap();
    queue.join_timeout(Duration::MAX).unwrap();
}

/// Opens files until there is no descriptor left.
fn exhaust() -> Vec<File> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 100.min(hard), hard).unwrap();
    let files = std::iter::from_fn(|| File::open("/dev/null").ok());
    files.collect()
}

fn block(number: usize) -> String {
    format!("{number} {}", "x".repeat(10_000))
}

/// Items that fill the queue's own segment, two chunks, and a segment of their own.
fn items() -> Vec<String> {
    let blocks = (0..60).map(block);
    blocks.chain(["y".repeat(3_000_000), block(61)]).collect()
}

#[test]
fn a_get_without_descriptors_leaves_the_item_where_it_is() {
    let _watchdog = watchdog();
    let queue = Queue::new().unwrap();
    queue.put_many(&items()).unwrap();
    let child = Process::spawn(get_without_descriptors, (queue.clone(),)).unwrap();
    child.join().unwrap();
    assert!(queue.is_empty().unwrap());
}

fn get_without_descriptors(queue: Queue<String>) {
    let mut refused = 0;
    for expected in items() {
        let files = exhaust();
        let before = queue.len().unwrap();
        let mut got = queue.get();
        if let Err(error) = got {
            assert!(matches!(error, GetError::Fault(Fault::Open(_))), "{error}");
            assert_eq!(queue.len().unwrap(), before);
            assert!(matches!(
                queue.try_get(),
                Err(GetError::Fault(Fault::Open(_)))
            ));
            drop(files);
            refused += 1;
            got = queue.get();
        }
        assert!(got.unwrap() == expected);
    }
    assert!(refused >= 2, "{refused} times");
}

/// What is not small, so that each has to be opened.
type Handles = (Vec<Array<u32>>, Queue<u8>, String);

/// Two items with handles, one of which gets a segment of its own, and one without.
fn put_handles(queue: &Queue<Handles>, values: &[Array<u32>], inner: &Queue<u8>) {
    let values = values.to_vec();
    let texts = ["small".to_owned(), "y".repeat(3_000_000)];
    for text in texts {
        let item = (values.clone(), inner.clone(), text);
        queue.put(&item).unwrap();
    }
    let last = (Vec::new(), inner.clone(), "last".to_owned());
    queue.put(&last).unwrap();
}

#[test]
fn an_item_whose_handles_cannot_be_opened_stays_where_it_is() {
    let _watchdog = watchdog();
    let queue = Queue::<Handles>::new().unwrap();
    let inner = Queue::new().unwrap();
    inner.put(&9).unwrap();
    let values: Vec<_> = (0..9)
        .map(|number| Array::from_slice(&vec![number; 9000]).unwrap())
        .collect();
    put_handles(&queue, &values, &inner);
    let child = Process::spawn(get_handles_without_descriptors, (queue.clone(),)).unwrap();
    child.join().unwrap();
    assert!(queue.is_empty().unwrap());
    // Nobody counts too much, and nobody counted too little.
    for value in &values {
        assert_eq!(value.segment().holders(), 1);
    }
    assert_eq!(inner.get().unwrap(), 9);
}

fn get_handles_without_descriptors(queue: Queue<Handles>) {
    for len in [5, 3_000_000, 4] {
        let before = queue.len().unwrap();
        let files = exhaust();
        for got in [queue.get(), queue.try_get()] {
            let Err(GetError::Fault(Fault::Open(error))) = got else {
                panic!("{got:?}");
            };
            assert!(error.to_string().contains("Too many open files"), "{error}");
        }
        assert_eq!(queue.len().unwrap(), before);
        // A few are enough for any number of handles, for none stays open.
        let mut files = files;
        files.truncate(files.len() - 4);
        let (values, inner, text) = queue.get().unwrap();
        drop(files);
        assert_eq!(text.len(), len);
        let expected = if len == 4 { 0 } else { 9 };
        assert!(values.iter().map(|array| array.get(7)).eq(0..expected));
        assert_eq!(inner.len().unwrap(), 1);
    }
}

#[test]
fn an_item_whose_memory_is_gone_does_not_block_the_others() {
    let _watchdog = watchdog();
    // In a process of its own, so that all new segments are those of this test.
    let child = Process::spawn(get_what_is_gone, ()).unwrap();
    child.join().unwrap();
}

fn get_what_is_gone() {
    let queue = Queue::<(Option<Value<u32>>, String)>::new().unwrap();
    let value = Value::new(1).unwrap();
    let before = segments_of_this_process();
    queue.put(&(None, "y".repeat(3_000_000))).unwrap();
    queue.put(&(Some(value.clone()), "small".into())).unwrap();
    queue.put(&(None, "last".into())).unwrap();
    for name in segments_of_this_process().difference(&before) {
        std::fs::remove_file(format!("/dev/shm/{name}")).unwrap();
    }
    std::fs::remove_file(format!("/dev/shm{}", value.segment().name())).unwrap();
    drop(value);
    for _ in 0..2 {
        assert!(matches!(queue.get(), Err(GetError::Decode(_))));
    }
    assert_eq!(queue.get().unwrap().1, "last");
}

fn segments_of_this_process() -> BTreeSet<String> {
    let mut names = shared_memory("");
    let made_here = format!("-{:x}-", std::process::id());
    names.retain(|name| name.contains(&made_here));
    names
}

#[test]
fn a_put_without_descriptors_is_refused_and_the_queue_goes_on() {
    let _watchdog = watchdog();
    let child = Process::spawn(put_without_descriptors, ()).unwrap();
    child.join().unwrap();
}

fn put_without_descriptors() {
    let queue = Queue::new().unwrap();
    let files = exhaust();
    let put = (0..1000).find(|&number| queue.put(&block(number)).is_err());
    let put = put.unwrap();
    assert_eq!(queue.len().unwrap(), put);
    assert!(matches!(queue.put(&block(put)), Err(PutError::Memory(_))));
    let large = queue.put(&"y".repeat(3_000_000));
    assert!(matches!(large, Err(PutError::Memory(_))));
    drop(files);
    for number in put..put + 50 {
        queue.put(&block(number)).unwrap();
    }
    for number in 0..put + 50 {
        assert!(queue.get().unwrap() == block(number));
    }
}

/// A process of a group of its own. When the leader of a group ends, as a shell does that started
/// this test, the kernel may tell all who are stopped in it to go on.
fn grouped() -> Builder {
    Process::builder().process_group(0)
}

/// A process that is stopped at moments, until it is ended.
struct Stopped {
    process: Option<Process<()>>,
    pid: u32,
}

impl Stopped {
    fn of(process: Process<()>) -> Self {
        let pid = process.pid();
        let process = Some(process);
        Self { process, pid }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid.cast_signed()), signal).unwrap();
    }

    /// Stops the process at moments until it has a lock, which `is_held` finds out.
    fn stop_with_lock(&self, mut is_held: impl FnMut() -> bool) {
        loop {
            self.signal(Signal::SIGSTOP);
            if is_held() {
                return;
            }
            self.signal(Signal::SIGCONT);
            std::thread::sleep(Duration::from_micros(300));
        }
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        kill9(self.pid);
        // It was killed, or had come to its end because the queue was closed.
        let _ = self.process.take().map(Process::join);
    }
}

fn is_held(fault: &Fault, pid: u32) -> bool {
    // The process has one thread, whose number is its own.
    matches!(fault, Fault::Held { thread: Some(thread) } if *thread == pid)
}

fn get_for_ever(queue: JoinableQueue<u32>) {
    while queue.get().is_ok() {}
}

#[test]
fn a_stopped_consumer_delays_nobody_for_ever() {
    let _watchdog = watchdog();
    let queue = JoinableQueue::new().unwrap();
    let child = Stopped::of(grouped().spawn(get_for_ever, (queue.clone(),)).unwrap());
    let held = |fault: &Fault| is_held(fault, child.pid);
    child.stop_with_lock(|| {
        // A consumer that goes to sleep has the producers' lock for a moment.
        let _ = queue.put_many_timeout(&[1; 500], SHORT);
        matches!(queue.try_get(), Err(GetError::Fault(fault)) if held(&fault))
    });
    queue.put(&2).unwrap();
    assert!(queue.len().unwrap() >= 1);
    assert!(!queue.is_empty().unwrap());
    assert!(matches!(queue.get_timeout(SHORT), Err(GetError::Empty)));
    let joined = queue.join_timeout(SHORT);
    assert!(matches!(joined, Err(JoinError::TimedOut)));
    assert!(matches!(queue.task_done(), Err(TaskDoneError::Fault(fault)) if held(&fault)));
    assert!(matches!(queue.unfinished(), Err(StateError::Fault(fault)) if held(&fault)));
    assert!(held(&queue.close().unwrap_err()));
    assert!(!queue.is_closed());
    child.signal(Signal::SIGCONT);
    // Nobody but the child takes items from here on.
    while !queue.is_empty().unwrap() {
        std::thread::yield_now();
    }
    queue.close().unwrap();
}

fn put_for_ever(queue: Queue<u32>) {
    while queue.put(&1).is_ok() {}
}

#[test]
fn a_stopped_producer_delays_nobody_for_ever() {
    let _watchdog = watchdog();
    let queue = Queue::new().unwrap();
    let child = Stopped::of(grouped().spawn(put_for_ever, (queue.clone(),)).unwrap());
    let held = |fault: &Fault| is_held(fault, child.pid);
    child.stop_with_lock(|| {
        let _ = queue.try_get_many(usize::MAX);
        matches!(queue.try_put(&2), Err(PutError::Fault(fault)) if held(&fault))
    });
    assert!(matches!(queue.put_timeout(&2, SHORT), Err(PutError::Full)));
    for _ in 0..queue.len().unwrap() {
        queue.get().unwrap();
    }
    assert!(matches!(queue.get_timeout(SHORT), Err(GetError::Empty)));
    assert!(held(&queue.close().unwrap_err()));
    // Dead, it holds nothing.
    drop(child);
    queue.try_put(&3).unwrap();
    queue.close().unwrap();
}
