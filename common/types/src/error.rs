//! Errors by meaning. A caller decides by [`ErrorClass`]; a user reads a [`Failure`].

use crate::masked;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// The original's number for log that is not there (docs/oceanbase.md, 4.13).
pub const CODE_NOT_ENOUGH_LOG: i32 = -4018;

/// What an error means for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ErrorClass {
    /// May go away by itself: retry with backoff.
    Transient,
    /// Somebody newer owns the thing: stop, do not retry.
    Fenced,
    /// The named thing is not there.
    NotFound,
    /// Not allowed to.
    Permission,
    /// Bytes are not what they must be: never retried, never overwritten.
    Corrupt,
    /// The request itself is wrong.
    Invalid,
    /// A bound is reached: disk, memory, queue.
    Exhausted,
}

impl ErrorClass {
    /// True when trying again later can help without anybody doing anything.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Transient)
    }

    /// Number on the wire; never changes.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::Transient => 1,
            Self::Fenced => 2,
            Self::NotFound => 3,
            Self::Permission => 4,
            Self::Corrupt => 5,
            Self::Invalid => 6,
            Self::Exhausted => 7,
        }
    }

    /// From the number on the wire; an unknown number is `Transient`, so that a newer server never makes an older
    /// client give up for good.
    #[must_use]
    pub const fn from_number(n: u32) -> Self {
        match n {
            2 => Self::Fenced,
            3 => Self::NotFound,
            4 => Self::Permission,
            5 => Self::Corrupt,
            6 => Self::Invalid,
            7 => Self::Exhausted,
            _ => Self::Transient,
        }
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The original's OB_TIMEOUT. On the answer to a statement or a write it says: it may have been done, so it is not repeated
/// unasked.
pub const CODE_OUTCOME_UNKNOWN: i32 = -4012;

/// An error as a user reads it: what happened, to which object, and what to do. It crosses every wire unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{what} [{object}]{}{todo}", if todo.is_empty() { "" } else { ": " })]
pub struct Failure {
    /// What it means.
    pub class: ErrorClass,
    /// The original's error number where it has one (docs/oceanbase.md, 4.13), else 0.
    pub code: i32,
    /// What happened.
    pub what: String,
    /// The thing it happened to: a path, a tenant, a statement.
    pub object: String,
    /// What to do about it; may be empty.
    pub todo: String,
}

impl Failure {
    /// A failure without an original error number. Values of secret names are hidden in all its texts: a failure goes
    /// into answers, views and logs.
    pub fn new(class: ErrorClass, what: impl Into<String>, object: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { class, code: 0, what: hidden(what.into()), object: hidden(object.into()), todo: hidden(todo.into()) }
    }

    /// The same failure under one of the original's error numbers.
    #[must_use]
    pub fn with_code(mut self, code: i32) -> Self {
        self.code = code;
        self
    }
}

fn hidden(text: String) -> String {
    let shown = match masked(&text) {
        Cow::Borrowed(_) => None,
        Cow::Owned(shown) => Some(shown),
    };
    shown.unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_shows_no_key_wherever_it_stands() {
        let key = "s3://b/x?access_key=TOPSECRET";
        let f = Failure::new(ErrorClass::Invalid, key, key, key);
        assert!(!format!("{f} {f:?}").contains("TOPSECRET"), "{f}");
    }

    #[test]
    fn a_class_survives_the_wire() {
        use ErrorClass::*;
        for c in [Transient, Fenced, NotFound, Permission, Corrupt, Invalid, Exhausted] {
            assert_eq!(ErrorClass::from_number(c.number()), c);
        }
        assert_eq!(ErrorClass::from_number(99), Transient);
    }

    #[test]
    fn a_failure_reads_what_where_and_what_to_do() {
        let f = Failure::new(ErrorClass::Invalid, "no such tenant", "tenant t9", "see CDB_OB_TENANTS");
        assert_eq!(f.to_string(), "no such tenant [tenant t9]: see CDB_OB_TENANTS");
    }
}
