//! What segments are for.

/// What a segment is for.
///
/// # Examples
///
/// ```
/// use procession_shm::SegmentKind;
///
/// const COUNTER: SegmentKind = SegmentKind::new(0x4000_0001, "counter");
/// assert_ne!(COUNTER, SegmentKind::VALUE);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentKind {
    pub(crate) number: u32,
    pub(crate) name: &'static str,
}

/// The part of a kind's number that says whether its segments can be read side by side.
pub(crate) const SIDE_BY_SIDE: u32 = 1 << 31;

impl SegmentKind {
    /// Makes a kind of the number that goes into the header, and of the word for error messages.
    ///
    /// The numbers below 256 are the library's.
    ///
    /// # Panics
    ///
    /// If the number is 2³¹ or more.
    pub const fn new(number: u32, name: &'static str) -> Self {
        assert!(number < SIDE_BY_SIDE, "the number of a kind is below 2³¹");
        Self { number, name }
    }

    /// Makes a kind of segments that can be [read](crate::Segment::read) side by side. Each takes
    /// three pages more.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    pub const fn read_side_by_side(number: u32, name: &'static str) -> Self {
        let number = Self::new(number, name).number | SIDE_BY_SIDE;
        Self { number, name }
    }
}

/// Makes the constants of the library's own kinds, and checks that they differ.
macro_rules! kinds {
    ($($(#[$about:meta])* $name:ident = $make:ident($number:literal, $word:literal),)*) => {
        impl SegmentKind {
            $($(#[$about])* pub const $name: Self = Self::$make($number, $word);)*
        }

        /// Returns the word for the kind with this number.
        pub(crate) fn name_of(number: u32) -> String {
            const KINDS: &[SegmentKind] = &[$(SegmentKind::$name),*];
            let known = KINDS.iter().find(|kind| kind.number == number);
            known.map_or_else(|| format!("kind {number:#x}"), |kind| kind.name.to_owned())
        }

        const _: () = assert!(differ(&[$($number),*]), "two kinds have one number");
    };
}

kinds! {
    /// One value.
    VALUE = new(1, "value"),
    /// A fixed number of values.
    ARRAY = read_side_by_side(2, "array"),
    /// One value without a lock.
    RAW_VALUE = new(3, "raw value"),
    /// A fixed number of values without a lock.
    RAW_ARRAY = new(4, "raw array"),
    /// Atomics.
    SHARED = new(5, "shared atomic"),
    /// The memory of a connection.
    RINGS = new(6, "pair of rings"),
    /// A lock.
    LOCK = new(16, "lock"),
    /// A lock that its holder can take again.
    RLOCK = new(17, "rlock"),
    /// A semaphore.
    SEMAPHORE = new(18, "semaphore"),
    /// A condition.
    CONDITION = new(20, "condition"),
    /// An event.
    EVENT = new(21, "event"),
    /// A barrier.
    BARRIER = new(22, "barrier"),
    /// A lock for many readers or one writer.
    RWLOCK = read_side_by_side(23, "read-write lock"),
    /// The first part of a queue.
    QUEUE = new(32, "queue of such items"),
    /// A further part of a queue, or a large item.
    QUEUE_PART = new(33, "part of a queue"),
    /// The first part of a dict.
    DICT = new(34, "dict of such keys and values"),
    /// A further part of a dict or of a set, or a large value.
    DICT_PART = new(35, "part of a dict"),
    /// The first part of a set.
    SET = new(36, "set of such values"),
}

const fn differ(numbers: &[u32]) -> bool {
    let mut at = 0;
    while at < numbers.len() {
        let mut other = at + 1;
        while other < numbers.len() {
            if numbers[at] == numbers[other] {
                return false;
            }
            other += 1;
        }
        at += 1;
    }
    true
}
