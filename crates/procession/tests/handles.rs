//! Every handle travels inside the user's own types, and nowhere else.

use procession::manager::{Dict, Queue};
use procession::{Array, Connection, Lock, Manager, Pipe, PipeWriter, Pool, Process, Value, pipe};
use procession_testkit::watchdog;
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};

procession::enable_in_tests!();

#[derive(Serialize, Deserialize)]
struct Desk {
    numbers: Array<i32>,
    total: Option<Value<i64>>,
    locks: Vec<Lock>,
    writer: PipeWriter,
    talk: Connection<String, u8>,
    inbox: Queue<String>,
    shelf: (Dict<String, u32>,),
}

fn work(mut desk: Desk) -> anyhow::Result<()> {
    let held = desk.locks[0]
        .acquire()
        .or_else(procession::AcquireError::repaired)?;
    let total = desk.total.as_ref().expect("it was given one");
    total.set(desk.numbers.to_vec().iter().map(|&n| i64::from(n)).sum());
    drop(held);
    desk.writer.write_all(b"raw")?;
    desk.talk.send(&format!("got {}", desk.talk.recv()?))?;
    desk.inbox.put(&"queued".into())?;
    desk.shelf.0.insert("seven", 7_u32)?;
    Ok(())
}

#[test]
fn handles_travel_inside_a_struct() {
    let _watchdog = watchdog();
    let manager = Manager::start().unwrap();
    let (numbers, total) = (Array::from_iter(1..=4).unwrap(), Value::new(0_i64).unwrap());
    let (mut reader, writer) = pipe().unwrap();
    let (here, talk) = Pipe::duplex::<u8, String>().unwrap();
    let (inbox, dict) = (manager.queue().unwrap(), manager.dict().unwrap());
    let desk = Desk {
        numbers,
        total: Some(total.clone()),
        locks: vec![Lock::new().unwrap()],
        writer,
        talk,
        inbox: inbox.clone(),
        shelf: (dict.clone(),),
    };
    let process = Process::spawn(work, (desk,)).unwrap();
    here.send(&9).unwrap();
    assert_eq!(here.recv().unwrap(), "got 9");
    process.join().unwrap();

    let mut raw = String::new();
    reader.read_to_string(&mut raw).unwrap();
    assert_eq!((total.get(), raw.as_str()), (10, "raw"));
    assert_eq!(inbox.get().unwrap(), "queued");
    assert_eq!(dict.get("seven").unwrap(), Some(7));
}

#[test]
fn handles_come_back_as_results() {
    let _watchdog = watchdog();
    let made_there = || Array::from_iter([3, 1, 4]).unwrap();
    let array = Process::spawn(made_there, ()).unwrap().join().unwrap();
    assert_eq!(array.to_vec(), [3, 1, 4]);

    let pool = Pool::new(2).unwrap();
    let fill = |array: Array<i32>| {
        array.fill(7);
        array
    };
    let filled = pool.map(fill, vec![array.clone(), array]).unwrap();
    assert_eq!(filled[1].to_vec(), [7; 3]);
}

#[test]
fn a_handle_in_a_file_would_mean_nothing() {
    let _watchdog = watchdog();
    let manager = Manager::start().unwrap();
    let refused = [
        serde_json::to_string(&Array::from_iter([1]).unwrap()),
        serde_json::to_string(&Lock::new().unwrap()),
        serde_json::to_string(&pipe().unwrap().0),
        serde_json::to_string(&Pipe::duplex::<(), ()>().unwrap().0),
        serde_json::to_string(&manager.queue::<u8>().unwrap()),
    ];
    for refused in refused {
        let words = refused.unwrap_err().to_string();
        assert!(
            words.contains("can only be encoded into a message to another process"),
            "{words}"
        );
    }
    let words = serde_json::from_str::<Array<i32>>("0")
        .unwrap_err()
        .to_string();
    assert!(
        words.contains("can only be decoded from a message of another process"),
        "{words}"
    );
}
