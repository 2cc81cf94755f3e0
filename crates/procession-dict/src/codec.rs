//! Keys and values as bytes.

use crate::DictError;
use crate::entry::{Form, MAX_CONTENT, MAX_KEY};
use crate::handles;
use crate::locked::Content;
use crate::memory::Memory;
use crate::name;
use procession_shm::Segment;
use procession_wire::buffer::Buffer;
use procession_wire::{DecodeError, Kind, Message, Packet, bare};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The most bytes of a value's encoding: 1 GiB for what the user puts in, and some for the rest.
const MAX_VALUE: usize = (1 << 30) + (1 << 10);

/// Appends a key's encoding, which is the same for equal keys.
#[inline]
pub(crate) fn key<K: Serialize + DeserializeOwned>(
    key: &K,
    to: &mut Vec<u8>,
) -> Result<(), DictError> {
    let start = to.len();
    if !bare::write(key, to)? {
        learn(key, to)?;
    }
    match to.len() - start {
        ..=MAX_KEY => Ok(()),
        len => Err(DictError::TooLarge {
            what: "key",
            len,
            max: MAX_KEY,
        }),
    }
}

/// Encodes a key of which there may be something that was not seen before.
#[cold]
fn learn<K: Serialize + DeserializeOwned>(key: &K, to: &mut Vec<u8>) -> Result<(), DictError> {
    // To encode it as a message is how it becomes known.
    let message = Message::encode_to_lie(Kind::VALUE, key)?;
    if message.has_handles() || !bare::write(key, to)? {
        return Err(DictError::Key(std::any::type_name::<K>()));
    }
    Ok(())
}

/// Decodes a key.
pub(crate) fn read_key<K: DeserializeOwned>(bytes: &[u8]) -> Result<K, DictError> {
    Ok(whole(bare::read(bytes)?)?)
}

#[inline]
fn whole<T>((value, rest): (T, &[u8])) -> Result<T, DecodeError> {
    match rest.len() {
        0 => Ok(value),
        left => Err(DecodeError::LeftOver(left)),
    }
}

/// An encoded value for a certain dict. Dropping it gives up what is held for it.
pub(crate) struct Value {
    bytes: Buffer,
    form: Form,
    /// The message, if there are handles in it.
    message: Option<Message>,
    /// The segment that it is in, if it is large.
    apart: Option<Segment>,
}

impl Value {
    /// Encodes a value for the dict whose own segment this is.
    #[inline]
    pub(crate) fn new<V: Serialize + DeserializeOwned>(
        value: &V,
        dict: &Segment,
    ) -> Result<Self, DictError> {
        let mut encoded = Self {
            bytes: Buffer::new(),
            form: Form::BARE,
            message: None,
            apart: None,
        };
        if !bare::write(value, &mut encoded.bytes)? {
            encoded.enclose(value, dict)?;
        }
        if encoded.bytes.len() > MAX_CONTENT {
            encoded.set_apart()?;
        }
        Ok(encoded)
    }

    /// Makes a message of a value that is not just some bytes.
    #[cold]
    fn enclose<V: Serialize + DeserializeOwned>(
        &mut self,
        value: &V,
        dict: &Segment,
    ) -> Result<(), DictError> {
        let message = Message::encode_to_lie(Kind::VALUE, value)?;
        if !message.fds().is_empty() {
            return Err(DictError::Descriptors);
        }
        self.form = Form::MESSAGE;
        self.bytes.extend_from_slice(message.bytes());
        if message.has_handles() {
            self.form = Form::HANDLES;
            handles::append(&message, dict, &mut self.bytes)?;
            self.message = Some(message);
        }
        Ok(())
    }

    /// Gives a large value a segment of its own.
    #[cold]
    fn set_apart(&mut self) -> Result<(), DictError> {
        let len = self.bytes.len();
        if len > MAX_VALUE {
            return Err(DictError::TooLarge {
                what: "value",
                len,
                max: MAX_VALUE,
            });
        }
        let segment = name::copy_of(&self.bytes)?;
        self.bytes.clear();
        self.bytes.extend_from_slice(&(len as u64).to_le_bytes());
        self.bytes.extend_from_slice(segment.name().as_bytes());
        self.form = self.form.apart();
        self.apart = Some(segment);
        Ok(())
    }

    #[inline]
    pub(crate) fn content(&self) -> Content<'_> {
        Content {
            bytes: &self.bytes,
            form: self.form,
            apart: self.apart.as_ref(),
        }
    }

    /// The value is in the dict, which goes on holding what is held for it.
    #[inline]
    pub(crate) fn delivered(self) {
        if let Some(message) = self.message {
            message.delivered();
        }
    }
}

/// A value that was copied out of a dict and is not decoded yet.
pub(crate) struct Raw {
    pub(crate) bytes: Buffer,
    pub(crate) form: Form,
    /// The segment that it is in, of which it has to be copied.
    pub(crate) apart: Option<(Segment, usize)>,
}

impl Raw {
    /// Decodes the value.
    #[inline]
    pub(crate) fn decode<V: DeserializeOwned>(mut self) -> Result<V, DictError> {
        if self.apart.is_some() {
            self.fetch()?;
        }
        decode(&self.bytes, self.form.inside())
    }

    /// Copies the bytes of a large value, which nobody changes any more.
    #[cold]
    pub(crate) fn fetch(&mut self) -> Result<(), DictError> {
        if let Some((segment, len)) = self.apart.take() {
            self.bytes.clear();
            let read = Memory::of(segment).read(0, len, &mut self.bytes);
            read.ok_or(DictError::Damaged("a value is longer than its segment"))?;
        }
        Ok(())
    }
}

/// Decodes the bytes of a value.
#[inline]
pub(crate) fn decode<V: DeserializeOwned>(bytes: &[u8], form: Form) -> Result<V, DictError> {
    match form {
        Form::BARE => decode_bare(bytes),
        form => decode_message(bytes, form),
    }
}

/// Decodes a value that is nothing but its encoding.
#[inline]
pub(crate) fn decode_bare<V: DeserializeOwned>(bytes: &[u8]) -> Result<V, DictError> {
    Ok(whole(bare::read(bytes)?)?)
}

#[cold]
fn decode_message<V: DeserializeOwned>(bytes: &[u8], form: Form) -> Result<V, DictError> {
    let message = match form {
        Form::MESSAGE => bytes,
        Form::HANDLES => handles::message(bytes)?,
        _ => return Err(DictError::Damaged("a value has no form")),
    };
    let packet = Packet::parse(message, Vec::new())?;
    Ok(packet.expect(Kind::VALUE)?.decode()?)
}
