//! Pools of two workers, and tasks that do next to nothing.

use crate::timed::timed;
use anyhow::Result;
use procession_pool::{AsyncResult, Pool};
use std::hint::black_box;

const ITEMS: u32 = 1_000_000;
const SMALL: u32 = 50_000;
const POOLS: u32 = 10;
const LARGE: usize = 64 << 20;
const LARGES: u32 = 3;

fn next(n: u64) -> u64 {
    n + 1
}

/// Makes a pool whose workers have begun.
fn pool() -> Result<Pool> {
    let pool = Pool::new(2)?;
    pool.map_chunked(next, 0..100, 1)?;
    Ok(pool)
}

pub(crate) fn pool_map() -> Result<f64> {
    let pool = pool()?;
    timed(ITEMS, || {
        black_box(pool.map(next, 0..u64::from(ITEMS))?);
        Ok(())
    })
}

pub(crate) fn pool_map_singly() -> Result<f64> {
    let pool = pool()?;
    timed(SMALL, || {
        black_box(pool.map_chunked(next, 0..u64::from(SMALL), 1)?);
        Ok(())
    })
}

pub(crate) fn pool_imap_unordered() -> Result<f64> {
    let pool = pool()?;
    timed(SMALL, || {
        let results = pool.imap_unordered(next, 0..u64::from(SMALL))?;
        black_box(results.collect::<Result<Vec<_>, _>>()?);
        Ok(())
    })
}

pub(crate) fn pool_apply() -> Result<f64> {
    let pool = pool()?;
    timed(SMALL, || {
        for n in 0..u64::from(SMALL) {
            black_box(pool.apply(next, (n,))?);
        }
        Ok(())
    })
}

pub(crate) fn pool_submit() -> Result<f64> {
    let pool = pool()?;
    timed(SMALL, || {
        let calls = (0..u64::from(SMALL)).map(|n| pool.apply_async(next, (n,)));
        let calls = calls.collect::<Result<Vec<_>, _>>()?;
        let results = calls.into_iter().map(AsyncResult::get);
        black_box(results.collect::<Result<Vec<_>, _>>()?);
        Ok(())
    })
}

pub(crate) fn pool_made() -> Result<f64> {
    // The first one starts the fork server.
    drop(pool()?);
    timed(POOLS, || {
        for _ in 0..POOLS {
            drop(Pool::new(4)?);
        }
        Ok(())
    })
}

pub(crate) fn pool_argument() -> Result<f64> {
    let pool = pool()?;
    let len = |bytes: Vec<u8>| bytes.len();
    let mut arguments = vec![vec![7_u8; LARGE]; LARGES as usize];
    timed(LARGES, || {
        for bytes in arguments.drain(..) {
            black_box(pool.apply(len, (bytes,))?);
        }
        Ok(())
    })
}

pub(crate) fn pool_result() -> Result<f64> {
    let pool = pool()?;
    timed(LARGES, || {
        for _ in 0..LARGES {
            black_box(pool.apply(|| vec![7_u8; 64 << 20], ())?);
        }
        Ok(())
    })
}
