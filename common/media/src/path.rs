//! Paths below a destination as text: what is accepted, and words for what is not.

use crate::{MediaError, Op};
use strandline_types::ErrorClass;

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
    fn a_path_cannot_leave_its_destination() {
        for bad in ["", "/a", "a/", "a//b", "a/../b", ".", "a/x#1", "a\nb"] {
            assert_eq!(check_path(Op::Put, "u", bad).unwrap_err().class, ErrorClass::Invalid, "{bad:?}");
        }
        assert!(check_path(Op::Put, "u", "piece_d1r1p1/logstream_1/log/1.obarc/@APD_PART@0-1.obarc").is_ok());
        assert!(check_path(Op::List, "u", "").is_ok());
    }
}
