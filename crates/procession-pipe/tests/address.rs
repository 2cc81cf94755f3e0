//! Addresses, as text and as what the kernel takes.

use procession_pipe::{Address, Client, ConnectError, Connection, Listener};
use procession_testkit::helper::roundtrip;
use procession_testkit::watchdog;
use proptest::prelude::*;
use std::io::ErrorKind;
use std::path::Path;

fn parsed(text: &str) -> Option<Address> {
    text.parse().ok()
}

fn bind_error(address: Address) -> Option<ErrorKind> {
    Listener::bind(address).err().map(|error| error.kind())
}

#[test]
fn each_kind_is_recognised() {
    let _watchdog = watchdog();
    assert_eq!(parsed("/tmp/x"), Some(Address::unix("/tmp/x")));
    assert_eq!(
        parsed("./127.0.0.1:1"),
        Some(Address::unix("./127.0.0.1:1"))
    );
    assert_eq!(parsed("@a/b"), Some(Address::abstract_name("a/b")));
    assert_eq!(parsed(r"@\x00\\"), Some(Address::abstract_name(b"\0\\")));
    let v4 = Address::Tcp("127.0.0.1:80".parse().unwrap());
    assert_eq!(parsed("127.0.0.1:80"), Some(v4));
    let v6 = Address::Tcp("[::1]:80".parse().unwrap());
    assert_eq!(parsed("[::1]:80"), Some(v6));
    for wrong in [
        "",
        "socket",
        "localhost:80",
        "127.0.0.1",
        r"@\",
        r"@\x0",
        r"@\é",
    ] {
        assert_eq!(parsed(wrong), None, "{wrong}");
    }
}

proptest! {
    #[test]
    fn text_leads_back(name in any::<Vec<u8>>(), tcp in any::<(std::net::IpAddr, u16)>()) {
        let _watchdog = watchdog();
        let name = Address::Abstract(name);
        prop_assert_eq!(parsed(&name.to_string()), Some(name));
        let tcp = Address::Tcp(tcp.into());
        prop_assert_eq!(parsed(&tcp.to_string()), Some(tcp));
    }
}

#[test]
fn an_address_is_a_value() {
    let _watchdog = watchdog();
    for text in ["/tmp/x", "@name", "[::1]:9"] {
        let address = parsed(text).unwrap();
        assert_eq!(roundtrip(&address), address);
    }
}

#[test]
fn a_path_longer_than_the_kernel_takes_will_do() {
    let _watchdog = watchdog();
    let directory = tempfile::tempdir().unwrap();
    let deep = directory.path().join("d".repeat(120)).join("e".repeat(120));
    std::fs::create_dir_all(&deep).unwrap();
    let path = deep.join("socket");

    let listener = Listener::bind(&*path).unwrap();
    assert_eq!(listener.local_addr(), &Address::unix(&path));
    assert_eq!(bind_error(Address::unix(&path)), Some(ErrorKind::AddrInUse));
    let client: Connection<u8, ()> = Client::connect(&*path).unwrap();
    client.send(&3).unwrap();
    assert_eq!(listener.accept::<(), u8>().unwrap().recv().unwrap(), 3);
    drop(listener);
    assert!(!path.exists());

    let name = deep.join("n".repeat(108));
    let refused = Listener::bind(&*name).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    assert!(refused.to_string().contains("shorter"), "{refused}");
}

#[test]
fn what_the_kernel_cannot_take_is_refused() {
    let _watchdog = watchdog();
    for wrong in ["/tmp/a\0b", "/", "/tmp/.."] {
        let refused = bind_error(Address::unix(wrong));
        assert!(refused.is_some(), "{wrong:?}");
    }
    let long = Address::abstract_name([b'n'; 108]);
    assert_eq!(bind_error(long.clone()), Some(ErrorKind::InvalidInput));
    let refused = Client::connect::<(), ()>(long);
    assert!(
        matches!(refused, Err(ConnectError::Io(error)) if error.kind() == ErrorKind::InvalidInput)
    );
    // The longest that will do, and another than that of a run beside this one.
    let longest = format!("{:n>107}", std::process::id());
    drop(Listener::bind(Address::abstract_name(longest)).unwrap());
    let nowhere = Address::unix("/no/such/directory/socket");
    assert_eq!(bind_error(nowhere), Some(ErrorKind::NotFound));
}

#[test]
fn a_listener_chooses_what_is_left_open() {
    let _watchdog = watchdog();
    let chosen = |address: &str| {
        let listener = Listener::bind(parsed(address).unwrap()).unwrap();
        let other = Listener::bind(parsed(address).unwrap()).unwrap();
        assert_ne!(listener.local_addr(), other.local_addr());
        Client::connect::<(), ()>(listener.local_addr()).unwrap();
        listener.local_addr().clone()
    };
    assert!(matches!(chosen("127.0.0.1:0"), Address::Tcp(it) if it.port() != 0));
    assert!(matches!(chosen("[::1]:0"), Address::Tcp(it) if it.port() != 0));
    assert!(matches!(chosen("@"), Address::Abstract(name) if !name.is_empty()));
}

#[test]
fn a_relative_path_becomes_absolute() {
    let _watchdog = watchdog();
    let name = format!("target-socket-{}", std::process::id());
    let listener = Listener::bind(Address::unix(Path::new(".").join(&name))).unwrap();
    let here = std::env::current_dir().unwrap();
    assert_eq!(listener.local_addr(), &Address::unix(here.join(&name)));
    drop(listener);
    assert!(!here.join(name).exists());
}
