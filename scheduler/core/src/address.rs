//! Destinations as statements name them. The text itself is taken apart by [`DestUri`]; here stands only what statements
//! do not allow.

use crate::refuse;
use strandline_types::{DestUri, Failure, split_destinations};

/// The destination that a statement names.
///
/// # Errors
/// `Invalid` when it is none, and when it has white space or a comma with `scheme://` behind it: `LOG_ARCHIVE_DEST` ends a
/// destination there, `RESTORE … FROM` begins the next one, so such a one could be set in one statement and not be named in
/// another.
pub fn named(text: &str) -> Result<DestUri, Failure> {
    let text = text.trim();
    if text.contains(char::is_whitespace) {
        return Err(refuse::blank_in_dest(text));
    }
    if split_destinations(text).len() > 1 {
        return Err(refuse::several_dests(text));
    }
    DestUri::parse(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_statement_names_a_destination_without_blanks() {
        assert_eq!(named(" file:///a/b/ ").unwrap().to_string(), "file:///a/b");
        assert!(named("file:///a b").unwrap_err().what.contains("white space"));
        assert_eq!(named("file:///a,b").unwrap().to_string(), "file:///a,b", "a comma alone is part of the name");
        assert!(named("file:///a,file:///b").unwrap_err().what.contains("several destinations"));
        assert!(named("cos://b/x").is_err(), "what no driver takes is refused here too");
    }
}
