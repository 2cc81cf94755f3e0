//! A dict with the types of its keys and values: each operation as steps under the locks.
//!
//! No function of the user's runs under a lock: what changes a value looks at it, runs the function, and
//! takes the result only if the value is still the one that it looked at. So a function may use the dict
//! itself, and one that takes long, panics, or is killed is in nobody's way. The one exception is the
//! `Deserialize` of values [with handles](crate::handles) in them.

use crate::DictError;
use crate::area::Spot;
use crate::codec::{self, Value};
use crate::core::Core;
use crate::entry::{Entry, Form};
use crate::former::Found;
use crate::home::{Home, Plan};
use crate::locked::Locked;
use crate::patience::Patience;
use crate::snapshot::Snapshot;
use crate::turn::Turn;
use procession_os::wait::Deadline;
use procession_shm::{Format, SegmentKind, ShmError};
use procession_wire::buffer::Buffer;
use serde::de::DeserializeOwned;
use serde::{Deserializer, Serialize, Serializer};
use std::collections::HashSet;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// A handle to a dict, and how long its calls wait.
pub(crate) struct Store<K, V> {
    pub(crate) core: Arc<Core>,
    pub(crate) timeout: Option<Duration>,
    _key: PhantomData<fn(K) -> K>,
    _value: PhantomData<fn(V) -> V>,
}

impl<K, V> Clone for Store<K, V> {
    fn clone(&self) -> Self {
        Self::of(Arc::clone(&self.core), self.timeout)
    }
}

/// An encoded key.
pub(crate) struct Key {
    pub(crate) bytes: Buffer,
    pub(crate) hash: u64,
}

impl<K, V> Store<K, V> {
    fn of(core: Arc<Core>, timeout: Option<Duration>) -> Self {
        Self {
            core,
            timeout,
            _key: PhantomData,
            _value: PhantomData,
        }
    }

    pub(crate) fn create(kind: SegmentKind, plan: Plan) -> Result<Self, ShmError> {
        let core = Core::create(Self::format(kind), plan)?;
        Ok(Self::of(core, None))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
        kind: SegmentKind,
    ) -> Result<Self, D::Error> {
        let core = Core::deserialize(deserializer, Self::format(kind))?;
        Ok(Self::of(core, None))
    }

    pub(crate) fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.core.serialize(serializer)
    }

    fn format(kind: SegmentKind) -> Format {
        Home::format::<K, V>(kind)
    }

    #[inline]
    pub(crate) fn patience(&self) -> Patience {
        self.timeout.map_or(Patience::Forever, Patience::For)
    }

    /// Returns how many keys there are at one moment.
    pub(crate) fn len(&self, patience: Patience) -> Result<usize, DictError> {
        let all = self.core.lock_all(patience)?;
        Ok(all.iter().map(Locked::count).sum())
    }
}

impl<K, V> Store<K, V>
where
    K: Serialize + DeserializeOwned,
    V: Serialize + DeserializeOwned,
{
    #[inline]
    pub(crate) fn key(&self, key: &K) -> Result<Key, DictError> {
        let mut bytes = Buffer::new();
        codec::key(key, &mut bytes)?;
        let hash = self.core.hash(&bytes);
        Ok(Key { bytes, hash })
    }

    #[inline]
    pub(crate) fn value(&self, value: &V) -> Result<Value, DictError> {
        Value::new(value, self.core.home.segment())
    }

    #[inline]
    fn lock(&self, key: &Key, patience: Patience) -> Result<Locked<'_>, DictError> {
        self.core.lock(self.core.stripe_of(key.hash), patience)
    }

    /// Takes the lock in order to change something, when those that were overtaken too often had their
    /// turn.
    #[inline]
    fn lock_to_change(&self, key: &Key, turn: &Turn<'_>) -> Result<Locked<'_>, DictError> {
        turn.let_pass(self.patience());
        self.lock(key, self.patience())
    }

    #[inline]
    fn turn(&self, key: &Key) -> Turn<'_> {
        let stripe = self.core.stripe_of(key.hash);
        Turn::new(&self.core.home.stripe(stripe).eldest)
    }

    #[inline]
    pub(crate) fn get(&self, key: &K) -> Result<Option<V>, DictError> {
        let mut key = self.key(key)?;
        let locked = self.lock(&key, self.patience())?;
        let Some((_, entry)) = locked.find(key.hash, &key.bytes)?.found else {
            return Ok(None);
        };
        if entry.form == Form::BARE {
            // Most values are nothing but some bytes, which take the place of the key's.
            key.bytes.clear();
            entry.read_content(&locked.area().memory, &mut key.bytes)?;
            drop(locked);
            return codec::decode_bare(&key.bytes).map(Some);
        }
        let found = Found::stays(&locked, &entry)?;
        drop(locked);
        found.decode()
    }

    #[inline]
    pub(crate) fn contains(&self, key: &K) -> Result<bool, DictError> {
        let key = self.key(key)?;
        let locked = self.lock(&key, self.patience())?;
        Ok(locked.find(key.hash, &key.bytes)?.found.is_some())
    }

    #[inline]
    pub(crate) fn insert(&self, key: &K, value: &V) -> Result<Option<V>, DictError> {
        let key = self.key(key)?;
        let value = self.value(value)?;
        let mut locked = self.lock_to_change(&key, &self.turn(&key))?;
        let spot = locked.find(key.hash, &key.bytes)?;
        let former = Self::change(&mut locked, &key, spot, Some(value))?;
        drop(locked);
        former.decode()
    }

    pub(crate) fn remove(&self, key: &K) -> Result<Option<V>, DictError> {
        let key = self.key(key)?;
        let mut locked = self.lock_to_change(&key, &self.turn(&key))?;
        let spot = locked.find(key.hash, &key.bytes)?;
        let former = Self::change(&mut locked, &key, spot, None)?;
        drop(locked);
        former.decode()
    }

    /// Puts a value under a key, or removes it; returns what was there.
    #[inline]
    pub(crate) fn change(
        locked: &mut Locked<'_>,
        key: &Key,
        spot: Spot,
        new: Option<Value>,
    ) -> Result<Found<V>, DictError> {
        let former = match &spot.found {
            Some((_, entry)) => Found::leaves(locked, entry)?,
            None => Found::Nothing,
        };
        let changed = match (&new, spot.found) {
            (Some(value), _) => locked.put(key.hash, &key.bytes, spot, &value.content()),
            (None, Some((number, entry))) => locked.remove(number, entry),
            (None, None) => Ok(()),
        };
        if let Err(error) = changed {
            former.stay()?;
            return Err(error);
        }
        if let Some(value) = new {
            value.delivered();
        }
        former.left();
        Ok(former)
    }

    /// Changes what is under a key as `decide` says, which is shown a copy and the entry's version: leave
    /// it, put something else there, or remove it. It is asked again if another change came in between.
    pub(crate) fn decide<R>(
        &self,
        key: &K,
        mut decide: impl FnMut(Option<V>, u64) -> Result<(Next, R), DictError>,
    ) -> Result<(Option<V>, R), DictError> {
        let key = self.key(key)?;
        let mut turn = self.turn(&key);
        loop {
            let locked = self.lock(&key, self.patience())?;
            let seen = locked.find(key.hash, &key.bytes)?.found;
            let seen = seen.map(|(_, entry)| entry);
            let found = match &seen {
                Some(entry) => Found::stays(&locked, entry)?,
                None => Found::Nothing,
            };
            drop(locked);
            let version = seen.map(|entry| entry.version);
            let (new, result) = match decide(found.decode()?, version.unwrap_or(0))? {
                (Next::Leave, result) => return Ok((None, result)),
                (Next::Remove, result) => (None, result),
                (Next::Put(value), result) => (Some(value), result),
            };
            let mut locked = self.lock_to_change(&key, &turn)?;
            let spot = locked.find(key.hash, &key.bytes)?;
            let now = spot.found.map(|(_, entry)| entry.version);
            if now == version {
                let former = Self::change(&mut locked, &key, spot, new)?;
                drop(locked);
                return Ok((former.decode()?, result));
            }
            drop(locked);
            turn.lost();
        }
    }

    /// Takes the locks of the stripes that have these hashes, always in the same order, so that nobody
    /// waits in a circle. What is returned has a place for each stripe.
    fn lock_many(
        &self,
        hashes: impl Iterator<Item = u64>,
    ) -> Result<Vec<Option<Locked<'_>>>, DictError> {
        let mut is_wanted = vec![false; self.core.stripes()];
        hashes.for_each(|hash| is_wanted[self.core.stripe_of(hash)] = true);
        let wanted = is_wanted.into_iter().enumerate();
        let lock = |number| self.core.lock(number, self.patience());
        let locks = wanted.map(|(number, is_wanted)| is_wanted.then(|| lock(number)).transpose());
        locks.collect()
    }

    /// Does the same with each of several keys, in one step.
    fn each<T, R>(
        &self,
        keys: Vec<(Key, T)>,
        mut work: impl FnMut(&mut Locked<'_>, &Key, T) -> Result<R, DictError>,
    ) -> Result<Vec<R>, DictError> {
        let mut stripes = self.lock_many(keys.iter().map(|(key, _)| key.hash))?;
        let mut done = Vec::with_capacity(keys.len());
        for (key, with) in keys {
            if let Some(locked) = &mut stripes[self.core.stripe_of(key.hash)] {
                done.push(work(locked, &key, with)?);
            }
        }
        Ok(done)
    }

    fn keys(&self, keys: impl IntoIterator<Item = K>) -> Result<Vec<(Key, ())>, DictError> {
        let keys = keys.into_iter().map(|key| Ok((self.key(&key)?, ())));
        keys.collect()
    }

    /// Puts several values, in one step.
    pub(crate) fn extend(&self, items: impl IntoIterator<Item = (K, V)>) -> Result<(), DictError> {
        let encode = |(key, value): (K, V)| Ok((self.key(&key)?, self.value(&value)?));
        let items = items.into_iter().map(encode);
        let items = items.collect::<Result<_, DictError>>()?;
        self.each(items, |locked, key, value| {
            let spot = locked.find(key.hash, &key.bytes)?;
            Self::change(locked, key, spot, Some(value)).map(drop)
        })
        .map(drop)
    }

    /// Copies several values, in one step.
    pub(crate) fn get_many(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Vec<Option<V>>, DictError> {
        let found = self.each(self.keys(keys)?, |locked, key, ()| {
            match locked.find(key.hash, &key.bytes)?.found {
                Some((_, entry)) => Found::<V>::stays(locked, &entry),
                None => Ok(Found::Nothing),
            }
        })?;
        found.into_iter().map(Found::decode).collect()
    }

    /// Takes several keys out, in one step.
    pub(crate) fn remove_many(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Vec<Option<V>>, DictError> {
        let found = self.each(self.keys(keys)?, |locked, key, ()| {
            let spot = locked.find(key.hash, &key.bytes)?;
            Self::change(locked, key, spot, None)
        })?;
        found.into_iter().map(Found::decode).collect()
    }

    /// Takes each of these keys out if it is there, and puts it in if it is not, in one step.
    pub(crate) fn toggle(&self, items: Vec<(K, V)>) -> Result<(), DictError> {
        let encode = |(key, value): (K, V)| Ok((self.key(&key)?, self.value(&value)?));
        let items = items.into_iter().map(encode);
        let items = items.collect::<Result<_, DictError>>()?;
        self.each(items, |locked, key, value| {
            let spot = locked.find(key.hash, &key.bytes)?;
            let new = spot.found.is_none().then_some(value);
            Self::change(locked, key, spot, new).map(drop)
        })
        .map(drop)
    }

    /// Takes out all keys but those that have one of these encodings, in one step.
    pub(crate) fn keep_only(&self, keys: &HashSet<Vec<u8>>) -> Result<(), DictError> {
        let mut all = self.core.lock_all(self.patience())?;
        for locked in &mut all {
            let mut others = Vec::new();
            locked.area().each(|_, _, entry| {
                let mut bytes = Buffer::new();
                entry.read_key(&locked.area().memory, &mut bytes)?;
                if !keys.contains(&**bytes) {
                    others.push(bytes);
                }
                Ok(())
            })?;
            for bytes in others {
                let hash = self.core.hash(&bytes);
                let spot = locked.find(hash, &bytes)?;
                drop(Self::change(locked, &Key { bytes, hash }, spot, None)?);
            }
        }
        Ok(())
    }

    /// Takes out all keys for which `keep` says no.
    pub(crate) fn retain(&self, mut keep: impl FnMut(&K, &V) -> bool) -> Result<(), DictError> {
        for item in Snapshot::of(self, true)?.items::<K>() {
            let item = item?;
            if keep(&item.key, &item.value) {
                continue;
            }
            self.decide(&item.key, |now, version| {
                let was_asked = version == item.version;
                let goes = now.is_some_and(|now| was_asked || !keep(&item.key, &now));
                Ok((if goes { Next::Remove } else { Next::Leave }, ()))
            })?;
        }
        Ok(())
    }

    /// Takes the key out that was inserted last.
    pub(crate) fn pop(&self) -> Result<Option<(K, V)>, DictError> {
        let mut all = self.core.lock_all(self.patience())?;
        let mut last: Option<(u64, usize, usize, Entry)> = None;
        for (number, locked) in all.iter().enumerate() {
            locked.area().each(|slot, _, entry| {
                if last.is_none_or(|(order, ..)| entry.order >= order) {
                    last = Some((entry.order, number, slot, entry));
                }
                Ok(())
            })?;
        }
        let Some((_, number, slot, entry)) = last else {
            return Ok(None);
        };
        let locked = &mut all[number];
        let mut key = Vec::new();
        entry.read_key(&locked.area().memory, &mut key)?;
        let found = Found::leaves(locked, &entry)?;
        locked.remove(slot, entry)?;
        found.left();
        drop(all);
        match found.decode()? {
            Some(value) => Ok(Some((codec::read_key(&key)?, value))),
            None => Ok(None),
        }
    }

    /// Takes everything out, in one step.
    pub(crate) fn clear(&self) -> Result<(), DictError> {
        let mut all = self.core.lock_all(self.patience())?;
        for locked in &mut all {
            let mut found = Vec::new();
            locked.area().each(|_, _, entry| {
                if entry.form.inside() == Form::HANDLES {
                    found.push(Found::<V>::leaves(locked, &entry)?);
                }
                Ok(())
            })?;
            locked.clear()?;
            found.iter().for_each(Found::left);
        }
        Ok(())
    }

    /// Waits until a key is there.
    pub(crate) fn wait_for(&self, key: &K, deadline: Deadline) -> Result<Option<V>, DictError> {
        let key = self.key(key)?;
        loop {
            let locked = match self.lock(&key, Patience::Until(deadline)) {
                Err(DictError::Held { .. }) => return Ok(None),
                locked => locked?,
            };
            if let Some((_, entry)) = locked.find(key.hash, &key.bytes)?.found {
                let found = Found::stays(&locked, &entry)?;
                drop(locked);
                return found.decode();
            }
            let event = &locked.stripe.event;
            let expected = event.expect();
            drop(locked);
            if deadline.passed() || !event.sleep(expected, deadline).map_err(DictError::Sleep)? {
                return Ok(None);
            }
        }
    }
}

/// What becomes of what is under a key.
pub(crate) enum Next {
    Leave,
    Remove,
    Put(Value),
}
