//! Addresses of every kind, for a test to listen at.

use procession_pipe::Address;
use tempfile::TempDir;

/// An address that nobody uses, and what keeps it so.
pub(crate) struct Place {
    pub(crate) address: Address,
    _directory: Option<TempDir>,
}

impl Place {
    /// A path in a directory of its own.
    pub(crate) fn path() -> Self {
        let directory = tempfile::tempdir().expect("there is room for files");
        Self {
            address: Address::unix(directory.path().join("socket")),
            _directory: Some(directory),
        }
    }
}

impl From<Address> for Place {
    fn from(address: Address) -> Self {
        Self {
            address,
            _directory: None,
        }
    }
}

/// Returns one address of each kind that this machine has.
#[expect(
    clippy::print_stderr,
    reason = "a test that leaves something out says so"
)]
pub(crate) fn everywhere() -> Vec<Place> {
    let network = ["127.0.0.1:0", "[::1]:0"].into_iter().filter_map(|text| {
        if std::net::TcpListener::bind(text).is_err() {
            eprintln!("this machine has no address like {text}: left out");
            return None;
        }
        let address: Address = text.parse().expect("it is an address");
        Some(Place::from(address))
    });
    let unique = Address::unique().expect("there is randomness");
    [Place::path(), Place::from(unique)]
        .into_iter()
        .chain(network)
        .collect()
}
