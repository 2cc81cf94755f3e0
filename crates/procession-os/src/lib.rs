//! What procession needs from the kernel.
//!
//! Each module wraps one mechanism in types that cannot be misused by accident, and knows nothing
//! of the crates above it.
//!
//! - [`fork`]: copies of this process;
//! - [`file_size`]: writing to files without being ended at a limit;
//! - [`spawn`]: what a program that is started does not inherit;
//! - [`futex`]: sleeping until a word in shared memory changes;
//! - [`futexes`]: sleeping until one of several words changes;
//! - [`policy`]: how long to look again before sleeping;
//! - [`robust`]: a mutex in shared memory that tells the next locker when its owner died;
//! - [`pidfd`]: child processes by descriptor, so that no number is ever mistaken for another
//!   process;
//! - [`socket`]: messages with file descriptors beside them, and who is at the other end;
//! - [`wait`]: waiting for descriptors with a deadline;
//! - [`waitable`]: what can be waited for together with other things;
//! - [`identity`]: a process in 64 bits, never mistaken for a later one;
//! - [`image`]: the running executable: its identity, and which addresses lie in its data;
//! - [`parent`]: what happens to this process when its parent ends;
//! - [`lifetime`]: what runs when this process exits;
//! - [`environ`]: what others see of this process's environment;
//! - [`capabilities`], [`groups`] and [`sched`]: what a thread may do, whose it is, and how it is
//!   scheduled;
//! - [`huge`]: large memory in few pages;
//! - [`plain`]: sequences of numbers behind a type parameter;
//! - [`table`]: a page of words that processes share through a descriptor;
//! - [`shield`]: code of the program's whose panic ends nothing;
//! - [`words`]: how errors show themselves.
//!
//! All waiting is on the monotonic clock and goes on after a signal.
#![doc(html_root_url = "https://docs.rs/procession-os/latest")]

pub mod capabilities;
pub mod eldest;
pub mod environ;
pub mod file_size;
pub mod fork;
pub mod futex;
pub mod futexes;
pub mod groups;
pub mod huge;
pub mod identity;
pub mod image;
pub mod lifetime;
mod own_pid;
pub mod parent;
pub mod pidfd;
pub mod plain;
pub mod policy;
pub mod robust;
pub mod sched;
pub mod sealed;
pub mod shield;
pub mod socket;
pub mod spawn;
pub mod table;
pub mod turns;
pub mod wait;
pub mod waitable;
pub mod words;

pub use own_pid::own_pid;
