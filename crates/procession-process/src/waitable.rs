//! Waiting for a process together with other things.

use crate::Process;
use procession_os::waitable::{Source, Waitable};

/// Ready when the process has ended, as its [`sentinel`](Process::sentinel) is.
///
/// # Examples
///
/// ```
/// use procession_pipe::{Pipe, Waitable, wait};
/// use procession_process::Process;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// let (connection, _other) = Pipe::duplex::<(), ()>()?;
/// let process = Process::spawn(|| 7, ())?;
/// assert_eq!(wait(&[&connection as &dyn Waitable, &process], None)?, [1]);
/// assert_eq!(process.join()?, 7);
/// # Ok(())
/// # }
/// ```
impl<R> Waitable for Process<R> {
    fn source(&self) -> Source<'_> {
        Source::Descriptor(self.sentinel())
    }
}
