//! Who has a lock.

use crate::protocol::SessionId;
use crate::refusal::{Refusal, Result};
use serde::{Deserialize, Serialize};

/// One acquisition of a lock.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Taken {
    /// The number of the acquisition: a guard gives back its own, and never another's.
    pub(crate) ticket: u64,
    /// Whether the owner before ended while it had the lock.
    pub(crate) was_abandoned: bool,
}

/// The state of a lock.
#[derive(Debug, Default)]
pub(super) struct Ownership {
    owner: Option<Owner>,
    last_ticket: u64,
    /// Whether an owner has ended, and nobody has been told yet.
    is_abandoned: bool,
}

#[derive(Debug)]
struct Owner {
    ticket: u64,
    /// `None` if the lock stays held when the client that took it ends.
    session: Option<SessionId>,
}

impl Ownership {
    /// Takes the lock if it is free.
    pub(super) fn take(&mut self, session: SessionId) -> Option<Taken> {
        if self.owner.is_some() {
            return None;
        }
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        self.owner = Some(Owner {
            ticket,
            session: Some(session),
        });
        Some(Taken {
            ticket,
            was_abandoned: std::mem::take(&mut self.is_abandoned),
        })
    }

    pub(super) fn is_held(&self) -> bool {
        self.owner.is_some()
    }

    /// Ends an acquisition, if it has not ended yet.
    pub(super) fn give_back(&mut self, ticket: u64) -> Result<()> {
        self.owner_with(ticket)?;
        self.owner = None;
        Ok(())
    }

    /// Has the lock stay held when the client that took it ends.
    pub(super) fn detach(&mut self, ticket: u64) -> Result<()> {
        self.owner_with(ticket)?.session = None;
        Ok(())
    }

    /// Ends whatever acquisition there is.
    pub(super) fn release(&mut self) -> Result<()> {
        self.owner.take().map(|_| ()).ok_or(Refusal::NotHeld)
    }

    /// Ends the acquisition of a client that has ended.
    pub(super) fn leave(&mut self, session: SessionId) {
        if self
            .owner
            .as_ref()
            .is_some_and(|owner| owner.session == Some(session))
        {
            self.owner = None;
            self.is_abandoned = true;
        }
    }

    fn owner_with(&mut self, ticket: u64) -> Result<&mut Owner> {
        self.owner
            .as_mut()
            .filter(|owner| owner.ticket == ticket)
            .ok_or(Refusal::NotOwner)
    }
}
