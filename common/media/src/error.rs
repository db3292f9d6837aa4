//! Errors of a medium: what was tried, where, and what it means.

use std::error::Error;
use std::fmt;
use std::io;
use strandline_types::{ErrorClass, Failure, masked};

/// The original's name of an object that is locked against deletion.
pub(crate) const LOCKED_BY_WORM: &str = "OB_OBJECT_STORAGE_OBJECT_LOCKED_BY_WORM";

/// What was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// Open a destination.
    Open,
    /// Write a whole object.
    Put,
    /// Read an object or a part of it.
    Get,
    /// Ask for a length.
    Head,
    /// List.
    List,
    /// Remove.
    Delete,
    /// Append at an offset.
    Append,
    /// Stream a big object.
    Write,
    /// Copy an object.
    Copy,
    /// Remove something half-written.
    Abort,
}

impl Op {
    /// As in metrics and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Put => "put",
            Self::Get => "get",
            Self::Head => "head",
            Self::List => "list",
            Self::Delete => "delete",
            Self::Append => "append",
            Self::Write => "write",
            Self::Copy => "copy",
            Self::Abort => "abort",
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One failed call on a medium.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{op} '{path}' on {uri}: {reason}")]
pub struct MediaError {
    /// What it means.
    pub class: ErrorClass,
    /// What was tried.
    pub op: Op,
    /// The destination.
    pub uri: String,
    /// The object, relative to the destination; may be empty.
    pub path: String,
    /// The answer of the medium.
    pub reason: String,
    /// The original's error number, 0 = none.
    pub code: i32,
    /// The medium asked to be left alone for so long.
    pub retry_after_ms: Option<u64>,
    /// What to do, where the class does not say it well enough.
    pub todo: Option<&'static str>,
}

impl MediaError {
    /// An error of a known class. Values of secret names are hidden in its texts.
    pub fn new(class: ErrorClass, op: Op, uri: &str, path: &str, reason: impl Into<String>) -> Self {
        let reason: String = reason.into();
        Self {
            class,
            op,
            uri: masked(uri).into_owned(),
            path: path.to_owned(),
            reason: masked(&reason).into_owned(),
            code: 0,
            retry_after_ms: None,
            todo: None,
        }
    }

    /// The same error under one of the original's numbers.
    #[must_use]
    pub fn with_code(mut self, code: i32) -> Self {
        self.code = code;
        self
    }

    /// The same error of a medium that asked to be left alone for a while.
    #[must_use]
    pub const fn with_retry_after_ms(mut self, pause: Option<u64>) -> Self {
        self.retry_after_ms = pause;
        self
    }

    /// The same error with its own advice, if there is one.
    #[must_use]
    pub const fn with_todo(mut self, todo: Option<&'static str>) -> Self {
        self.todo = todo;
        self
    }

    /// True when the object is simply not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.class == ErrorClass::NotFound
    }

    /// True when the store keeps the object until its retention ends.
    pub(crate) fn is_locked(&self) -> bool {
        self.class == ErrorClass::Permission && self.reason.contains(LOCKED_BY_WORM)
    }

    /// From an I/O error of the file system.
    pub(crate) fn from_io(op: Op, uri: &str, path: &str, error: &io::Error) -> Self {
        Self::new(class_of_io(error), op, uri, path, error.to_string())
    }

    /// From an error of the object store underneath; an I/O error in its chain decides the class.
    pub(crate) fn from_store(op: Op, uri: &str, path: &str, error: &object_store::Error) -> Self {
        use object_store::Error as E;
        let class = match error {
            E::NotFound { .. } => ErrorClass::NotFound,
            E::PermissionDenied { .. } | E::Unauthenticated { .. } => ErrorClass::Permission,
            E::InvalidPath { .. } | E::NotSupported { .. } | E::NotImplemented { .. } => ErrorClass::Invalid,
            E::AlreadyExists { .. } | E::Precondition { .. } => ErrorClass::Fenced,
            other => io_cause(other).map_or(ErrorClass::Transient, class_of_io),
        };
        let reason = io_cause(error).map_or_else(|| error.to_string(), ToString::to_string);
        Self::new(class, op, uri, path, reason)
    }
}

impl From<MediaError> for Failure {
    fn from(e: MediaError) -> Self {
        let todo = match e.class {
            ErrorClass::Transient => "it is tried again; look at the medium if it lasts",
            ErrorClass::Fenced => "another writer put other bytes there and nothing was overwritten: find that writer",
            ErrorClass::NotFound => "check the path and that the destination is mounted",
            ErrorClass::Permission if e.uri.starts_with("file://") => {
                "give the server's user the right to read and write there"
            }
            ErrorClass::Permission => "give keys that are valid and may read, write and delete there",
            ErrorClass::Corrupt => "the object is damaged: restore it from a copy or use another backup",
            ErrorClass::Invalid => "correct the destination or the path",
            ErrorClass::Exhausted => {
                "free space on the medium or raise its quota: an archive then goes on by itself, a backup has to be started again"
            }
        };
        let object = object_name(&e.uri, &e.path);
        Self::new(e.class, format!("cannot {}: {}", e.op, e.reason), object, e.todo.unwrap_or(todo)).with_code(e.code)
    }
}

/// A destination and a path below it as one name; what follows a `?` stays at the end.
fn object_name(uri: &str, path: &str) -> String {
    if path.is_empty() {
        return uri.to_owned();
    }
    let (root, attributes) = uri.split_once('?').map_or((uri, String::new()), |(r, a)| (r, format!("?{a}")));
    format!("{}/{path}{attributes}", root.trim_end_matches('/'))
}

fn io_cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    let mut at: Option<&'a (dyn Error + 'static)> = Some(error);
    while let Some(e) = at {
        if let Some(io) = e.downcast_ref::<io::Error>() {
            return Some(io);
        }
        at = e.source();
    }
    None
}

fn class_of_io(error: &io::Error) -> ErrorClass {
    use io::ErrorKind as K;
    match error.kind() {
        K::NotFound => ErrorClass::NotFound,
        K::PermissionDenied | K::ReadOnlyFilesystem => ErrorClass::Permission,
        K::StorageFull | K::QuotaExceeded | K::FileTooLarge => ErrorClass::Exhausted,
        K::InvalidFilename | K::NotADirectory | K::IsADirectory | K::InvalidInput => ErrorClass::Invalid,
        // A link in a circle; the kind of this error has no stable name.
        _ if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => ErrorClass::Invalid,
        // I/O errors, stale handles, time-outs, interrupted calls: a network file system comes back.
        _ => ErrorClass::Transient,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_exhausted_and_a_read_only_one_is_permission() {
        for (number, class) in [
            (28, ErrorClass::Exhausted),
            (122, ErrorClass::Exhausted),
            (13, ErrorClass::Permission),
            (30, ErrorClass::Permission),
            (2, ErrorClass::NotFound),
            (20, ErrorClass::Invalid),
            (40, ErrorClass::Invalid),
            (5, ErrorClass::Transient),
            (116, ErrorClass::Transient),
        ] {
            assert_eq!(class_of_io(&io::Error::from_raw_os_error(number)), class, "errno {number}");
        }
    }

    #[test]
    fn a_failure_names_the_destination_the_object_and_what_to_do() {
        let e = MediaError::new(ErrorClass::Exhausted, Op::Append, "file:///b", "x/1.obarc", "No space left on device");
        let f = Failure::from(e);
        assert_eq!(f.object, "file:///b/x/1.obarc");
        assert!(f.to_string().contains("free space"), "{f}");
        let root = MediaError::new(ErrorClass::Invalid, Op::Open, "file:///", "", "the root");
        assert_eq!(Failure::from(root).object, "file:///", "a destination is named as it was typed");
        let bucket = MediaError::new(ErrorClass::Transient, Op::Get, "s3://b/p?host=h", "x/1.obarc", "slow down");
        assert_eq!(Failure::from(bucket).object, "s3://b/p/x/1.obarc?host=h");
    }
}
