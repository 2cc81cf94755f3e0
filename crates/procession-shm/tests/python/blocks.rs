//! Named blocks.

use crate::{exists, fresh, interpreter, tracker_has_ended};
use procession_shm::{BlockError, SharedMemory};
use procession_testkit::python::NO_ARGUMENTS;
use procession_testkit::watchdog;

// SHM-009, SHM-024, SHM-028
#[test]
fn python_attaches_ours_and_its_end_destroys_nothing() {
    let _watchdog = watchdog();
    for python in interpreter::all() {
        let name = fresh("ours");
        let block = SharedMemory::create(&name, 1003).unwrap();
        block.write_at(1000, b"abc").unwrap();
        let script = r#"
block = attach(sys.argv[1])
assert block.name == sys.argv[1], block.name
assert block.size == 1003, block.size
assert bytes(block.buf[:4]) == bytes(4)
assert bytes(block.buf[1000:]) == b"abc"
block.buf[999:1002] = b"xyz"
say(tracker())
block.close()
"#;
        tracker_has_ended(&python.run(script, &[&name]));
        assert_eq!(block.to_vec()[998..], *b"\0xyzc");
        assert!(exists(&name), "{:?}", python.version);
        drop(SharedMemory::attach(&name).unwrap());
        drop(block);
        assert!(!exists(&name), "{:?}", python.version);
    }
}

// SHM-028
#[test]
fn a_python_that_is_killed_destroys_nothing() {
    let _watchdog = watchdog();
    for python in interpreter::all() {
        let block = SharedMemory::create_anonymous(8).unwrap();
        let script = r"
block = attach(sys.argv[1])
block.buf[0] = 7
say(tracker())
wait()
";
        let mut running = python.start(script, &[block.name()]);
        let tracker = running.hear();
        running.kill9();
        tracker_has_ended(&tracker);
        assert!(exists(block.name()), "{:?}", python.version);
        assert_eq!(SharedMemory::attach(block.name()).unwrap().to_vec()[0], 7);
    }
}

// SHM-009, SHM-028
#[test]
fn we_attach_pythons_and_our_end_destroys_nothing() {
    let _watchdog = watchdog();
    for python in interpreter::all() {
        let script = r#"
block = SharedMemory(create=True, size=77)
block.buf[:77] = bytes(range(77))
say(block.name)
wait()
assert bytes(block.buf[70:77]) == b"changed", bytes(block.buf[70:77])
again = SharedMemory(block.name)
again.close()
block.close()
block.unlink()
"#;
        let mut running = python.start(script, NO_ARGUMENTS);
        let name = running.hear();
        let block = SharedMemory::attach(&name).unwrap();
        assert!(!block.is_owner());
        assert_eq!(block.len(), 77);
        assert!(block.to_vec().iter().copied().eq(0..77));
        block.write_at(70, b"changed").unwrap();
        block.keep();
        drop(block);
        running.go_on();
        running.end();
        assert!(!exists(&name), "{:?}", python.version);
    }
}

#[test]
fn python_and_we_refuse_each_others_names() {
    let _watchdog = watchdog();
    for python in interpreter::all() {
        let name = fresh("taken");
        let block = SharedMemory::create(&name, 10).unwrap();
        let script = r#"
try:
    SharedMemory(sys.argv[1], create=True, size=10)
except FileExistsError:
    say("refused")
"#;
        assert_eq!(python.run(script, &[&name]), "refused");
        block.unlink().unwrap();
        let script = r#"
try:
    SharedMemory(sys.argv[1])
except FileNotFoundError:
    pass
block = SharedMemory(sys.argv[1], create=True, size=10)
say("made")
wait()
block.close()
block.unlink()
"#;
        let mut running = python.start(script, &[&name]);
        assert_eq!(running.hear(), "made");
        let taken = SharedMemory::create(&name, 10);
        assert!(matches!(taken, Err(BlockError::AlreadyExists(_))));
        // Who owned a block of that name before does not own this one.
        assert!(matches!(block.unlink(), Err(BlockError::NotFound(_))));
        drop(block);
        assert!(exists(&name));
        running.go_on();
        running.end();
    }
}

#[test]
fn who_owns_a_block_that_python_unlinked_does_not_mind() {
    let _watchdog = watchdog();
    for python in interpreter::all() {
        let block = SharedMemory::create_anonymous(3).unwrap();
        let script = r"
block = SharedMemory(sys.argv[1])
block.close()
block.unlink()
";
        python.run(script, &[block.name()]);
        assert!(!exists(block.name()));
        block.write_at(0, b"abc").unwrap();
        assert_eq!(block.to_vec(), b"abc");
        assert!(matches!(block.unlink(), Err(BlockError::NotFound(_))));
    }
}

// SHM-033
#[test]
fn python_sees_the_elements_of_a_view() {
    let _watchdog = watchdog();
    for python in interpreter::all() {
        let block = SharedMemory::create_anonymous(1000).unwrap();
        let numbers = block.view_at::<f64>(8, 4).unwrap();
        numbers.copy_from_slice(&[0.5, -1.5, f64::MAX, f64::INFINITY]);
        block.view_at::<bool>(40, 2).unwrap().set(1, true);
        let script = r#"
block = attach(sys.argv[1])
numbers = block.buf[8:40].cast("d")
assert list(numbers) == [0.5, -1.5, sys.float_info.max, float("inf")], list(numbers)
assert list(block.buf[40:42].cast("?")) == [False, True]
for i in range(4):
    numbers[i] = i / 4
shorts = block.buf[100:104].cast("h")
shorts[1] = -7
numbers.release(), shorts.release()
say(tracker())
block.close()
"#;
        tracker_has_ended(&python.run(script, &[block.name()]));
        assert_eq!(numbers.to_vec(), [0.0, 0.25, 0.5, 0.75]);
        assert_eq!(block.view::<i16>().slice(50..52).unwrap().to_vec(), [0, -7]);
    }
}
