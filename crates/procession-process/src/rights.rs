//! What a process may do: whose it is, and its capabilities.

use nix::unistd::{Gid, Uid, geteuid, getresgid, getresuid};
use nix::unistd::{setgroups, setresgid, setresuid};
use procession_os::capabilities::{Capabilities, keep_on_exec, kept_on_exec};
use procession_os::groups::supplementary;
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// Users, groups and capabilities of a thread.
///
/// A program that is started by exec may have others than who started it: one that belongs to root and
/// has the bit for that becomes root's, and a process of root's gets all capabilities back that it had
/// laid down. So whatever is started that way takes up the rights of who started it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rights {
    /// The real, the effective and the saved one.
    users: [u32; 3],
    groups: [u32; 3],
    others: Vec<u32>,
    effective: u64,
    permitted: u64,
    inheritable: u64,
    ambient: u64,
}

/// A process could not be given the rights that it is to have.
#[derive(thiserror::Error)]
#[error("cannot take up its parent's rights: {0}")]
pub(crate) struct RightsError(io::Error);

procession_os::debug_in_words!(RightsError);

/// Takes the capabilities back from programs that are started later.
pub(crate) struct KeptOnExec {
    before: Capabilities,
    raised: u64,
}

impl Drop for KeptOnExec {
    fn drop(&mut self) {
        // A thread may always lay down what it has.
        let _ = keep_on_exec(self.raised, false);
        let _ = self.before.set();
    }
}

impl Rights {
    /// Returns those of the calling thread.
    pub(crate) fn now() -> io::Result<Self> {
        let (users, groups) = (getresuid()?, getresgid()?);
        let sets = Capabilities::now()?;
        Ok(Self {
            users: [users.real, users.effective, users.saved].map(Uid::as_raw),
            groups: [groups.real, groups.effective, groups.saved].map(Gid::as_raw),
            others: supplementary()?,
            effective: sets.effective,
            permitted: sets.permitted,
            inheritable: sets.inheritable,
            // There are no others.
            ambient: kept_on_exec(sets.permitted & sets.inheritable)?,
        })
    }

    /// Returns the effective user.
    pub(crate) fn user(&self) -> u32 {
        self.users[1]
    }

    pub(crate) fn set_group(&mut self, group: u32) {
        self.groups = [group; 3];
    }

    /// Sets the user and its supplementary groups. A user other than root has no capabilities.
    pub(crate) fn set_user(&mut self, user: u32, others: Vec<u32>) {
        self.users = [user; 3];
        self.others = others;
        if user != 0 {
            (self.effective, self.permitted) = (0, 0);
            (self.inheritable, self.ambient) = (0, 0);
        }
    }

    /// Has this process, which was started by exec and has one thread, have these rights and no
    /// others, unless it or the server that it is a copy of has done so before. Capabilities that it
    /// did not get are not among them.
    pub(crate) fn take_up_after_exec(&self) -> Result<(), RightsError> {
        static DONE: AtomicBool = AtomicBool::new(false);
        if !DONE.swap(true, Ordering::Relaxed) {
            self.take_up().map_err(RightsError)?;
        }
        Ok(())
    }

    /// Has a program that this thread starts keep the thread's capabilities while what is returned is
    /// held. The kernel takes them from all users' programs but root's.
    pub(crate) fn kept_on_exec() -> io::Result<Option<KeptOnExec>> {
        let before = Capabilities::now()?;
        if before.permitted == 0 || geteuid().is_root() {
            return Ok(None);
        }
        let own = Self::now()?;
        let raised = before.permitted & !own.ambient;
        let inheritable = before.inheritable | before.permitted;
        let (kept, wide) = (
            KeptOnExec { before, raised },
            Capabilities {
                inheritable,
                ..before
            },
        );
        // Where the system forbids it, a child has fewer than this process, never more.
        let raised = wide.set().and_then(|()| keep_on_exec(raised, true));
        Ok(raised.is_ok().then_some(kept))
    }

    /// Has this process, which has one thread, have these rights and no others.
    pub(crate) fn take_up(&self) -> io::Result<()> {
        let own = Self::now()?;
        if own == *self {
            return Ok(());
        }
        if own.others != self.others {
            let others: Vec<Gid> = self.others.iter().copied().map(Gid::from_raw).collect();
            setgroups(&others)?;
        }
        if own.groups != self.groups {
            let [real, effective, saved] = self.groups.map(Gid::from_raw);
            setresgid(real, effective, saved)?;
        }
        // Last, for it takes the capabilities away that the others need.
        if own.users != self.users {
            let [real, effective, saved] = self.users.map(Uid::from_raw);
            setresuid(real, effective, saved)?;
        }
        self.limit_capabilities()
    }

    fn limit_capabilities(&self) -> io::Result<()> {
        let permitted = Capabilities::now()?.permitted & self.permitted;
        let limited = Capabilities {
            effective: self.effective & permitted,
            permitted,
            inheritable: self.inheritable,
        };
        // Without a capability for it, nothing inheritable is added that is not permitted.
        let without = Capabilities {
            inheritable: limited.inheritable & permitted,
            ..limited
        };
        limited.set().or_else(|_| without.set())?;
        keep_on_exec(!self.ambient & permitted & self.inheritable, false)
    }
}
