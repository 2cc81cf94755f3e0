//! Results that are taken later, or not at all.

use procession_pipe::{PipeReader, pipe};
use procession_pool::{Pool, PoolError};
use procession_testkit::{eventually, watchdog};
use std::io::{Read, Write};
use std::time::Duration;

procession_process::enable_in_tests!();

fn wait_for_byte(mut reader: PipeReader) -> u8 {
    let mut byte = [0];
    reader.read_exact(&mut byte).expect("somebody writes");
    byte[0]
}

// POL-006, POL-007
#[test]
fn a_result_is_there_when_the_call_is_done() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let (reader, mut writer) = pipe().unwrap();
    let mut result = pool.apply_async(wait_for_byte, (reader,)).unwrap();
    assert!(!result.ready());
    assert_eq!(result.get_timeout(Duration::ZERO).unwrap(), None);
    assert_eq!(result.get_timeout(Duration::from_millis(1)).unwrap(), None);

    writer.write_all(&[7]).unwrap();
    eventually("the call is done", || result.ready());
    assert_eq!(result.get_timeout(Duration::ZERO).unwrap(), Some(7));
}

#[test]
fn a_result_is_taken_once() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let mut result = pool.apply_async(|| 7, ()).unwrap();
    assert_eq!(result.get_timeout(Duration::MAX).unwrap(), Some(7));
    assert!(result.ready());
    assert!(matches!(
        result.get_timeout(Duration::MAX),
        Err(PoolError::Taken)
    ));
    assert!(matches!(result.get(), Err(PoolError::Taken)));
}

#[test]
fn a_result_that_nobody_takes_stops_nobody() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    for _ in 0..50 {
        drop(pool.apply_async(|| "x".repeat(200_000), ()).unwrap());
    }
    assert_eq!(pool.apply(|| 7, ()).unwrap(), 7);
}

// POL-171
#[test]
fn after_terminate_every_result_is_an_error() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    let pipes: Vec<_> = (0..6).map(|_| pipe().unwrap()).collect();
    let (readers, _writers): (Vec<_>, Vec<_>) = pipes.into_iter().unzip();
    let wait = |reader| pool.apply_async(wait_for_byte, (reader,)).unwrap();
    let results: Vec<_> = readers.into_iter().map(wait).collect();
    pool.terminate();
    for result in results {
        assert!(matches!(result.get(), Err(PoolError::Terminated)));
    }
    assert!(matches!(
        pool.apply_async(|| 7, ()),
        Err(PoolError::Terminated)
    ));
}

#[test]
fn a_result_outlives_its_pool() {
    let _watchdog = watchdog();
    let pool = Pool::new(1).unwrap();
    let done = pool.apply_async(|| 7, ()).unwrap();
    eventually("the call is done", || done.ready());
    let (reader, _writer) = pipe().unwrap();
    let running = pool.apply_async(wait_for_byte, (reader,)).unwrap();
    let queued = pool.apply_async(|| 8, ()).unwrap();
    drop(pool);
    assert_eq!(done.get().unwrap(), 7);
    assert!(matches!(running.get(), Err(PoolError::Terminated)));
    assert!(matches!(queued.get(), Err(PoolError::Terminated)));
}
