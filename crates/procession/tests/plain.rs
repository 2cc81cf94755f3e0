//! Structs of the user's own in shared memory, through the facade alone.

use procession::{Array, Process, RawValue, Value};
use procession_testkit::watchdog;
use std::os::unix::fs::FileExt;

procession::enable_in_tests!();

#[procession::plain]
#[derive(Debug, PartialEq)]
struct Point {
    x: f64,
    y: f64,
}

#[procession::plain]
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(32))]
struct Body {
    at: Point,
    mass: [f32; 2],
    names: [u64; 1],
}

mod elsewhere {
    /// With parts of its own.
    #[procession::plain]
    #[derive(Debug, PartialEq, Eq)]
    pub(crate) struct Colour(pub(crate) [u8; 3], #[doc(hidden)] pub(crate) u8);
}

const BODY: Body = Body {
    at: Point { x: 1.5, y: 2.5 },
    mass: [3.0, 4.0],
    names: [5],
};

fn mirror(body: Value<Body>, path: Array<Point>, colour: RawValue<elsewhere::Colour>) {
    body.update(|body| std::mem::swap(&mut body.at.x, &mut body.at.y));
    path.update(1, |point| point.x = -1.0);
    colour.set(elsewhere::Colour([1, 2, 3], 4));
}

#[procession::plain]
#[derive(Debug, PartialEq)]
enum Phase {
    Begun,
    Done,
}

mod elsewhere_too {
    /// With a part that is looked at, and bits as visible as it is.
    #[procession::plain]
    #[derive(Debug, PartialEq, Eq)]
    pub(crate) struct Key(pub(crate) char);
}

#[procession::plain]
#[derive(Debug, PartialEq)]
#[repr(C, align(8))]
struct Switch {
    label: char,
    presses: u16,
    pub(crate) main: bool,
    on: bool,
}

#[procession::plain(checked)]
#[derive(Clone, Copy, Debug, PartialEq)]
struct Panel(Switch, [u8; 3], Phase, u32);

fn press(panels: Array<Panel>) {
    panels.update(1, |panel| {
        panel.0.on = true;
        panel.2 = Phase::Done;
    });
}

/// Writes into a byte of the memory, as a process may that has gone wild.
fn scribble(panels: &Array<Panel>, at: usize, byte: u8) {
    let path = format!("/dev/shm{}", panels.segment().name());
    let file = std::fs::File::options().write(true).open(path);
    let file = file.expect("it is ours");
    // The elements are the last of it.
    let first = file.metadata().expect("it is open").len() - panels.segment().payload_len() as u64;
    file.write_all_at(&[byte], first + at as u64)
        .expect("it is open");
}

// SHM-030
#[test]
fn a_struct_with_bools_chars_and_enums_is_shared_and_looked_at() {
    let _watchdog = watchdog();
    let switch = Switch {
        label: 'x',
        presses: 7,
        main: true,
        on: false,
    };
    let panel = Panel(switch, [1; 3], Phase::Begun, u32::MAX);
    // So many that they have a file of their own.
    let panels = Array::from_slice(&vec![panel; 2000]).unwrap();
    Process::spawn(press, (panels.clone(),))
        .unwrap()
        .join()
        .unwrap();
    let pressed = panels.get(1);
    assert!(pressed.0.on && pressed.0.main && pressed.2 == Phase::Done);
    assert_eq!(panels.get(0), panel);
    // The last byte of the label, the bools, and the enum.
    for (at, byte) in [(3, 0xFF), (6, 2), (7, 2), (11, 2)] {
        scribble(&panels, at, byte);
        assert!(panels.try_get(0).is_err() && panels.lock().is_err(), "{at}");
        assert_eq!(panels.get(1), pressed);
        panels.set(0, panel);
        assert_eq!(panels.get(0), panel);
    }
    assert_eq!(Value::new(elsewhere_too::Key('k')).unwrap().get().0, 'k');
    scribble(&panels, 4, 0xFF);
    assert_eq!(panels.get(0).0.presses, 0xFF, "any bytes are a number");
}

fn finish(phases: Array<Phase>, state: Value<bool>) {
    phases.fill(Phase::Done);
    state.set(true);
}

#[test]
fn a_plain_enum_and_a_bool_are_shared() {
    let _watchdog = watchdog();
    let phases = Array::from_slice(&[Phase::Begun; 3]).unwrap();
    let state = Value::new(false).unwrap();
    let args = (phases.clone(), state.clone());
    Process::spawn(finish, args).unwrap().join().unwrap();
    assert_eq!(phases.to_vec(), [Phase::Done; 3]);
    assert!(state.get());
}

// SHM-008
#[test]
fn a_plain_struct_is_shared_with_one_line() {
    let _watchdog = watchdog();
    let body = Value::new(BODY).unwrap();
    let path = Array::<Point>::zeroed(2).unwrap();
    let colour = RawValue::new(elsewhere::Colour([0; 3], 0)).unwrap();
    let args = (body.clone(), path.clone(), colour.clone());
    Process::spawn(mirror, args).unwrap().join().unwrap();
    assert_eq!(body.get().at, Point { x: 2.5, y: 1.5 });
    assert_eq!(path.get(1), Point { x: -1.0, y: 0.0 });
    assert_eq!(colour.get(), elsewhere::Colour([1, 2, 3], 4));
    assert_eq!(body.segment().payload().as_ptr().addr() % 32, 0);
}
