//! The listener for programs with another executable.

use super::admit::{admit_visitor, send};
use super::home::Home;
use super::names::server;
use crate::call::arguments;
use crate::protocol::Admission;
use crate::reply::Reply;
use anyhow::Context;
use procession_call::{Entry, Outcome, produce};
use procession_pipe::{AcceptError, Address, Channel, Listener};
use procession_wire::Packet;
use std::any::Any;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// How long no connection is taken after the system has refused to tell of one.
const PAUSE: Duration = Duration::from_millis(20);

/// Begins to listen. Programs can connect from now on, and wait until [`Welcome`].
pub(crate) struct Listen;

impl Entry for Listen {
    fn run(context: &dyn Any, packet: &mut Packet) -> Outcome {
        produce(|| {
            let (address, key) = arguments::<(Address, Vec<u8>)>(packet)?;
            let home = server(context)?;
            let bound = Listener::builder().key(key).bind(&address);
            let listener = bound.with_context(|| format!("cannot listen at {address}"))?;
            home.set_public(Arc::new(listener));
            Ok(Reply(()))
        })
    }
}

/// Admits all who have shown the key, and those who will, on a thread of its own.
pub(crate) struct Welcome;

impl Entry for Welcome {
    fn run(context: &dyn Any, packet: &mut Packet) -> Outcome {
        produce(|| {
            arguments::<()>(packet)?;
            let home = server(context)?;
            if let Some(listener) = home.public() {
                let thread = thread::Builder::new().name("manager-visits".to_owned());
                let started = thread.spawn(move || accept_all(&listener, home));
                started.context("cannot start a thread")?;
            }
            Ok(Reply(()))
        })
    }
}

/// Returns where the server listens.
pub(crate) struct PublicAddress;

impl Entry for PublicAddress {
    fn run(context: &dyn Any, packet: &mut Packet) -> Outcome {
        produce(|| {
            arguments::<()>(packet)?;
            let listener = server(context)?.public();
            let address = listener.map(|listener| listener.local_addr().clone());
            Ok(Reply(address))
        })
    }
}

fn accept_all(listener: &Listener, home: &'static Home) {
    loop {
        match listener.accept::<(), ()>() {
            Ok(connection) => take(connection.into(), home),
            Err(AcceptError::Closed) => return,
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

fn take(channel: Channel, home: &'static Home) {
    let channel = Arc::new(channel);
    let theirs = Arc::clone(&channel);
    let thread = thread::Builder::new().name("manager-visitor".to_owned());
    if thread.spawn(move || admit_visitor(home, &theirs)).is_err() {
        send(&channel, &Admission::Busy);
    }
}
