//! The digests that both sides know.

use hmac::digest::KeyInit;
use hmac::{Mac, SimpleHmac};
use md5::Md5;
use sha2::{Sha256, Sha384};
use sha3::{Sha3_256, Sha3_384};
use std::fmt;

/// A digest that an HMAC of the handshake can be made with: those that Python allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Digest {
    /// MD5, all that Python 3.11 and earlier know.
    Md5,
    /// SHA-256, which is asked for.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA3-256.
    Sha3_256,
    /// SHA3-384.
    Sha3_384,
}

impl Digest {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Md5,
        Self::Sha256,
        Self::Sha384,
        Self::Sha3_256,
        Self::Sha3_384,
    ];

    /// Returns the name that stands for it in the handshake.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pipe::auth::Digest;
    ///
    /// assert_eq!(Digest::Sha3_256.name(), "sha3_256");
    /// ```
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha3_256 => "sha3_256",
            Self::Sha3_384 => "sha3_384",
        }
    }

    /// Returns the length of its HMAC in bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pipe::auth::Digest;
    ///
    /// assert_eq!(Digest::Sha384.output_len(), 48);
    /// ```
    pub const fn output_len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha256 | Self::Sha3_256 => 32,
            Self::Sha384 | Self::Sha3_384 => 48,
        }
    }

    /// Returns the HMAC of `text`.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pipe::auth::Digest;
    ///
    /// let tag = Digest::Md5.hmac(b"Jefe", b"what do ya want for nothing?");
    /// assert_eq!(tag[..4], [0x75, 0x0c, 0x78, 0x3e]);
    /// ```
    pub fn hmac(self, key: &[u8], text: &[u8]) -> Vec<u8> {
        match self {
            Self::Md5 => tag::<SimpleHmac<Md5>>(key, text),
            Self::Sha256 => tag::<SimpleHmac<Sha256>>(key, text),
            Self::Sha384 => tag::<SimpleHmac<Sha384>>(key, text),
            Self::Sha3_256 => tag::<SimpleHmac<Sha3_256>>(key, text),
            Self::Sha3_384 => tag::<SimpleHmac<Sha3_384>>(key, text),
        }
    }

    /// Returns whether `tag` is the HMAC of `text`, in a time that does not tell where they
    /// differ.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_pipe::auth::Digest;
    ///
    /// let tag = Digest::Sha256.hmac(b"key", b"text");
    /// assert!(Digest::Sha256.is_hmac(b"key", b"text", &tag));
    /// assert!(!Digest::Sha256.is_hmac(b"key", b"text", &tag[1..]));
    /// ```
    pub fn is_hmac(self, key: &[u8], text: &[u8], tag: &[u8]) -> bool {
        match self {
            Self::Md5 => is_tag::<SimpleHmac<Md5>>(key, text, tag),
            Self::Sha256 => is_tag::<SimpleHmac<Sha256>>(key, text, tag),
            Self::Sha384 => is_tag::<SimpleHmac<Sha384>>(key, text, tag),
            Self::Sha3_256 => is_tag::<SimpleHmac<Sha3_256>>(key, text, tag),
            Self::Sha3_384 => is_tag::<SimpleHmac<Sha3_384>>(key, text, tag),
        }
    }

    /// Splits `{name}` off a message of the new form; `None` if it does not begin so.
    pub(crate) fn split(message: &[u8]) -> Option<(Self, &[u8])> {
        let inside = message.strip_prefix(b"{")?;
        Self::ALL.into_iter().find_map(|digest| {
            let rest = inside.strip_prefix(digest.name().as_bytes())?;
            Some((digest, rest.strip_prefix(b"}")?))
        })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn tag<M: Mac + KeyInit>(key: &[u8], text: &[u8]) -> Vec<u8> {
    begun::<M>(key, text).finalize().into_bytes().to_vec()
}

fn is_tag<M: Mac + KeyInit>(key: &[u8], text: &[u8], tag: &[u8]) -> bool {
    begun::<M>(key, text).verify_slice(tag).is_ok()
}

fn begun<M: Mac + KeyInit>(key: &[u8], text: &[u8]) -> M {
    let mac = <M as KeyInit>::new_from_slice(key).expect("an HMAC takes a key of any length");
    mac.chain_update(text)
}
