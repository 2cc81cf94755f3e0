//! What is replied to a challenge, and whether a reply is right.

use super::{AuthenticationError, Digest};

/// The lengths that tell a challenge and a reply of Python 3.11 or earlier.
const OLD_CHALLENGE_LEN: usize = 20;
const OLD_REPLY_LEN: usize = 16;

/// Returns the reply to a challenge, without its `#CHALLENGE#`.
///
/// # Errors
///
/// [`ShortChallenge`](AuthenticationError::ShortChallenge) for less than 20 bytes;
/// [`UnsupportedDigest`](AuthenticationError::UnsupportedDigest) for more without the name of a
/// [`Digest`] before them.
///
/// # Examples
///
/// ```
/// use procession_pipe::auth::{respond, verify};
///
/// let old = b"is-twenty-bytes-long";
/// assert_eq!(respond(b"key", old)?.len(), 16);
///
/// let new = b"{sha384}followed-by-random-bytes";
/// let reply = respond(b"key", new)?;
/// assert!(reply.starts_with(b"{sha384}"));
/// verify(b"key", new, &reply)?;
/// # Ok::<(), procession_pipe::auth::AuthenticationError>(())
/// ```
pub fn respond(key: &[u8], challenge: &[u8]) -> Result<Vec<u8>, AuthenticationError> {
    match challenge.len() {
        OLD_CHALLENGE_LEN => return Ok(Digest::Md5.hmac(key, challenge)),
        len if len < OLD_CHALLENGE_LEN => return Err(AuthenticationError::ShortChallenge(len)),
        _ => {}
    }
    let (digest, _) = Digest::split(challenge).ok_or(AuthenticationError::UnsupportedDigest)?;
    let mut reply = format!("{{{digest}}}").into_bytes();
    reply.extend(digest.hmac(key, challenge));
    Ok(reply)
}

/// Checks a reply to a challenge, which is without its `#CHALLENGE#`.
///
/// # Errors
///
/// [`UnsupportedDigest`](AuthenticationError::UnsupportedDigest),
/// [`WrongLength`](AuthenticationError::WrongLength) or
/// [`WrongKey`](AuthenticationError::WrongKey).
///
/// # Examples
///
/// ```
/// use procession_pipe::auth::{AuthenticationError, Digest, verify};
///
/// let challenge = b"{sha256}followed-by-random-bytes";
/// let old = Digest::Md5.hmac(b"key", challenge);
/// assert!(verify(b"key", challenge, &old).is_ok());
///
/// let wrong = Digest::Md5.hmac(b"another key", challenge);
/// let refused = verify(b"key", challenge, &wrong);
/// assert!(matches!(refused, Err(AuthenticationError::WrongKey)));
/// ```
pub fn verify(key: &[u8], challenge: &[u8], reply: &[u8]) -> Result<(), AuthenticationError> {
    let (digest, tag) = split(reply)?;
    if digest.is_hmac(key, challenge, tag) {
        return Ok(());
    }
    let len = tag.len();
    if len == digest.output_len() {
        Err(AuthenticationError::WrongKey)
    } else {
        Err(AuthenticationError::WrongLength { digest, len })
    }
}

fn split(reply: &[u8]) -> Result<(Digest, &[u8]), AuthenticationError> {
    match reply.len() {
        OLD_REPLY_LEN | OLD_CHALLENGE_LEN => Ok((Digest::Md5, reply)),
        _ => Digest::split(reply).ok_or(AuthenticationError::UnsupportedDigest),
    }
}
