//! The managed queues, beyond what those in shared memory do.

use super::{manager, start};
use procession_manager::Queue;
use procession_pipe::Channel;
use procession_testkit::watchdog;
use procession_wire::{Kind, Message};

#[test]
fn a_connection_goes_through_it() {
    let _watchdog = watchdog();
    let manager = manager();
    let queue = manager.queue::<Channel>().unwrap();
    let (here, there) = Channel::pair().unwrap();
    queue.put(&there).unwrap();
    let answer = |queue: Queue<Channel>| -> anyhow::Result<()> {
        let message = Message::encode(Kind::VALUE, &42_u8)?;
        Ok(queue.get()?.send(message)?)
    };
    start(answer, (queue,)).join().unwrap();
    assert_eq!(here.recv().unwrap().decode::<u8>().unwrap(), 42);
}
