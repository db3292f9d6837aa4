//! What can be wrong with bytes or names, by meaning: what it is, where it is, what was expected.

use strandline_types::{ErrorClass, Failure};

/// Bytes or names that are not what the format says. `what` is the part, `at` the byte offset of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Fewer bytes than the part needs.
    #[error("{what} at offset {at} needs {need} bytes, there are {have}")]
    Truncated {
        /// The part.
        what: &'static str,
        /// Its offset.
        at: u64,
        /// Bytes that it needs.
        need: u64,
        /// Bytes that are there.
        have: u64,
    },
    /// Bytes after the end of the part.
    #[error("{what}: {extra} bytes follow its end at offset {at}")]
    Trailing {
        /// The part.
        what: &'static str,
        /// Where it ends.
        at: u64,
        /// Bytes too many.
        extra: u64,
    },
    /// Another kind of bytes.
    #[error("{what} at offset {at}: magic {found:#x} is none of its own")]
    Magic {
        /// The part.
        what: &'static str,
        /// Its offset.
        at: u64,
        /// What stands there.
        found: u64,
    },
    /// A checksum does not match its bytes.
    #[error("{what} at offset {at}: checksum is {found:#x}, its bytes give {computed:#x}")]
    Checksum {
        /// The part.
        what: &'static str,
        /// Its offset.
        at: u64,
        /// The stored checksum.
        found: u64,
        /// What the bytes give.
        computed: u64,
    },
    /// A version that this program does not know.
    #[error("{what}: version {found} {}", if *found == 0 { "was never written" } else { "is not known here" })]
    Version {
        /// The part.
        what: &'static str,
        /// What stands there.
        found: u64,
    },
    /// A type number that this program does not know.
    #[error("{what} at offset {at}: type {found} is not known here")]
    UnknownType {
        /// The part.
        what: &'static str,
        /// Its offset.
        at: u64,
        /// What stands there.
        found: u64,
    },
    /// A known type in the wrong place.
    #[error("expected {expected}, found {found}")]
    WrongType {
        /// What was asked for.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// The payload cannot be decoded although its checksum holds.
    #[error("{what} at offset {at}: {detail}")]
    Payload {
        /// The part.
        what: &'static str,
        /// Its offset.
        at: u64,
        /// What the decoder says.
        detail: String,
    },
    /// Parts that are right each but do not fit together.
    #[error("{what} at offset {at}: {detail}")]
    Structure {
        /// The part.
        what: &'static str,
        /// Its offset.
        at: u64,
        /// What does not fit.
        detail: String,
    },
    /// A writer was given something that the format cannot hold.
    #[error("{what}: {detail}")]
    Unwritable {
        /// The part.
        what: &'static str,
        /// Why not.
        detail: String,
    },
    /// Sealed with a key, and another one was given.
    #[error("{what}: sealed with the key {}, the key given is {}", hex(found), hex(given))]
    WrongKey {
        /// The part.
        what: &'static str,
        /// Fingerprint of the key that sealed it.
        found: [u8; 8],
        /// Fingerprint of the key that was given.
        given: [u8; 8],
    },
    /// Sealed with a key that is not among those given.
    #[error("{what}: sealed with the key {}, which was not given", hex(found))]
    KeyMissing {
        /// The part.
        what: &'static str,
        /// Fingerprint of the key that sealed it.
        found: [u8; 8],
    },
    /// No file of either tree has this name.
    #[error("not a name of the archive or data backup layout")]
    UnknownName,
}

impl FormatError {
    /// What it means for the caller.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        match self {
            // Zeros are no version: a file that is short, or was never filled.
            Self::Version { found: 0, .. } => ErrorClass::Corrupt,
            Self::Version { .. } | Self::Unwritable { .. } | Self::UnknownName => ErrorClass::Invalid,
            Self::WrongKey { .. } | Self::KeyMissing { .. } => ErrorClass::Permission,
            _ => ErrorClass::Corrupt,
        }
    }

    /// As a user reads it; `object` is the path of the object.
    #[must_use]
    pub fn into_failure(self, object: impl Into<String>) -> Failure {
        let todo = match &self {
            Self::Version { found: 1.., .. } | Self::UnknownType { .. } => {
                "read it with the version of the program that wrote it"
            }
            Self::Unwritable { .. } => "",
            Self::WrongKey { .. } | Self::KeyMissing { .. } => "give the password or key that it was written with",
            Self::UnknownName => "name a file of an archive or data backup destination",
            _ => "the object is damaged: verify the destination and use another backup set or another copy",
        };
        Failure::new(self.class(), self.to_string(), object, todo)
    }

    /// The same error with its offset moved by `by`: for parts that were read out of a larger file.
    #[must_use]
    pub fn moved(mut self, by: u64) -> Self {
        match &mut self {
            Self::Truncated { at, .. }
            | Self::Trailing { at, .. }
            | Self::Magic { at, .. }
            | Self::Checksum { at, .. }
            | Self::UnknownType { at, .. }
            | Self::Payload { at, .. }
            | Self::Structure { at, .. } => *at += by,
            Self::Version { .. }
            | Self::WrongType { .. }
            | Self::Unwritable { .. }
            | Self::WrongKey { .. }
            | Self::KeyMissing { .. }
            | Self::UnknownName => {}
        }
        self
    }
}

fn hex(fingerprint: &[u8; 8]) -> String {
    crate::describe::hex::text(fingerprint)
}

/// The first `need` bytes of `bytes`, or [`FormatError::Truncated`].
pub(crate) fn need<'a>(bytes: &'a [u8], need: usize, what: &'static str) -> Result<&'a [u8], FormatError> {
    bytes.get(..need).ok_or(FormatError::Truncated { what, at: 0, need: need as u64, have: bytes.len() as u64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_object_and_the_offset() {
        let e = FormatError::Checksum { what: "block", at: 8, found: 1, computed: 2 }.moved(4096);
        let f = e.into_failure("backup_set_1_full/x.obbak");
        assert_eq!(f.class, ErrorClass::Corrupt);
        assert_eq!(f.object, "backup_set_1_full/x.obbak");
        assert!(f.what.contains("offset 4104"), "{}", f.what);
    }
}
