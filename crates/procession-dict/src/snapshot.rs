//! All keys and values of one moment.

use crate::DictError;
use crate::codec::{self, Raw};
use crate::entry::Form;
use crate::former::Found;
use crate::locked::Locked;
use crate::store::Store;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ops::Range;

/// Copies that were made while all stripes were locked, in the order in which the keys were inserted.
pub(crate) struct Snapshot<V> {
    bytes: Vec<u8>,
    items: Vec<Copy<V>>,
}

struct Copy<V> {
    order: u64,
    version: u64,
    key: Range<usize>,
    value: Copied<V>,
}

enum Copied<V> {
    /// It was not asked for.
    Nothing,
    Bytes(Range<usize>, Form),
    Decoded(Result<V, DictError>),
}

impl<V: Serialize + DeserializeOwned> Snapshot<V> {
    /// Copies all keys, and their values if that is asked for.
    pub(crate) fn of<K>(store: &Store<K, V>, with_values: bool) -> Result<Self, DictError> {
        let mut copy = Self {
            bytes: Vec::new(),
            items: Vec::new(),
        };
        let all = store.core.lock_all(store.patience())?;
        for locked in &all {
            copy.add(locked, with_values)?;
        }
        drop(all);
        copy.items.sort_by_key(|item| item.order);
        Ok(copy)
    }

    fn add(&mut self, locked: &Locked<'_>, with_values: bool) -> Result<(), DictError> {
        locked.area().each(|_, _, entry| {
            let start = self.bytes.len();
            entry.read_key(&locked.area().memory, &mut self.bytes)?;
            let key = start..self.bytes.len();
            let found = if with_values {
                Found::stays(locked, &entry)?
            } else {
                Found::Nothing
            };
            let value = match found {
                Found::Nothing => Copied::Nothing,
                Found::Raw(raw) => self.copy(raw)?,
                Found::Handles(value, _) => Copied::Decoded(value),
            };
            self.items.push(Copy {
                order: entry.order,
                version: entry.version,
                key,
                value,
            });
            Ok(())
        })
    }

    fn copy(&mut self, mut raw: Raw) -> Result<Copied<V>, DictError> {
        // Now, lest there are as many descriptors open as there are large values.
        raw.fetch()?;
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&raw.bytes);
        Ok(Copied::Bytes(start..self.bytes.len(), raw.form.inside()))
    }

    /// Returns the bytes of each key.
    pub(crate) fn key_bytes(&self) -> impl Iterator<Item = &[u8]> {
        self.items.iter().map(|item| &self.bytes[item.key.clone()])
    }

    /// Takes out the bytes of all keys, and where in them each one is.
    pub(crate) fn into_keys(self) -> (Vec<u8>, Vec<Range<usize>>) {
        let keys = self.items.into_iter().map(|item| item.key);
        (self.bytes, keys.collect())
    }

    /// Decodes all keys with their values.
    pub(crate) fn items<K: DeserializeOwned>(
        self,
    ) -> impl Iterator<Item = Result<Item<K, V>, DictError>> {
        let Self { bytes, items } = self;
        items.into_iter().filter_map(move |item| {
            let value = match item.value {
                Copied::Nothing => return None,
                Copied::Bytes(range, form) => codec::decode(&bytes[range], form),
                Copied::Decoded(value) => value,
            };
            Some(value.and_then(|value| {
                Ok(Item {
                    key: codec::read_key(&bytes[item.key])?,
                    value,
                    version: item.version,
                })
            }))
        })
    }
}

/// A key and its value, decoded.
pub(crate) struct Item<K, V> {
    pub(crate) key: K,
    pub(crate) value: V,
    pub(crate) version: u64,
}
