//! Opens destinations. Nothing is touched on a medium here: its first use finds out whether it is there.

use crate::destination::Destination;
use crate::limited::Limited;
use crate::traffic::Traffic;
use crate::{FileMedium, MediaError, Medium, MemoryMedium, Op, RetryPolicy, Retrying, remote, split_secrets};
use std::sync::Arc;
use strandline_types::{Address, ErrorClass, Scheme};

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
    match dest.scheme {
        Scheme::File => directory(&dest),
        Scheme::Memory => memory(&dest),
        Scheme::S3 | Scheme::Oss => remote::open(&dest, access, remote::S3),
        Scheme::Azure => remote::open(&dest, access, remote::AZURE),
    }
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

fn directory(dest: &Destination) -> Result<Arc<dyn Medium>, MediaError> {
    Ok(Arc::new(Limited::new(FileMedium::new(&dest.path), Traffic::of(dest))))
}

fn memory(dest: &Destination) -> Result<Arc<dyn Medium>, MediaError> {
    let medium = MemoryMedium::named(&dest.bucket);
    match dest.attribute("log_form") {
        None | Some("plain") => Ok(medium),
        Some("parts") => Ok(Arc::new(medium.in_parts())),
        Some(_) => Err(MediaError::new(ErrorClass::Invalid, Op::Open, &dest.name(), "", "log_form: plain or parts")),
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
}
