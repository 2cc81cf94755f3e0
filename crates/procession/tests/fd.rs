//! Files and sockets of the standard library as parts of messages.

use procession::{
    Fd, JoinableQueue, Manager, Pipe, Pool, Process, PutError, Queue, SimpleQueue, StartMethod,
};
use procession_testkit::{eventually, watchdog};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Seek, Write, pipe};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

procession::enable_in_tests!();

#[derive(Serialize, Deserialize)]
struct Job {
    name: String,
    input: Fd<File>,
    answers: Vec<Fd<UnixStream>>,
    log: Option<Fd<PipeWriter>>,
    raw: Fd,
}

/// Answers with what is in the file, and gives its descriptors back.
fn work(mut job: Job) -> anyhow::Result<(Fd<File>, Fd)> {
    let mut text = String::new();
    job.input.read_to_string(&mut text)?;
    for answer in &mut job.answers {
        write!(answer, "{}: {text}", job.name)?;
    }
    if let Some(mut log) = job.log {
        log.write_all(b"done")?;
    }
    Ok((job.input, job.raw))
}

fn text_file(text: &str) -> File {
    let path = std::env::temp_dir().join(format!("procession-fd-{}", std::process::id()));
    let path = path.with_extension(format!("{:?}", std::thread::current().id()));
    std::fs::write(&path, text).expect("the directory is there");
    let file = File::open(&path).expect("it was just written");
    std::fs::remove_file(&path).expect("it was just written");
    file
}

/// Everything that is to be read.
fn read_all(mut from: impl Read) -> String {
    let mut text = String::new();
    from.read_to_string(&mut text).expect("it is text");
    text
}

struct Ends {
    answers: Vec<UnixStream>,
    log: PipeReader,
}

fn job(input: File) -> (Job, Ends) {
    let pairs = [(); 2].map(|()| UnixStream::pair().expect("there are descriptors"));
    let (answers, far) = pairs.into_iter().unzip::<_, _, _, Vec<_>>();
    let (log, log_writer) = pipe().expect("there are descriptors");
    let job = Job {
        name: "job".to_owned(),
        input: Fd(input),
        answers: far.into_iter().map(Fd).collect(),
        log: Some(Fd(log_writer)),
        raw: Fd(File::open("/dev/null").expect("it is always there").into()),
    };
    (job, Ends { answers, log })
}

// CON-033
#[test]
fn files_and_sockets_are_arguments_and_results_of_every_start_method() {
    let _watchdog = watchdog();
    for method in [StartMethod::ForkServer, StartMethod::Spawn] {
        let (job, ends) = job(text_file("some text"));
        let process = Process::builder().start_method(method).spawn(work, (job,));
        let (mut file, raw) = process.unwrap().join().unwrap();
        assert!(
            ends.answers
                .into_iter()
                .map(read_all)
                .all(|it| it == "job: some text")
        );
        assert_eq!(read_all(ends.log), "done");
        assert_eq!(
            file.stream_position().unwrap(),
            9,
            "the file is the same one"
        );
        file.rewind().unwrap();
        assert_eq!(read_all(file.into_inner()), "some text");
        assert_eq!(read_all(File::from(raw.into_inner())), "");
    }
}

// CON-033
#[test]
fn files_and_sockets_go_through_a_pool() {
    let _watchdog = watchdog();
    let pool = Pool::new(2).unwrap();
    let (job, ends) = job(text_file("pooled"));
    let (mut file, _raw) = pool.apply(work, (job,)).unwrap();
    assert_eq!(file.stream_position().unwrap(), 6);
    assert!(
        ends.answers
            .into_iter()
            .map(read_all)
            .all(|it| it == "job: pooled")
    );

    let files: Vec<_> = ["a", "bc", ""].map(|text| Fd(text_file(text))).into();
    let len = |mut file: Fd<File>| read_all(&mut *file).len();
    assert_eq!(pool.map(len, files).unwrap(), [1, 2, 0]);
}

// CON-033
#[test]
fn files_and_sockets_go_over_a_connection() {
    let _watchdog = watchdog();
    let (here, there) = Pipe::duplex::<Job, (Fd<File>, Fd)>().unwrap();
    let serve = |there: procession::Connection<(Fd<File>, Fd), Job>| -> anyhow::Result<()> {
        Ok(there.send(&work(there.recv()?)?)?)
    };
    let server = Process::spawn(serve, (there,)).unwrap();
    let (job, ends) = job(text_file("sent"));
    here.send(&job).unwrap();
    drop(job);
    assert_eq!(here.recv().unwrap().0.stream_position().unwrap(), 4);
    assert!(
        ends.answers
            .into_iter()
            .map(read_all)
            .all(|it| it == "job: sent")
    );
    server.join().unwrap();
}

#[derive(Default)]
struct Shelf {
    files: Vec<Fd<File>>,
}

impl Shelf {
    fn push(&mut self, file: Fd<File>) -> usize {
        self.files.push(file);
        self.files.len()
    }

    fn pop(&mut self) -> Option<Fd<File>> {
        self.files.pop()
    }
}

// CON-033
#[test]
fn files_and_sockets_are_kept_by_a_hosted_object() {
    let _watchdog = watchdog();
    let manager = Manager::start().unwrap();
    let shelf = manager.host(Shelf::default, ()).unwrap();
    let file = Fd(text_file("kept"));
    assert_eq!(shelf.call(Shelf::push, file).unwrap(), 1);
    let file = shelf.call(|shelf, ()| shelf.pop(), ()).unwrap().unwrap();
    assert_eq!(read_all(file.into_inner()), "kept");

    // The queue is an object in a process, not memory.
    let queue = manager.queue::<Fd<File>>().unwrap();
    queue.put(&Fd(text_file("queued"))).unwrap();
    assert_eq!(read_all(queue.get().unwrap().into_inner()), "queued");
}

type All = (
    Fd<TcpListener>,
    Fd<TcpStream>,
    Fd<UdpSocket>,
    Fd<UnixDatagram>,
    Fd<UnixListener>,
    Fd<OwnedFd>,
);

// CON-033
#[test]
fn each_type_of_the_standard_library_is_as_it_was() {
    let _watchdog = watchdog();
    let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = tcp.local_addr().unwrap();
    let stream = TcpStream::connect(address).unwrap();
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (datagram, _peer) = UnixDatagram::pair().unwrap();
    let directory = std::env::temp_dir().join(format!("procession-fd-{}.sock", std::process::id()));
    let unix = UnixListener::bind(&directory).unwrap();
    std::fs::remove_file(&directory).unwrap();
    let owned: OwnedFd = text_file("owned").into();
    let local = (stream.local_addr().unwrap(), udp.local_addr().unwrap());

    let same = |all: All| -> All { all };
    let all = (
        Fd(tcp),
        Fd(stream),
        Fd(udp),
        Fd(datagram),
        Fd(unix),
        Fd(owned),
    );
    let all = Process::spawn(same, (all,)).unwrap().join().unwrap();
    let (tcp, mut stream, udp, datagram, unix, owned) = all;
    assert_eq!(tcp.local_addr().unwrap(), address);
    assert_eq!(
        (stream.local_addr().unwrap(), udp.local_addr().unwrap()),
        local
    );
    let (mut accepted, _) = tcp.accept().unwrap();
    stream.write_all(b"over").unwrap();
    drop(stream);
    let mut over = [0; 4];
    accepted.read_exact(&mut over).unwrap();
    assert_eq!(&over, b"over");
    assert_eq!(datagram.send(b"one").unwrap(), 3);
    assert_eq!(
        unix.local_addr().unwrap().as_pathname(),
        Some(directory.as_path())
    );
    assert_eq!(read_all(File::from(owned.into_inner())), "owned");
}

fn refusal<T>(refused: Result<T, PutError>) -> String {
    let error = refused.err().expect("it is refused");
    assert!(matches!(error, PutError::Descriptors), "{error}");
    error.to_string()
}

// CON-033
#[test]
fn queues_say_that_they_cannot_hold_descriptors() {
    let _watchdog = watchdog();
    let file = || (7, Some(Fd(text_file("refused"))));
    let queue = Queue::new().unwrap();
    let said = refusal(queue.put(&file()));
    assert!(said.contains("cannot hold file descriptors"), "{said}");
    assert_eq!(said, refusal(queue.try_put(&file())));
    assert_eq!(
        said,
        refusal(queue.put_many(&[file()]).map_err(|it| it.error))
    );
    assert_eq!(said, refusal(JoinableQueue::new().unwrap().put(&file())));
    assert_eq!(said, refusal(SimpleQueue::new().unwrap().put(&file())));
    queue.put(&(7, None)).unwrap();
    assert_eq!(queue.get().unwrap().0, 7);
}

#[test]
fn files_are_refused_by_what_is_no_message() {
    let _watchdog = watchdog();
    let refused = serde_json::to_string(&Fd(text_file("json"))).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("only be encoded into a message")
    );
    let refused = serde_json::from_str::<Fd<File>>("7").unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("only be decoded from a message")
    );
}

#[test]
fn more_than_a_message_carries_is_refused() {
    let _watchdog = watchdog();
    let (here, there) = Pipe::duplex::<Vec<Fd<PipeReader>>, ()>().unwrap();
    let many = |number| {
        (0..number)
            .map(|_| Fd(pipe().unwrap().0))
            .collect::<Vec<_>>()
    };
    let refused = here.send(&many(254)).unwrap_err().to_string();
    assert!(
        refused.contains("at most 253 file descriptors"),
        "{refused}"
    );
    here.send(&many(253)).unwrap();
    assert_eq!(there.recv().unwrap().len(), 253);
}

// CON-033
#[test]
fn a_socket_is_closed_with_the_message_that_nobody_receives() {
    let _watchdog = watchdog();
    let (mut near, far) = UnixStream::pair().unwrap();
    let (here, there) = Pipe::duplex::<Fd<UnixStream>, ()>().unwrap();
    here.send(&Fd(far)).unwrap();
    near.write_all(b"on its way").unwrap();
    drop(there);
    // A process that another test starts has a copy of it until it runs its program.
    eventually("nobody has the other end", || near.write_all(b"x").is_err());
}
