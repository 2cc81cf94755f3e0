//! Clones of one end of a connection in several processes, which a lock keeps apart.

use procession::{Lock, Pipe, Process, Receiver, Sender};
use procession_testkit::watchdog;

procession::enable_in_tests!();

const EACH: usize = 30;

/// Longer than a socket takes at once.
fn message(number: usize) -> Vec<usize> {
    vec![number; 1 + number * 1000]
}

fn send_all(sender: Sender<Vec<usize>>, turn: Lock) -> anyhow::Result<()> {
    for number in 0..EACH {
        let _turn = turn.acquire()?;
        sender.send(&message(number))?;
    }
    Ok(())
}

fn receive_all(receiver: Receiver<Vec<usize>>, turn: Lock) -> anyhow::Result<usize> {
    let mut sum = 0;
    loop {
        let _turn = turn.acquire()?;
        let Some(values) = receiver.iter().next().transpose()? else {
            return Ok(sum);
        };
        assert!(values == message(values[0]), "parts of two messages");
        sum += values[0];
    }
}

// CON-032
#[test]
fn several_processes_send_and_receive_whole_messages_under_a_lock() {
    let _watchdog = watchdog();
    let (receiver, sender) = Pipe::simplex().unwrap();
    let [sending, receiving] = [(); 2].map(|()| Lock::new().unwrap());
    let receivers = [(); 2].map(|()| {
        let receiver = receiver.try_clone().unwrap();
        Process::spawn(receive_all, (receiver, receiving.clone())).unwrap()
    });
    drop(receiver);
    let senders = [(); 3].map(|()| {
        let sender = sender.try_clone().unwrap();
        Process::spawn(send_all, (sender, sending.clone())).unwrap()
    });
    drop(sender);
    for sender in senders {
        sender.join().unwrap();
    }
    let sums = receivers.map(|receiver| receiver.join().unwrap());
    assert_eq!(sums.iter().sum::<usize>(), 3 * (0..EACH).sum::<usize>());
}
