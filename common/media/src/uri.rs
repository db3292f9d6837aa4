//! Destinations and paths as text: what is accepted, and words for what is not.

use crate::{FileMedium, MediaError, Medium, MemoryMedium, Op};
use std::sync::Arc;
use strandline_types::ErrorClass;

/// Opens a destination: `file:///abs/path`, or `mem://name` for one that lives in this process.
///
/// Nothing is touched on the medium; the first use finds out whether it is there.
///
/// # Errors
/// `Invalid` says what is wrong with the text.
pub fn open(uri: &str) -> Result<Arc<dyn Medium>, MediaError> {
    let invalid = |reason: &str| Err(MediaError::new(ErrorClass::Invalid, Op::Open, uri, "", reason));
    if let Some(path) = uri.strip_prefix("file://") {
        let names: Vec<&str> = path.split('/').filter(|n| !n.is_empty()).collect();
        if !path.starts_with('/') {
            return invalid("a file destination is file:// and an absolute path, for example file:///backup/archive");
        }
        if names.is_empty() {
            return invalid("the root of the file system cannot be a destination");
        }
        if names.iter().any(|n| *n == "." || *n == "..") || path.contains(|c: char| c.is_control()) {
            return invalid("a file destination has no '.', '..' and control characters in its path");
        }
        return Ok(Arc::new(FileMedium::new(&format!("/{}", names.join("/")))));
    }
    if let Some(name) = uri.strip_prefix("mem://") {
        if name.is_empty() || name.contains('/') {
            return invalid("a memory destination is mem:// and a name without '/'");
        }
        return Ok(MemoryMedium::named(name));
    }
    match uri.split_once("://") {
        Some((scheme, _)) => {
            invalid(&format!("destinations of the kind {scheme}:// are not supported yet: use file://"))
        }
        None => invalid("not a destination: use file:// and an absolute path, for example file:///backup/archive"),
    }
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
            ("s3://bucket/x", "not supported yet: use file://"),
            ("oss://bucket/x?host=h", "not supported yet: use file://"),
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
