//! A list in a named block, in the layout of CPython's.

mod error;
mod item;
mod layout;

use crate::block::words;
use crate::{BlockError, OutOfBlock, SharedMemory, ShmError};
use item::{LONGEST_SLOT, SLOT};
use layout::{Form, Layout};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

pub use error::ListError;
pub use item::ListItem;

/// A list of fixed length in a [named block](SharedMemory), which Python programs read and write
/// as `multiprocessing.shared_memory.ShareableList`.
///
/// An item is `None`, a bool, an integer, a float, text or bytes, and can be replaced by one of
/// another type. Text and bytes have a slot that is as long as the first item in it asked for, in
/// steps of eight bytes; an item that is longer is refused later, and so is what ends in NUL,
/// which this layout loses.
///
/// There is no lock in the layout. A number, a bool or `None` is read whole. Who reads text while
/// somebody else writes it may get parts of both, and who reads an item while somebody else
/// changes its type may get one read as the other's type, or [`ListError::Damaged`]. Where that
/// can happen, use a lock beside the list.
///
/// A clone is another handle. What is decoded from a message is attached by the block's name.
/// Who removes the block, and when: see [`SharedMemory`].
///
/// CPython 3.8 has another layout, which is refused. CPython (3.13 still) counts characters for
/// the length of slots, not bytes: what is not ASCII may be cut when a list is *made* there. Here
/// the bytes count.
///
/// # When the other side is gone
///
/// Nothing waits. A process that is killed while it writes an item leaves that item half written.
///
/// # Examples
///
/// ```
/// use procession_shm::{ListItem, ShareableList};
///
/// let list = ShareableList::new(["howdy".into(), 273.154.into(), ListItem::from(42)])?;
/// list.set(0, "hello")?;
/// list.set(1, true)?;
/// assert_eq!(list.to_vec()?, ["hello".into(), true.into(), ListItem::from(42)]);
/// assert_eq!(list.format()?, "8sxxxxxxx?q");
/// # Ok::<(), procession_shm::ListError>(())
/// ```
#[derive(Clone)]
pub struct ShareableList {
    block: SharedMemory,
    layout: Arc<Layout>,
}

impl ShareableList {
    /// Makes a list under a name that nothing has yet.
    ///
    /// # Errors
    ///
    /// [`ListError::EndsInNul`], [`ListError::TooLong`] (about ten million bytes) and
    /// [`ListError::IntTooLarge`] for items that the layout cannot keep, and [`ListError::Block`] if
    /// there is no room.
    ///
    /// # Examples
    ///
    /// ```
    /// let list = procession_shm::ShareableList::new([1, 2, 3])?;
    /// assert_eq!(list.len(), 3);
    /// # Ok::<(), procession_shm::ListError>(())
    /// ```
    pub fn new<I>(items: impl IntoIterator<Item = I>) -> Result<Self, ListError>
    where
        I: TryInto<ListItem>,
        ListError: From<I::Error>,
    {
        Self::make(None, converted(items)?)
    }

    /// Makes a list under a name.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and those of [`SharedMemory::create`].
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::ShareableList;
    ///
    /// let name = format!("settings-{}", std::process::id());
    /// let list = ShareableList::with_name(&name, ["a", "b"])?;
    /// assert_eq!(list.block().name(), name);
    /// # Ok::<(), procession_shm::ListError>(())
    /// ```
    pub fn with_name<I>(name: &str, items: impl IntoIterator<Item = I>) -> Result<Self, ListError>
    where
        I: TryInto<ListItem>,
        ListError: From<I::Error>,
    {
        Self::make(Some(name), converted(items)?)
    }

    /// Opens the list of that name, whoever made it.
    ///
    /// # Errors
    ///
    /// Those of [`SharedMemory::attach`], and [`ListError::Damaged`] if the block is no list.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::{ListItem, ShareableList};
    ///
    /// let list = ShareableList::new([1, 2, 3])?;
    /// let same = ShareableList::attach(list.block().name())?;
    /// same.set(1, 20)?;
    /// assert_eq!(list.get(1)?, ListItem::Int(20));
    /// # Ok::<(), procession_shm::ListError>(())
    /// ```
    pub fn attach(name: &str) -> Result<Self, ListError> {
        Self::on(SharedMemory::attach(name)?)
    }

    /// Returns the block that the list is in: its name, and who removes it.
    ///
    /// # Examples
    ///
    /// ```
    /// let list = procession_shm::ShareableList::new([1, 2])?;
    /// assert!(list.block().is_owner());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn block(&self) -> &SharedMemory {
        &self.block
    }

    /// Returns the number of items.
    ///
    /// # Examples
    ///
    /// ```
    /// let list = procession_shm::ShareableList::new([1, 2])?;
    /// assert_eq!((list.len(), list.is_empty()), (2, false));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn len(&self) -> usize {
        self.layout.len()
    }

    /// Returns whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns item `index`.
    ///
    /// # Errors
    ///
    /// [`ListError::OutOfBounds`], and [`ListError::NotText`] or [`ListError::Damaged`] for what
    /// is no item.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::{ListItem, ShareableList};
    ///
    /// let list = ShareableList::new(["a"])?;
    /// assert_eq!(list.get(0)?, ListItem::from("a"));
    /// assert!(list.get(1).is_err());
    /// # Ok::<(), procession_shm::ListError>(())
    /// ```
    pub fn get(&self, index: usize) -> Result<ListItem, ListError> {
        let form = self.form(index)?;
        let slot = self.layout.slot(index).start;
        match form {
            Form::None => Ok(ListItem::None),
            Form::Bool => Ok(ListItem::Bool(self.eight_bytes(slot)?[SLOT - 1] != 0)),
            Form::Int => Ok(ListItem::Int(i64::from_ne_bytes(self.eight_bytes(slot)?))),
            Form::Float => Ok(ListItem::Float(f64::from_ne_bytes(self.eight_bytes(slot)?))),
            Form::Str(len) => String::from_utf8(self.text(slot, len)?)
                .map(ListItem::Str)
                .map_err(|_| ListError::NotText),
            Form::Bytes(len) => Ok(ListItem::Bytes(self.text(slot, len)?)),
        }
    }

    /// Replaces item `index`.
    ///
    /// # Errors
    ///
    /// [`ListError::OutOfBounds`], [`ListError::TooLong`] if it does not fit into the slot,
    /// [`ListError::IntTooLarge`] and [`ListError::EndsInNul`]; the item stays as it was then.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::{ListError, ShareableList};
    ///
    /// let list = ShareableList::new(["seven b"])?;
    /// list.set(0, "eight by")?;
    /// let refused = list.set(0, "nine byte");
    /// assert!(matches!(refused, Err(ListError::TooLong { len: 9, room: 8 })));
    /// # Ok::<(), procession_shm::ListError>(())
    /// ```
    pub fn set<I>(&self, index: usize, item: I) -> Result<(), ListError>
    where
        I: TryInto<ListItem>,
        ListError: From<I::Error>,
    {
        self.check(index)?;
        let item = item.try_into()?;
        item.check()?;
        let len = item.text().map_or(SLOT, <[u8]>::len);
        let room = room(&self.layout, index);
        if len > room {
            return Err(ListError::TooLong { len, room });
        }
        let put = |at, bytes: &[u8]| self.block.write_at(at, bytes);
        encode(&self.layout, index, &item, put).map_err(|_| CHANGED)
    }

    /// Returns all items.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get), for the first item that is none.
    ///
    /// # Examples
    ///
    /// ```
    /// let list = procession_shm::ShareableList::new([1, 2])?;
    /// assert_eq!(list.to_vec()?, [1.into(), 2.into()]);
    /// # Ok::<(), procession_shm::ListError>(())
    /// ```
    pub fn to_vec(&self) -> Result<Vec<ListItem>, ListError> {
        self.iter().collect()
    }

    /// Returns an iterator that reads each item when its turn comes.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_shm::{ListItem, ShareableList};
    ///
    /// let list = ShareableList::new([1.5, 2.5])?;
    /// for item in list.iter() {
    ///     assert!(matches!(item?, ListItem::Float(_)));
    /// }
    /// # Ok::<(), procession_shm::ListError>(())
    /// ```
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Result<ListItem, ListError>> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// Returns how many items are equal to this one, as Python compares: `1`, `1.0` and `True`
    /// are equal.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get), and [`ListError::IntTooLarge`].
    ///
    /// # Examples
    ///
    /// ```
    /// let list = procession_shm::ShareableList::new(["a", "b", "a"])?;
    /// assert_eq!(list.count("a")?, 2);
    /// # Ok::<(), procession_shm::ListError>(())
    /// ```
    pub fn count<I>(&self, item: I) -> Result<usize, ListError>
    where
        I: TryInto<ListItem>,
        ListError: From<I::Error>,
    {
        let item = item.try_into()?;
        self.iter().try_fold(0, |count, found| {
            Ok(count + usize::from(item.equals(&found?)))
        })
    }

    /// Returns the index of the first item that is equal to this one, compared as by
    /// [`count`](Self::count).
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get), for the items before it, and [`ListError::IntTooLarge`].
    ///
    /// # Examples
    ///
    /// ```
    /// let list = procession_shm::ShareableList::new(["a", "b", "a"])?;
    /// assert_eq!(list.index("b")?, Some(1));
    /// assert_eq!(list.index("c")?, None);
    /// # Ok::<(), procession_shm::ListError>(())
    /// ```
    pub fn index<I>(&self, item: I) -> Result<Option<usize>, ListError>
    where
        I: TryInto<ListItem>,
        ListError: From<I::Error>,
    {
        let item = item.try_into()?;
        for (index, found) in self.iter().enumerate() {
            if item.equals(&found?) {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    /// Returns the formats of all items, as of Python's `struct`.
    ///
    /// # Errors
    ///
    /// [`ListError::Damaged`].
    ///
    /// # Examples
    ///
    /// ```
    /// let list = procession_shm::ShareableList::new([1, 2])?;
    /// assert_eq!(list.format()?, "qq");
    /// # Ok::<(), procession_shm::ListError>(())
    /// ```
    pub fn format(&self) -> Result<String, ListError> {
        (0..self.len())
            .map(|index| Ok(self.form(index)?.format()))
            .collect()
    }

    fn make(name: Option<&str>, items: Vec<ListItem>) -> Result<Self, ListError> {
        items.iter().try_for_each(ListItem::check)?;
        let layout = Layout::of(&items);
        let Some(size) = layout.total() else {
            return Err(BlockError::from(ShmError::out_of_memory(usize::MAX)).into());
        };
        let fill = |words: &[AtomicU64]| write_new(words, &layout, &items);
        let block = SharedMemory::create_filled(name, size, fill)?;
        Ok(Self {
            block,
            layout: Arc::new(layout),
        })
    }

    fn on(block: SharedMemory) -> Result<Self, ListError> {
        let layout = Arc::new(Layout::read(&block)?);
        Ok(Self { block, layout })
    }

    fn check(&self, index: usize) -> Result<(), ListError> {
        let len = self.len();
        if index < len {
            return Ok(());
        }
        Err(ListError::OutOfBounds { index, len })
    }

    fn form(&self, index: usize) -> Result<Form, ListError> {
        self.check(index)?;
        let format = self.eight_bytes(self.layout.format(index))?;
        let mut transform = [0];
        self.read(self.layout.transform(index), &mut transform)?;
        let slot = self.layout.slot(index).len();
        Form::parse(format, transform[0], slot).ok_or(ListError::Damaged("an item has no type"))
    }

    fn text(&self, at: usize, len: usize) -> Result<Vec<u8>, ListError> {
        let mut bytes = vec![0; len];
        self.read(at, &mut bytes)?;
        let end = bytes.iter().rposition(|&byte| byte != 0);
        bytes.truncate(end.map_or(0, |last| last + 1));
        Ok(bytes)
    }

    fn eight_bytes(&self, at: usize) -> Result<[u8; SLOT], ListError> {
        let mut bytes = [0; SLOT];
        self.read(at, &mut bytes)?;
        Ok(bytes)
    }

    fn read(&self, at: usize, into: &mut [u8]) -> Result<(), ListError> {
        self.block.read_at(at, into).map_err(|_| CHANGED)
    }
}

/// Cannot be: what is in the layout was checked against a size that does not change.
const CHANGED: ListError = ListError::Damaged("it has become shorter");

fn converted<I>(items: impl IntoIterator<Item = I>) -> Result<Vec<ListItem>, ListError>
where
    I: TryInto<ListItem>,
    ListError: From<I::Error>,
{
    let items = items.into_iter().map(TryInto::try_into);
    Ok(items.collect::<Result<_, I::Error>>()?)
}

/// Writes a list into a block that nobody else has yet.
fn write_new(words: &[AtomicU64], layout: &Layout, items: &[ListItem]) {
    let put = |at: usize, bytes: &[u8]| -> Result<(), OutOfBlock> {
        words::write(words, at, bytes);
        Ok(())
    };
    let numbers = [items.len()].into_iter().chain(layout.places());
    for (index, number) in numbers.enumerate() {
        words::write(words, SLOT * index, &(number as i64).to_ne_bytes());
    }
    for (index, item) in items.iter().enumerate() {
        let _ = encode(layout, index, item, put);
    }
}

/// Writes an item that fits into its slot, in Python's order: format, transformation, content.
fn encode(
    layout: &Layout,
    index: usize,
    item: &ListItem,
    put: impl Fn(usize, &[u8]) -> Result<(), OutOfBlock>,
) -> Result<(), OutOfBlock> {
    let room = room(layout, index);
    let form = Form::of(item, room);
    let mut format = form.format().into_bytes();
    format.resize(SLOT, 0);
    put(layout.format(index), &format)?;
    put(layout.transform(index), &[form.transform()])?;
    put(layout.slot(index).start, &content(item, room))
}

/// How much of a slot can be used.
fn room(layout: &Layout, index: usize) -> usize {
    layout.slot(index).len().min(LONGEST_SLOT)
}

/// What an item is in its slot: eight bytes, or as many as there is room for.
fn content(item: &ListItem, room: usize) -> Vec<u8> {
    let mut bytes = match *item {
        ListItem::Int(value) => value.to_ne_bytes().to_vec(),
        ListItem::Float(value) => value.to_ne_bytes().to_vec(),
        ListItem::Bool(value) => u64::from(value).to_be_bytes().to_vec(),
        ListItem::None => vec![0; SLOT],
        ListItem::Str(ref text) => text.as_bytes().to_vec(),
        ListItem::Bytes(ref bytes) => bytes.clone(),
    };
    if item.text().is_some() {
        bytes.resize(room, 0);
    }
    bytes
}

impl fmt::Debug for ShareableList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShareableList")
            .field("name", &self.block.name())
            .field("items", &self.to_vec())
            .finish_non_exhaustive()
    }
}

/// Encodes the name; only into a message to another process.
impl Serialize for ShareableList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.block.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ShareableList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let block = SharedMemory::deserialize(deserializer)?;
        Self::on(block).map_err(serde::de::Error::custom)
    }
}
