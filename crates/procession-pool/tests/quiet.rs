//! What a pool costs while its workers are at long tasks, or at nothing. The only test of its program, so that
//! nothing else is counted.

use nix::sys::resource::{UsageWho, getrusage};
use procession_pool::Pool;
use procession_testkit::watchdog;
use std::thread;
use std::time::Duration;

procession_process::enable_in_tests!();

/// Returns how often the threads of this process have gone to sleep.
fn sleeps() -> i64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("a process may ask");
    usage.voluntary_context_switches()
}

fn last(millis: u64) {
    thread::sleep(Duration::from_millis(millis));
}

// POL-154
#[test]
fn a_pool_that_waits_hardly_runs() {
    let _watchdog = watchdog();
    let pool = Pool::builder()
        .workers(2)
        .memory_limit(1 << 30)
        .start()
        .unwrap();
    for round in 0..3 {
        // Callers come and go, with something outstanding.
        let calls: Vec<_> = (0..20)
            .map(|_| pool.apply_async(|| 7, ()).unwrap())
            .collect();
        for call in calls {
            assert_eq!(call.get().unwrap(), 7);
        }
        let before = sleeps();
        pool.map_chunked(last, [1000, 1000], 1).unwrap();
        let waited = sleeps();
        // It is looked at the workers ten times a second.
        assert!(waited - before < 200, "{round}: {}", waited - before);
        let endless = pool.apply_async(last, (1000,)).unwrap();
        thread::sleep(Duration::from_millis(900));
        let collected = sleeps();
        assert!(collected - waited < 200, "{round}: {}", collected - waited);
        endless.get().unwrap();
        let before = sleeps();
        thread::sleep(Duration::from_millis(500));
        assert!(sleeps() - before < 20, "{round}: {}", sleeps() - before);
    }
}
