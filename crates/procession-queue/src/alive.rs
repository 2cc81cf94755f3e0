//! Which processes live, by number and by the moment they started.

use crate::Fault;
use std::sync::{Mutex, PoisonError};
use std::{fs, io, process};

/// A process: its number may be used again, but not together with the moment it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) pid: u32,
    pub(crate) started: u64,
}

/// Returns this process's identity.
pub(crate) fn me() -> Result<Identity, Fault> {
    static ME: Mutex<Option<Identity>> = Mutex::new(None);
    let pid = process::id();
    let mut me = ME.lock().unwrap_or_else(PoisonError::into_inner);
    // A forked process has inherited its parent's.
    if let Some(me) = me.filter(|me| me.pid == pid) {
        return Ok(me);
    }
    let (_, started) = look(pid).map_err(Fault::Proc)?;
    Ok(*me.insert(Identity { pid, started }))
}

/// Returns whether the process runs; one that has ended and was not reaped does not.
pub(crate) fn is_alive(who: Identity) -> bool {
    match look(who.pid) {
        Ok((state, started)) => started == who.started && !matches!(state, 'Z' | 'X'),
        // Where `/proc` cannot be read, nobody is declared dead who may not be.
        Err(error) => {
            error.kind() != io::ErrorKind::NotFound && error.raw_os_error() != Some(ESRCH)
        }
    }
}

/// What reading `/proc` gives for a process that ends meanwhile.
const ESRCH: i32 = 3;

/// Returns the state of a process and the moment it started.
fn look(pid: u32) -> io::Result<(char, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    parse(&stat).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Reads the third and the 22nd field; the second, the name in parentheses, may contain anything.
fn parse(stat: &str) -> Option<(char, u64)> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let state = fields.chars().next()?;
    let started = fields.split(' ').nth(19)?.parse().ok()?;
    Some((state, started))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_contain_anything() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 12345 0 0";
        assert_eq!(parse(stat), Some(('S', 12345)));
        assert_eq!(parse("7 (a"), None);
    }

    #[test]
    fn this_process_lives() {
        let me = me().unwrap();
        assert!(is_alive(me));
        let started = me.started + 1;
        assert!(!is_alive(Identity { started, ..me }));
        assert!(!is_alive(Identity { pid: 0, ..me }));
    }
}
