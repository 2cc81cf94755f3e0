//! The system calls under a channel: `procession_os::socket`.

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::socket::{setsockopt, sockopt};
use procession_os::socket::{self, MAX_FDS, Received};
use procession_os::wait::Deadline;
use procession_testkit::watchdog;
use std::fs::File;
use std::io::{self, ErrorKind, IoSlice, Read};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

fn pair() -> (OwnedFd, OwnedFd) {
    socket::pair().expect("a pair of sockets")
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_millis(2))
}

fn send(fd: &OwnedFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
    socket::send_with_fds(fd.as_fd(), &[IoSlice::new(bytes)], fds, Deadline::NEVER)
}

fn recv(fd: &OwnedFd, buf: &mut [u8]) -> io::Result<Received> {
    socket::recv_with_fds(fd.as_fd(), buf, soon())
}

fn kind<T>(result: io::Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

/// Sends `count` descriptors and returns those that arrive.
fn pass(count: usize) -> io::Result<Vec<OwnedFd>> {
    let (here, there) = pair();
    let null = File::open("/dev/null")?;
    send(&here, b"x", &vec![null.as_fd(); count])?;
    let received = recv(&there, &mut [0; 8])?;
    assert!(!received.truncated);
    Ok(received.fds)
}

#[test]
fn a_pair_is_not_inherited_and_blocks() {
    let _watchdog = watchdog();
    let (here, there) = pair();
    for fd in [&here, &there] {
        let flags = FdFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFD).unwrap());
        assert!(flags.contains(FdFlag::FD_CLOEXEC));
        let status = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL).unwrap());
        assert!(!status.contains(OFlag::O_NONBLOCK));
    }
}

// CON-004
#[test]
fn as_many_descriptors_pass_as_the_kernel_allows() {
    let _watchdog = watchdog();
    for count in [0, 1, 2, 64, MAX_FDS] {
        let arrived = pass(count).unwrap();
        assert_eq!(arrived.len(), count);
        for fd in arrived {
            let flags = FdFlag::from_bits_retain(fcntl(&fd, FcntlArg::F_GETFD).unwrap());
            assert!(flags.contains(FdFlag::FD_CLOEXEC));
        }
    }
    assert_eq!(kind(pass(MAX_FDS + 1)), Some(ErrorKind::InvalidInput));
}

#[test]
fn descriptors_come_with_the_first_byte_after_them() {
    let _watchdog = watchdog();
    let (here, there) = pair();
    send(&here, b"plain", &[]).unwrap();
    send(&here, b"laden", &[here.as_fd()]).unwrap();
    let mut buf = [0; 5];
    assert!(recv(&there, &mut buf).unwrap().fds.is_empty());
    let first = recv(&there, &mut buf[..1]).unwrap();
    assert_eq!((first.len, first.fds.len()), (1, 1));
    assert!(recv(&there, &mut buf).unwrap().fds.is_empty());
}

#[test]
fn a_deadline_ends_a_wait_in_both_directions() {
    let _watchdog = watchdog();
    let (here, there) = pair();
    assert_eq!(kind(recv(&there, &mut [0])), Some(ErrorKind::TimedOut));

    setsockopt(&here, sockopt::SndBuf, &2048).unwrap();
    let block = [IoSlice::new(&[0; 1024])];
    let fill = || socket::send_with_fds(here.as_fd(), &block, &[], soon());
    let ended = std::iter::repeat_with(fill).find_map(Result::err);
    assert_eq!(ended.map(|error| error.kind()), Some(ErrorKind::TimedOut));
}

#[test]
fn the_end_is_an_error_to_the_sender_and_zero_to_the_receiver() {
    let _watchdog = watchdog();
    let (here, there) = pair();
    drop(there);
    assert_eq!(recv(&here, &mut [0]).unwrap().len, 0);
    assert_eq!(kind(send(&here, b"x", &[])), Some(ErrorKind::BrokenPipe));
}

#[test]
fn a_pipe_is_served_as_well() {
    let _watchdog = watchdog();
    let (reader, writer) = procession_pipe::pipe().unwrap();
    let (reader, writer) = (OwnedFd::from(reader), OwnedFd::from(writer));
    assert_eq!(kind(recv(&reader, &mut [0])), Some(ErrorKind::TimedOut));
    let parts = [IoSlice::new(b""), IoSlice::new(b"ab"), IoSlice::new(b"c")];
    assert_eq!(
        socket::send_with_fds(writer.as_fd(), &parts, &[], soon()).unwrap(),
        2
    );
    assert_eq!(
        socket::send_with_fds(writer.as_fd(), &parts, &[], Deadline::NEVER).unwrap(),
        3
    );
    let mut buf = [0; 8];
    assert_eq!(recv(&reader, &mut buf).unwrap().len, 5);
    assert_eq!(&buf[..5], b"ababc");
    assert!(send(&writer, b"x", &[reader.as_fd()]).is_err());
}

#[test]
fn the_maker_of_a_pair_is_its_peer() {
    let _watchdog = watchdog();
    let (here, there) = pair();
    let peer = socket::peer_credentials(here.as_fd()).unwrap();
    assert_eq!(peer, socket::peer_credentials(there.as_fd()).unwrap());
    assert_eq!(peer.pid, std::process::id());
    assert_eq!(peer.uid, nix::unistd::geteuid().as_raw());
    assert_eq!(peer.gid, nix::unistd::getegid().as_raw());
}

#[test]
fn descriptors_are_not_dropped_on_the_way_to_another_machine() {
    let _watchdog = watchdog();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = OwnedFd::from(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
    let refused = send(&here, b"x", &[here.as_fd()]);
    assert_eq!(kind(refused), Some(ErrorKind::Unsupported));
    assert_eq!(send(&here, b"x", &[]).unwrap(), 1);
}

#[test]
fn bytes_come_into_reserved_room_and_no_further() {
    let _watchdog = watchdog();
    let (here, there) = pair();
    let (reader, writer) = procession_pipe::pipe().unwrap();
    let (reader, writer) = (OwnedFd::from(reader), OwnedFd::from(writer));
    for (from, to) in [(&here, &there), (&writer, &reader)] {
        send(from, b"abcdef", &[]).unwrap();
        let mut bytes = Vec::with_capacity(100);
        bytes.push(b'.');
        let mut recv = |most| socket::recv_behind(to.as_fd(), &mut bytes, most, soon());
        assert_eq!(recv(2).unwrap(), 2);
        assert_eq!(recv(1).unwrap(), 1);
        assert_eq!(recv(1000).unwrap(), 3);
        assert_eq!(kind(recv(1)), Some(ErrorKind::TimedOut));
        assert_eq!(bytes, b".abcdef");

        send(from, b"gh", &[]).unwrap();
        let mut buf = [0; 8];
        assert_eq!(socket::recv(to.as_fd(), &mut buf, soon()).unwrap(), 2);
        assert_eq!(&buf[..2], b"gh");
        let late = socket::recv(to.as_fd(), &mut buf, soon());
        assert_eq!(kind(late), Some(ErrorKind::TimedOut));
    }
}

#[test]
fn descriptors_that_are_not_asked_for_are_closed() {
    let _watchdog = watchdog();
    let (here, there) = pair();
    let (mut reader, writer) = procession_pipe::pipe().unwrap();
    let writer = OwnedFd::from(writer);
    send(&here, b"x", &[writer.as_fd()]).unwrap();
    drop(writer);
    socket::recv(there.as_fd(), &mut [0], soon()).unwrap();
    assert_eq!(
        reader.read(&mut [0]).unwrap(),
        0,
        "a duplicate was left open"
    );
}
