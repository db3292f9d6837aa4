//! Why a record cannot be read or written.

use strandline_types::{ErrorClass, Failure};
use thiserror::Error;

/// Why a record cannot be read or written. Each says of which kind the record is.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoredError {
    /// A newer program wrote it.
    #[error("{kind} of version {found} cannot be read: this program knows versions up to {known}")]
    TooNew {
        /// Kind of record.
        kind: &'static str,
        /// Its version.
        found: u8,
        /// The newest version that is known here.
        known: u8,
    },
    /// It is older than every version that can still be brought up to date.
    #[error("{kind} was written by a program that is too old: this one reads versions from {oldest}")]
    TooOld {
        /// Kind of record.
        kind: &'static str,
        /// The oldest version that is known here.
        oldest: u8,
    },
    /// Its bytes are no such record.
    #[error("{kind} cannot be read: {why}")]
    Malformed {
        /// Kind of record.
        kind: &'static str,
        /// What is wrong.
        why: String,
    },
    /// It cannot be written, which is a defect of the program.
    #[error("{kind} cannot be written: {why}")]
    Unwritable {
        /// Kind of record.
        kind: &'static str,
        /// What is wrong.
        why: String,
    },
}

impl StoredError {
    /// The same for users: `object` is the file or log that holds the record.
    #[must_use]
    pub fn into_failure(self, object: impl Into<String>) -> Failure {
        let (class, todo) = match &self {
            Self::TooNew { .. } => (ErrorClass::Invalid, "upgrade this node to the version of the others"),
            Self::TooOld { .. } => (ErrorClass::Invalid, "start the version before this one once, then this one"),
            Self::Malformed { .. } => (ErrorClass::Corrupt, "restore the file, or let the node join anew"),
            Self::Unwritable { .. } => (ErrorClass::Invalid, "report this defect"),
        };
        Failure::new(class, self.to_string(), object, todo)
    }
}
