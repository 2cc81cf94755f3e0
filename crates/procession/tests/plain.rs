//! Structs of the user's own in shared memory, through the facade alone.

use procession::{Array, Process, RawValue, Value};
use procession_testkit::watchdog;

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
