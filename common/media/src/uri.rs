//! Destinations and paths as text: what is accepted, and words for what is not.

use crate::destination::Destination;
use crate::{MediaError, Medium, Op, RetryPolicy, Retrying, kind, split_secrets};
use std::sync::Arc;
use strandline_types::{Address, ErrorClass};

/// Opens a destination as a user types it (docs/oceanbase.md, 1.2): `file:///abs/path`, `s3://bucket/path?host=…`,
/// `oss://…`, `azblob://…`, or `mem://name` for one that lives in this process. Keys may stand in it.
///
/// Nothing is touched on the medium; the first use finds out whether it is there.
///
/// # Errors
/// `Invalid` says what is wrong with the text.
pub fn open(uri: &str) -> Result<Arc<dyn Medium>, MediaError> {
    let (uri, access) = split_secrets(uri);
    open_with(&uri, &access)
}

/// Opens a destination whose keys are kept apart from it: `access` is what [`split_secrets`] split off, or empty when
/// keys come from the destination's `access_key_file` or from the environment.
///
/// # Errors
/// `Invalid` says what is wrong with the text; it never repeats `access`.
pub fn open_with(uri: &str, access: &str) -> Result<Arc<dyn Medium>, MediaError> {
    let dest = Destination::parse(uri)?;
    (kind::of(dest.scheme).open)(&dest, access)
}

/// Opens a destination for somebody who asks once and wants an answer: a command, a statement. What may pass by itself
/// is tried again before it is an answer, and the answer says so.
///
/// # Errors
/// As [`open_with`].
pub fn open_patiently(uri: &str, access: &str) -> Result<Arc<dyn Medium>, MediaError> {
    let medium = if access.is_empty() { open(uri)? } else { open_with(uri, access)? };
    Ok(Arc::new(Retrying::new(medium, RetryPolicy::default()).for_good()))
}

/// Opens a destination with the keys that belong to it, as [`open_patiently`] does.
///
/// # Errors
/// As [`open_with`].
pub fn open_at(address: &Address) -> Result<Arc<dyn Medium>, MediaError> {
    open_patiently(&address.uri.to_string(), address.access.reveal())
}

/// The refusal of an append where log files are made of parts.
pub(crate) fn no_append(uri: &str, path: &str) -> MediaError {
    MediaError::new(ErrorClass::Invalid, Op::Append, uri, path, "this medium cannot append: log files are parts here")
}

/// Checks a path relative to a destination; empty is allowed for directories only.
///
/// # Errors
/// `Invalid` with the reason.
pub fn check_path(op: Op, uri: &str, path: &str) -> Result<(), MediaError> {
    let invalid = |reason: &str| Err(MediaError::new(ErrorClass::Invalid, op, uri, path, reason));
    if path.is_empty() {
        return if op == Op::List { Ok(()) } else { invalid("an object needs a name") };
    }
    for name in path.split('/') {
        if name.is_empty() || name == "." || name == ".." {
            return invalid("a path has no empty, '.' and '..' parts");
        }
        if name.contains(|c: char| c.is_control()) {
            return invalid("a path has no control characters");
        }
    }
    // `name#1` is how the file system's object store calls a half-written object; a listing hides it.
    let name = path.rsplit('/').next().unwrap_or(path);
    match name.split_once('#') {
        Some((_, digits)) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            invalid("names that end in '#' and digits are reserved for half-written objects")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_destination_is_refused_with_words() {
        for (uri, word) in [
            ("", "file://"),
            ("/backup", "file://"),
            ("file://backup", "absolute"),
            ("file:///", "root"),
            ("file:///a/../b", "'..'"),
            ("mem://", "name"),
            ("mem://a/b", "name"),
        ] {
            let e = open(uri).map(|m| m.uri()).unwrap_err();
            assert_eq!(e.class, ErrorClass::Invalid, "{uri}");
            assert!(e.reason.contains(word), "{uri}: {}", e.reason);
        }
        assert_eq!(open("file:///a//b/").unwrap().uri(), "file:///a/b", "one destination has one name");
    }

    #[test]
    fn a_path_cannot_leave_its_destination() {
        for bad in ["", "/a", "a/", "a//b", "a/../b", ".", "a/x#1", "a\nb"] {
            assert_eq!(check_path(Op::Put, "u", bad).unwrap_err().class, ErrorClass::Invalid, "{bad:?}");
        }
        assert!(check_path(Op::Put, "u", "piece_d1r1p1/logstream_1/log/1.obarc/@APD_PART@0-1.obarc").is_ok());
        assert!(check_path(Op::List, "u", "").is_ok());
    }
}
