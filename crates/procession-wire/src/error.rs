//! What can go wrong between a value and its bytes.

/// A value could not be turned into a message.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The value's `Serialize` implementation, or a handle inside it, reported an error.
    #[error("the value cannot be encoded: {0}")]
    Value(String),
}

procession_os::debug_in_words!(EncodeError { Value });

/// Received bytes are not the message that was expected.
#[derive(PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end before the message does.
    #[error("the message is cut short")]
    Truncated,
    /// The kind byte is one that this receiver has no use for.
    #[error("the message is of an unexpected kind ({0:#04x})")]
    UnexpectedKind(u8),
    /// The value that follows was encoded from another type than the one asked for.
    #[error("the message holds another type than {expected}")]
    WrongType {
        /// The name of the type that was asked for.
        expected: &'static str,
    },
    /// The bytes are not an encoding of the type.
    #[error("the value cannot be decoded: {0}")]
    Value(String),
    /// The value is a whole one, but a handle inside it cannot be opened for want of file
    /// descriptors or of memory.
    #[error("the value cannot be decoded at this moment: {0}")]
    Shortage(String),
    /// Bytes are left over after the last value.
    #[error("{0} bytes are left over after the message")]
    LeftOver(usize),
    /// The number of file descriptors that arrived is not the number that was announced.
    #[error("the message announces {announced} file descriptors and {arrived} arrived")]
    Descriptors {
        /// How many the message says it carries.
        announced: usize,
        /// How many came with it.
        arrived: usize,
    },
}

procession_os::debug_in_words!(DecodeError {
    Truncated,
    UnexpectedKind,
    WrongType,
    Value,
    Shortage,
    LeftOver,
    Descriptors
});
