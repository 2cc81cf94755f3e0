//! What messages are for.

/// What a message is for: the first of its bytes.
///
/// Each protocol of the workspace has kinds of its own, so that a message that strays into
/// another protocol is refused. All of them stand here, which no two can share without an error
/// when this crate is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind(pub u8);

/// Makes the constants, and checks that they differ.
macro_rules! kinds {
    ($($(#[$about:meta])* $name:ident = $number:literal,)*) => {
        impl Kind {
            $($(#[$about])* pub const $name: Self = Self($number);)*
        }

        const _: () = assert!(differ(&[$($number),*]), "two kinds have one number");
    };
}

kinds! {
    /// A value sent over a connection.
    VALUE = 0x01,
    /// What a new process is to become.
    START = 0x10,
    /// The outcome of a process or of a task.
    OUTCOME = 0x11,
    /// A message that is too long for its socket, as a descriptor.
    PARCEL = 0x12,
    /// The work of a fork server.
    SERVE = 0x13,
    /// A request to a fork server.
    FORK = 0x14,
    /// A fork server's answer.
    FORKED = 0x15,
    /// A child has joined its family.
    SETTLED = 0x16,
    /// A fork server's child has begun.
    BEGUN = 0x17,
    /// The work of a new process.
    WORK = 0x18,
    /// A request to a server or a worker.
    REQUEST = 0x20,
    /// The reply to a request.
    REPLY = 0x21,
    /// The first message of a client to a manager.
    HELLO = 0x22,
    /// A manager's answer to that.
    WELCOME = 0x23,
    /// What a client tells a manager of its handles.
    NOTE = 0x24,
    /// A client's wish for rings in shared memory, and the answer to it.
    RINGS = 0x25,
    /// Several requests to a manager, and what came of them.
    BATCH = 0x26,
    /// A pool's worker can take requests.
    READY = 0x30,
    /// A pool's worker cannot read a request.
    REFUSED = 0x31,
    /// Calls of one function, in a request to a pool's worker.
    CALLS = 0x32,
    /// What came of some of them.
    OUTCOMES = 0x33,
    /// A pool's worker does not run the rest of a request.
    STOPPED = 0x34,
}

const fn differ(numbers: &[u8]) -> bool {
    let mut seen = [false; 256];
    let mut at = 0;
    while at < numbers.len() {
        let number = numbers[at] as usize;
        if seen[number] {
            return false;
        }
        seen[number] = true;
        at += 1;
    }
    true
}
