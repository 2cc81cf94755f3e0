//! The hash that keeps a value from being decoded as another type.

use std::cell::Cell;

/// How many hashes a thread remembers.
const KNOWN: usize = 64;

/// A name, by its address and length, and its hash. Names of types are never freed.
type Known = Cell<(usize, usize, u64)>;

thread_local! {
    static CACHE: [Known; KNOWN] = const { [const { Cell::new((0, 0, 0)) }; KNOWN] };
}

/// Returns the hash of the type's name that goes before each encoded value.
///
/// It is the 64-bit FNV-1a hash of [`std::any::type_name`]: equal in every process of one
/// executable, and in other builds as long as the type keeps its path.
///
/// # Examples
///
/// ```
/// use procession_wire::schema;
///
/// assert_eq!(schema::<Vec<u8>>(), schema::<Vec<u8>>());
/// assert_ne!(schema::<u64>(), schema::<(u8, u8)>());
/// ```
#[inline]
pub fn schema<T: ?Sized>() -> u64 {
    schema_of_type(std::any::type_name::<T>())
}

#[inline]
fn schema_of_type(name: &'static str) -> u64 {
    let (at, len) = (name.as_ptr().addr(), name.len());
    CACHE.with(|cache| {
        let slot = &cache[(at ^ len) % KNOWN];
        match slot.get() {
            (known, of_len, hash) if known == at && of_len == len => hash,
            _ => remember(slot, name),
        }
    })
}

#[cold]
fn remember(slot: &Known, name: &'static str) -> u64 {
    let hash = schema_of_name(name);
    slot.set((name.as_ptr().addr(), name.len(), hash));
    hash
}

/// Returns the 64-bit FNV-1a hash of `name`.
///
/// # Examples
///
/// ```
/// assert_eq!(procession_wire::schema_of_name(""), 0xcbf2_9ce4_8422_2325);
/// ```
pub const fn schema_of_name(name: &str) -> u64 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let bytes = name.as_bytes();
    let mut hash = OFFSET_BASIS;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(PRIME);
        at += 1;
    }
    hash
}
