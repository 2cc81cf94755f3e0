//! The handshake as a machine that takes frames and gives frames, and knows nothing of sockets.
//!
//! | state | what is awaited | then |
//! |---|---|---|
//! | `Reply` | the reply to the challenge that was sent | `#WELCOME#` or `#FAILURE#` goes out |
//! | `Challenge` | a challenge | the reply goes out |
//! | `Verdict` | `#WELCOME#` | |
//!
//! To deliver is `Reply`, to answer is `Challenge`, then `Verdict`. When a half is over the next
//! one begins, and when there is none, so is the handshake.

use super::key::Key;
use super::{AuthenticationError, respond, verify};
use std::io;

const CHALLENGE: &[u8] = b"#CHALLENGE#";
const WELCOME: &[u8] = b"#WELCOME#";
const FAILURE: &[u8] = b"#FAILURE#";

/// The digest that a challenge asks for, and the random bytes after it.
const ASKED: &[u8] = b"{sha256}";
const RANDOM_LEN: usize = 40;

/// One side's part in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Half {
    /// Find out whether the other side has the key.
    Deliver,
    /// Show that this side has it.
    Answer,
}

/// What a listener does, in this order.
pub(crate) const LISTENER: &[Half] = &[Half::Deliver, Half::Answer];

/// What a client does.
pub(crate) const CLIENT: &[Half] = &[Half::Answer, Half::Deliver];

/// A handshake under way.
#[derive(Debug)]
pub(crate) struct Handshake {
    key: Key,
    state: State,
    /// The halves that have not begun.
    rest: &'static [Half],
}

#[derive(Debug)]
enum State {
    Reply { challenge: Vec<u8> },
    Challenge,
    Verdict,
}

/// What follows from a frame.
#[derive(Debug)]
pub(crate) struct Step {
    /// What to send; empty for nothing.
    frame: Vec<u8>,
    outcome: Result<bool, AuthenticationError>,
}

impl Step {
    /// Returns what to send, nothing if it is empty. It goes out even if the handshake failed.
    pub(crate) fn frame(&self) -> &[u8] {
        &self.frame
    }

    /// Returns whether the handshake is over.
    pub(crate) fn outcome(self) -> Result<bool, AuthenticationError> {
        self.outcome
    }
}

impl Handshake {
    /// Begins with the first of the halves; returns what to send first, empty for nothing.
    pub(crate) fn begin(key: Key, halves: &'static [Half]) -> io::Result<(Self, Vec<u8>)> {
        let mut handshake = Self {
            key,
            state: State::Challenge,
            rest: halves,
        };
        let opening = handshake.next_half()?;
        Ok((handshake, opening.unwrap_or_default()))
    }

    /// Takes a frame of the other side.
    pub(crate) fn take(&mut self, frame: &[u8]) -> Step {
        let step = match &self.state {
            State::Reply { challenge } => {
                let verified = verify(self.key.bytes(), challenge, frame);
                self.judged(verified)
            }
            State::Challenge => self.answer(frame),
            State::Verdict if frame == WELCOME => self.go_on(Vec::new()),
            State::Verdict => Err(AuthenticationError::Rejected),
        };
        step.unwrap_or_else(|error| Step {
            frame: Vec::new(),
            outcome: Err(error),
        })
    }

    fn judged(
        &mut self,
        verified: Result<(), AuthenticationError>,
    ) -> Result<Step, AuthenticationError> {
        match verified {
            Ok(()) => self.go_on(WELCOME.to_vec()),
            Err(error) => Ok(Step {
                frame: FAILURE.to_vec(),
                outcome: Err(error),
            }),
        }
    }

    fn answer(&mut self, frame: &[u8]) -> Result<Step, AuthenticationError> {
        let challenge = frame
            .strip_prefix(CHALLENGE)
            .ok_or(AuthenticationError::NoChallenge)?;
        let reply = respond(self.key.bytes(), challenge)?;
        self.state = State::Verdict;
        Ok(Step {
            frame: reply,
            outcome: Ok(false),
        })
    }

    /// Ends this half with `last`, the verdict or nothing, and begins the next one.
    ///
    /// No two frames go out at once: after a verdict the next half waits for a challenge.
    fn go_on(&mut self, last: Vec<u8>) -> Result<Step, AuthenticationError> {
        let opening = self.next_half()?;
        let outcome = Ok(opening.is_none());
        let frame = [last, opening.unwrap_or_default()]
            .into_iter()
            .find(|frame| !frame.is_empty())
            .unwrap_or_default();
        Ok(Step { frame, outcome })
    }

    /// Begins the next half and returns what it sends first; `None` if there is none.
    fn next_half(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some((half, rest)) = self.rest.split_first() else {
            return Ok(None);
        };
        self.rest = rest;
        let challenge = match half {
            Half::Deliver => challenge()?,
            Half::Answer => {
                self.state = State::Challenge;
                return Ok(Some(Vec::new()));
            }
        };
        let frame = [CHALLENGE, &challenge].concat();
        self.state = State::Reply { challenge };
        Ok(Some(frame))
    }
}

fn challenge() -> io::Result<Vec<u8>> {
    let mut challenge = [ASKED, &[0; RANDOM_LEN]].concat();
    getrandom::fill(&mut challenge[ASKED.len()..]).map_err(io::Error::other)?;
    Ok(challenge)
}
