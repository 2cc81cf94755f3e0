//! Dicts in shared memory; Python has only those of its manager.

use crate::timed::timed;
use anyhow::Result;
use procession_dict::Dict;
use std::hint::black_box;

type Item = [u64; 8];

const ITEM: Item = [7; 8];
const KEYS: u64 = 1000;
const STEPS: u32 = 1_000_000;

fn dict() -> Result<Dict<u64, Item>> {
    let dict = Dict::new()?;
    dict.extend((0..KEYS).map(|key| (key, ITEM)))?;
    Ok(dict)
}

fn steps(step: impl Fn(u64) -> Result<()>) -> Result<f64> {
    let mut keys = (0..KEYS).cycle().take(STEPS as usize);
    timed(STEPS, || keys.try_for_each(step))
}

pub(crate) fn dict_get() -> Result<f64> {
    let dict = dict()?;
    steps(|key| {
        black_box(dict.get(key)?);
        Ok(())
    })
}

pub(crate) fn dict_set() -> Result<f64> {
    let dict = dict()?;
    steps(|key| {
        black_box(dict.insert(key, ITEM)?);
        Ok(())
    })
}
