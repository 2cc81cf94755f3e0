//! How often the bytes of a message are copied in the processes that send and receive it.
//!
//! The program has a `memcpy` and a `memmove` of its own, which count.

#![expect(
    clippy::unwrap_used,
    reason = "what the tests share fails by panicking, like a test"
)]

use procession_pipe::{Connection, Pipe};
use procession_testkit::watchdog;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::cell::Cell;
use std::fmt::Debug;
use std::thread;

thread_local! {
    /// How many bytes this thread has copied.
    static COPIED: Cell<usize> = const { Cell::new(0) };
}

/// Copies of fewer bytes are of no message.
const LEAST: usize = 256;

fn count(len: usize) {
    if len >= LEAST {
        COPIED.set(COPIED.get() + len);
    }
}

/// # Safety
///
/// As that of the C library.
// SAFETY: it does what the C library's does.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
    count(len);
    for at in 0..len {
        // SAFETY: the caller vouches for so many bytes.
        let byte = unsafe { from.wrapping_add(at).read_volatile() };
        // SAFETY: as above.
        unsafe { to.wrapping_add(at).write_volatile(byte) };
    }
    to
}

/// # Safety
///
/// As that of the C library.
// SAFETY: it does what the C library's does.
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
    count(len);
    let backwards = to.addr() > from.addr();
    for step in 0..len {
        let at = if backwards { len - 1 - step } else { step };
        // SAFETY: the caller vouches for so many bytes.
        let byte = unsafe { from.wrapping_add(at).read_volatile() };
        // SAFETY: as above; what is overwritten was read before, or lies behind.
        unsafe { to.wrapping_add(at).write_volatile(byte) };
    }
    to
}

/// Returns how many bytes this thread copies in `act`.
fn copied<R>(act: impl FnOnce() -> R) -> (usize, R) {
    let before = COPIED.get();
    let done = act();
    (COPIED.get() - before, done)
}

type End<T> = Connection<T, T>;

/// Sends `value`, whose bytes are `len`, over rings and the socket, once to warm up and once to count; returns how often
/// each byte is copied by the sender and by the receiver, in tenths.
fn passes<T: Serialize + DeserializeOwned + Debug + PartialEq + Send + Sync>(
    value: &T,
    len: usize,
    ends: (End<T>, End<T>),
) -> Passes {
    let (here, there) = ends;
    let times = |copied: usize| copied * 10 / len;
    let pass = || {
        thread::scope(|scope| {
            let received = scope.spawn(|| copied(|| there.recv().unwrap()));
            let (sent, ()) = copied(|| here.send(value).unwrap());
            let (taken, received) = received.join().unwrap();
            assert_eq!(&received, value);
            (times(sent), times(taken))
        })
    };
    pass();
    pass()
}

fn rings<T: Serialize + DeserializeOwned>() -> (End<T>, End<T>) {
    Pipe::builder().rings(256 << 10).duplex().unwrap()
}

fn socket<T: Serialize + DeserializeOwned>() -> (End<T>, End<T>) {
    Pipe::duplex().unwrap()
}

/// Asserts of each pass how often it may copy a byte.
fn no_more_than<T>(value: &T, len: usize, (rings_most, socket_most): (Passes, Passes))
where
    T: Serialize + DeserializeOwned + Debug + PartialEq + Send + Sync,
{
    for (what, ends, most) in [
        ("rings", rings(), rings_most),
        ("socket", socket(), socket_most),
    ] {
        let (sent, taken) = passes(value, len, ends);
        // What is beside the body does not count.
        let within = |times: usize, most: usize| times <= most * 10 + 2;
        assert!(within(sent, most.0), "{what}: {sent} tenths to send {len}");
        assert!(
            within(taken, most.1),
            "{what}: {taken} tenths to receive {len}"
        );
    }
}

/// How often the sender and the receiver copy a byte.
type Passes = (usize, usize);

/// Encoding and decoding are one each, and so are the way into the ring and out of it.
const IN_RING: Passes = (2, 2);
/// The kernel takes the bytes from where they were encoded, and puts them where they are decoded.
const IN_KERNEL: Passes = (1, 1);
/// What of a short message comes before its length is known is moved to where the rest goes, and moved again where
/// that has to grow.
const IN_PARTS: Passes = (1, 3);

// CON-043
#[test]
fn a_message_that_fits_into_the_ring_is_copied_in_and_out() {
    const LEN: usize = 10_000;
    let _watchdog = watchdog();
    let most = (IN_RING, IN_PARTS);
    no_more_than(&vec![7_u8; LEN], LEN, most);
    no_more_than(&vec![0.5_f64; LEN / 8], LEN, most);
    no_more_than(&"x".repeat(LEN), LEN, most);
    no_more_than(&vec!["x".repeat(1000); LEN / 1000], LEN, most);
}

// CON-043
#[test]
fn a_long_message_is_copied_by_the_kernel_and_by_nobody_again() {
    const LEN: usize = 1 << 20;
    let _watchdog = watchdog();
    let most = (IN_KERNEL, IN_KERNEL);
    no_more_than(&vec![7_u8; LEN], LEN, most);
    no_more_than(&vec![0.5_f64; LEN / 8], LEN, most);
    // Its length is not known when the first part is written, nor is that of the whole.
    let text = ("a".to_owned(), "x".repeat(LEN), vec![1.0_f64; 100]);
    no_more_than(&text, LEN, most);
    no_more_than(&vec!["x".repeat(1000); LEN / 1000], LEN, most);
}
