//! Types of which not all bytes are a value: what another process makes of the bytes is told.

#![expect(
    clippy::unwrap_used,
    reason = "a helper process fails by panicking, like a test"
)]

use procession_shm::{
    AccessError, AcquireError, Array, CheckedBitPattern, Guard, LockError, LockResult, NoUninit,
    Plain, RawArray, RawValue, Segment, Shared, Value,
};
use procession_testkit::helper::{Helper, arrive, roundtrip};
use procession_testkit::watchdog;
use std::fmt::Debug;
use std::num::NonZeroU16;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

procession_testkit::helpers!(negate_all, scribble_into_all);

#[derive(Clone, Copy, Debug, PartialEq, NoUninit, CheckedBitPattern)]
#[bytemuck(crate = "procession_shm::bytemuck")]
#[repr(u8)]
enum State {
    Idle = 3,
    Busy = 7,
}

#[derive(Clone, Copy, Debug, PartialEq, NoUninit, CheckedBitPattern)]
#[bytemuck(crate = "procession_shm::bytemuck")]
#[repr(C)]
struct Switch {
    label: char,
    count: u16,
    on: bool,
    state: State,
}

type All = (
    Value<bool>,
    Value<char>,
    Array<bool>,
    RawValue<bool>,
    RawArray<char>,
    Shared<AtomicBool>,
    Value<Switch>,
);

const SWITCH: Switch = Switch {
    label: 'x',
    count: u16::MAX,
    on: false,
    state: State::Idle,
};

fn all() -> All {
    (
        Value::new(true).unwrap(),
        Value::new('ß').unwrap(),
        Array::from_slice(&[true, false]).unwrap(),
        RawValue::new(false).unwrap(),
        RawArray::from_iter("no".chars()).unwrap(),
        Shared::new(AtomicBool::new(false)).unwrap(),
        Value::new(SWITCH).unwrap(),
    )
}

// SHM-030
#[test]
fn another_process_reads_and_writes_bools_and_chars() {
    let _watchdog = watchdog();
    let shared = all();
    assert!(Helper::with("negate_all", &shared).end().success());
    let (flag, letter, flags, raw, text, atomic, switch) = shared;
    assert_eq!((flag.get(), letter.get()), (false, 'ẞ'));
    assert_eq!(flags.to_vec(), [false, true]);
    assert!(raw.get());
    assert_eq!(text.to_vec(), ['o', 'n']);
    assert!(atomic.load(Ordering::Relaxed));
    let wanted = Switch {
        on: true,
        state: State::Busy,
        ..SWITCH
    };
    assert_eq!(switch.get(), wanted);
}

fn negate_all() {
    let Some((flag, letter, flags, raw, text, atomic, switch)) = arrive::<All>() else {
        return;
    };
    flag.update(|flag| *flag = !*flag);
    assert_eq!(letter.swap('ẞ'), 'ß');
    for flag in &mut *flags.lock().unwrap() {
        *flag = !*flag;
    }
    raw.set(!raw.get());
    text.write_range(0, &['o', 'n']).unwrap();
    assert!(!atomic.swap(true, Ordering::Relaxed));
    switch.update(|switch| (switch.on, switch.state) = (true, State::Busy));
}

/// Writes what is no value, as a process may that has gone wild.
fn scribble(segment: &Segment, byte: u8) {
    let (first, len) = (segment.payload().cast::<AtomicU8>(), segment.payload_len());
    // SAFETY: so many bytes are mapped, and all of them may be written at any time.
    for there in unsafe { slice::from_raw_parts(first.as_ptr(), len) } {
        there.store(byte, Ordering::Relaxed);
    }
}

fn scribble_into_all() {
    let Some((flag, letter, flags, raw, text, atomic, switch)) = arrive::<All>() else {
        return;
    };
    let segments = [
        flag.segment(),
        letter.segment(),
        flags.segment(),
        raw.segment(),
        text.segment(),
        atomic.segment(),
        switch.segment(),
    ];
    for segment in segments {
        scribble(segment, 0xFE);
    }
}

fn panics<R>(call: impl FnOnce() -> R) -> bool {
    catch_unwind(AssertUnwindSafe(call)).is_err()
}

fn is_damaged<T: ?Sized>(result: LockResult<Guard<'_, T>>) -> bool {
    matches!(result, Err(AcquireError::Failed(LockError::Damaged)))
}

/// Each way to a value says that there is none, and a new one mends it.
fn value_is_told_and_mended<T: Plain + Debug + PartialEq>(value: &Value<T>, new: T) {
    assert!(
        panics(|| value.get()) && panics(|| value.swap(new)) && panics(|| value.update(|_| ()))
    );
    assert!(is_damaged(value.lock()) && is_damaged(value.try_lock()));
    assert!(is_damaged(value.lock_timeout(std::time::Duration::MAX)));
    assert_eq!(format!("{value:?}"), "Value(<locked>)");
    assert!(!value.is_poisoned(), "nothing was half done");
    value.set(new);
    assert_eq!(value.get(), new);
    assert_eq!(*value.lock().unwrap(), new);
}

// SHM-030
#[test]
fn what_is_no_value_is_told_by_every_call_and_mended_by_a_new_one() {
    let _watchdog = watchdog();
    let shared = all();
    assert!(Helper::with("scribble_into_all", &shared).end().success());
    let (flag, letter, flags, raw, text, atomic, switch) = shared;
    value_is_told_and_mended(&flag, true);
    value_is_told_and_mended(&letter, 'x');
    value_is_told_and_mended(&switch, SWITCH);
    array_is_told_and_mended(&flags);

    assert!(panics(|| raw.get()));
    assert_eq!(raw.try_get(), Err(AccessError::NoValue));
    assert_eq!(format!("{raw:?}"), "RawValue(<overwritten>)");
    raw.set(true);
    assert_eq!(raw.try_get(), Ok(true));

    assert!(panics(|| text.get(0)) && panics(|| text.to_vec()) && panics(|| text.iter().count()));
    assert_eq!(text.try_get(1), Err(AccessError::NoValue));
    text.set(1, 'b');
    assert_eq!(text.read_range(1..), Ok(vec!['b']));
    assert_eq!(text.read_range(..), Err(AccessError::NoValue));
    assert_eq!(format!("{text:?}"), "RawArray(<overwritten>)");
    text.fill('c');
    assert_eq!(text.to_vec(), ['c', 'c']);

    assert!(!atomic.load(Ordering::Relaxed), "the lowest bit counts");
}

fn array_is_told_and_mended(flags: &Array<bool>) {
    let none = Err(AccessError::NoValue);
    assert!(panics(|| flags.get(0)) && panics(|| flags.swap(0, true)) && panics(|| flags.to_vec()));
    assert!(panics(|| flags.update(0, |_| ())) && panics(|| flags.iter()));
    assert_eq!(flags.try_get(0), none);
    assert_eq!(flags.try_swap(0, true), none);
    assert_eq!(flags.try_update(0, |flag| *flag), none);
    assert_eq!(flags.read_range(..1), Err(AccessError::NoValue));
    assert!(is_damaged(flags.lock()) && is_damaged(flags.try_lock()));
    flags.set(1, true);
    assert!(flags.get(1), "the damage of another element is in no way");
    assert_eq!(flags.read_range(1..), Ok(vec![true]));
    assert!(is_damaged(flags.lock()), "a guard is of all elements");
    flags.write_range(0, &[false]).unwrap();
    assert_eq!(*flags.lock().unwrap(), [false, true]);

    let mend: [fn(&Array<bool>); 4] = [
        |flags| flags.fill(true),
        |flags| flags.copy_from_slice(&[true, true]),
        |flags| flags.try_copy_from_slice(&[true, true]).unwrap(),
        |flags| (0..2).for_each(|index| flags.try_set(index, true).unwrap()),
    ];
    for mend in mend {
        scribble(flags.segment(), 2);
        assert_eq!(flags.try_get(0), none);
        mend(flags);
        assert_eq!(flags.to_vec(), [true, true]);
    }
    assert!(!flags.is_poisoned());
}

#[test]
fn each_byte_of_a_bool_is_told_apart() {
    let _watchdog = watchdog();
    let flag = Value::new(false).unwrap();
    let raw = RawValue::new(false).unwrap();
    for byte in 0..=u8::MAX {
        scribble(flag.segment(), byte);
        scribble(raw.segment(), byte);
        let wanted = (byte < 2).then_some(byte == 1);
        assert_eq!(flag.lock().ok().map(|flag| *flag), wanted, "{byte}");
        assert_eq!(raw.try_get().ok(), wanted, "{byte}");
    }
}

#[test]
fn no_bytes_are_a_number_that_is_not_zero() {
    let _watchdog = watchdog();
    let number = Value::new(NonZeroU16::MAX).unwrap();
    scribble(number.segment(), 0);
    value_is_told_and_mended(&number, NonZeroU16::MIN);
}

const ORDER: Ordering = Ordering::SeqCst;

#[test]
fn a_flag_has_the_answers_of_an_atomic_bool() {
    let _watchdog = watchdog();
    for byte in [0, 1, 0xFE, 0xFF] {
        for value in [false, true] {
            let flag = || {
                let flag = Shared::new(AtomicBool::new(false)).unwrap();
                scribble(flag.segment(), byte);
                flag
            };
            let model = || AtomicBool::new(byte & 1 != 0);
            macro_rules! same {
                ($call:ident($($argument:expr),*)) => {{
                    let (flag, model) = (flag(), model());
                    let answers = (flag.$call($($argument),*), model.$call($($argument),*));
                    assert_eq!(answers.0, answers.1, "{} of {byte}", stringify!($call));
                    assert_eq!(flag.load(ORDER), model.load(ORDER), "{}", stringify!($call));
                }};
            }
            same!(load(ORDER));
            same!(store(value, ORDER));
            same!(swap(value, ORDER));
            same!(fetch_and(value, ORDER));
            same!(fetch_or(value, ORDER));
            same!(fetch_xor(value, ORDER));
            same!(fetch_nand(value, ORDER));
            same!(fetch_not(ORDER));
            for new in [false, true] {
                same!(compare_exchange(value, new, ORDER, ORDER));
                same!(fetch_update(ORDER, ORDER, |old| (old == value).then_some(new)));
            }
        }
    }
    let flags = Shared::new([const { AtomicBool::new(true) }; 3]).unwrap();
    let same = roundtrip(&flags);
    assert!(same[2].swap(false, ORDER));
    assert_eq!(format!("{flags:?}"), "Shared([true, true, false])");
}
