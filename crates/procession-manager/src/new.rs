//! Objects that a function in the server makes, and that are hosted there.

use crate::ManagerError;
use crate::hosting::Access;
use crate::proxy::Proxy;
use crate::returns::Returns;
use crate::server::home;
use crate::shared::Shared;
use anyhow::anyhow;
use procession_call::{Failure, Fallible};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::type_name;
use std::marker::PhantomData;
use std::sync::Arc;

/// A new object that a method, or a function in [`with`](Proxy::with), returns: the server hosts
/// it, and the caller gets its proxy.
///
/// # Examples
///
/// ```
/// use procession::Manager;
/// use procession::manager::New;
/// use std::collections::BTreeMap;
///
/// # fn main() -> Result<(), procession::ManagerError> {
/// # procession::init();
/// let manager = Manager::start()?;
/// let map = manager.create(BTreeMap::<u32, u32>::new, ())?;
/// map.with(|map| map.extend([(1, 10), (2, 20), (3, 30)]))?;
/// let rest = map.with(|map| New(map.split_off(&2)))?; // a proxy of another map
/// assert_eq!((map.with(|map| map.len())?, rest.with(|rest| rest.len())?), (1, 2));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct New<T>(pub T);

/// The function returns an object to be hosted.
#[derive(Debug)]
pub struct Hosts<T>(PhantomData<fn() -> T>);

fn host<T: Shared>(New(object): New<T>) -> Result<Proxy<T, T::Access>, Failure> {
    let home = home::this().ok_or_else(|| anyhow!("only a manager's server can host an object"))?;
    let remote = home.adopt(Arc::new(T::Access::hold(object)), type_name::<T>());
    Ok(Proxy::new(remote))
}

impl<T: Shared> Returns<Hosts<T>> for New<T> {
    type Output = T::Proxy;
    type Sent = Proxy<T, T::Access>;

    fn send(self) -> Result<Self::Sent, Failure> {
        host(self)
    }

    fn receive(sent: Self::Sent) -> Result<T::Proxy, ManagerError> {
        Ok(sent.into())
    }
}

impl<T: Shared> Returns<Hosts<T>> for Option<New<T>> {
    type Output = Option<T::Proxy>;
    type Sent = Option<Proxy<T, T::Access>>;

    fn send(self) -> Result<Self::Sent, Failure> {
        self.map(host).transpose()
    }

    fn receive(sent: Self::Sent) -> Result<Self::Output, ManagerError> {
        Ok(sent.map(Into::into))
    }
}

impl<T: Shared> Returns<Fallible<Hosts<T>>> for anyhow::Result<New<T>> {
    type Output = T::Proxy;
    type Sent = Proxy<T, T::Access>;

    fn send(self) -> Result<Self::Sent, Failure> {
        host(self?)
    }

    fn receive(sent: Self::Sent) -> Result<T::Proxy, ManagerError> {
        Ok(sent.into())
    }
}

impl<T: Shared, E: Serialize + DeserializeOwned> Returns<Hosts<(T, E)>> for Result<New<T>, E> {
    type Output = Result<T::Proxy, E>;
    type Sent = Result<Proxy<T, T::Access>, E>;

    fn send(self) -> Result<Self::Sent, Failure> {
        match self {
            Ok(object) => host(object).map(Ok),
            Err(error) => Ok(Err(error)),
        }
    }

    fn receive(sent: Self::Sent) -> Result<Self::Output, ManagerError> {
        Ok(sent.map(Into::into))
    }
}
