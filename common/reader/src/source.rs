//! What a user names: whole destinations, and single sets or pieces as sub-folders of one.

use std::sync::Arc;
use strandline_format::paths::SetName;
use strandline_format::paths::archive::parse_piece_dir;
use strandline_media::Medium;
use strandline_types::{Failure, PieceKey};

/// One set or piece of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Only {
    /// This set.
    Set(SetName),
    /// This piece.
    Piece(PieceKey),
}

/// A destination, or parts of it.
#[derive(Clone, Debug)]
pub struct Source {
    /// The destination.
    pub medium: Arc<dyn Medium>,
    /// What of it counts; empty = everything.
    pub only: Vec<Only>,
}

impl Source {
    /// A whole destination.
    #[must_use]
    pub const fn whole(medium: Arc<dyn Medium>) -> Self {
        Self { medium, only: Vec::new() }
    }

    /// True when this set counts.
    #[must_use]
    pub fn has_set(&self, set: SetName) -> bool {
        self.only.is_empty() || self.only.contains(&Only::Set(set))
    }

    /// True when this piece counts.
    #[must_use]
    pub fn has_piece(&self, piece: PieceKey) -> bool {
        self.only.is_empty() || self.only.contains(&Only::Piece(piece))
    }
}

/// Splits `…/backup_set_1_full` and `…/piece_d1r1p1` into the destination and what of it is meant.
#[must_use]
pub fn split_uri(uri: &str) -> (String, Option<Only>) {
    let (place, attributes) = uri.split_once('?').map_or((uri, None), |(place, rest)| (place, Some(rest)));
    let place = place.trim_end_matches('/');
    let Some((root, last)) = place.rsplit_once('/') else { return (uri.to_owned(), None) };
    let only = SetName::parse(last).map(Only::Set).or_else(|| parse_piece_dir(last).map(Only::Piece));
    match only {
        Some(only) => (attributes.map_or_else(|| root.to_owned(), |a| format!("{root}?{a}")), Some(only)),
        None => (uri.to_owned(), None),
    }
}

/// Opens what a user named; sub-folders of one destination become one source. Each `access` belongs to the URI beside
/// it and may be empty.
///
/// # Errors
/// `Invalid` for a URI that is none.
pub fn open_sources<'a>(uris: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Vec<Source>, Failure> {
    let mut found: Vec<(String, Source)> = Vec::new();
    for (uri, access) in uris {
        let (root, only) = split_uri(uri);
        let place = match found.iter().position(|(known, _)| *known == root) {
            Some(place) => place,
            None => {
                let medium = if access.is_empty() {
                    strandline_media::open(&root)?
                } else {
                    strandline_media::open_with(&root, access)?
                };
                let source = Source { medium, only: only.into_iter().collect() };
                found.push((root, source));
                continue;
            }
        };
        let known = &mut found[place].1.only;
        match only {
            // The whole destination was named besides: everything counts.
            None => known.clear(),
            Some(_) if known.is_empty() => {}
            Some(only) => known.push(only),
        }
    }
    Ok(found.into_iter().map(|(_, source)| source).collect())
}

/// An object as messages name it: below the place, before the attributes of the URI.
#[must_use]
pub fn object_name(uri: &str, path: &str) -> String {
    let place = uri.split_once('?').map_or(uri, |(place, _)| place);
    format!("{}/{path}", place.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sub_folder_names_its_destination_and_one_set_or_piece() {
        let (root, only) = split_uri("file:///b/data/backup_set_3_inc/");
        assert_eq!(root, "file:///b/data");
        assert!(matches!(only, Some(Only::Set(set)) if set.id.0 == 3));
        let (root, only) = split_uri("s3://bucket/a/piece_d1001r1p2?host=h");
        assert_eq!(root, "s3://bucket/a?host=h");
        assert!(matches!(only, Some(Only::Piece(key)) if key.piece_id.0 == 2));
        assert_eq!(split_uri("file:///b/data"), ("file:///b/data".to_owned(), None));
    }

    #[test]
    fn an_object_is_named_before_the_attributes() {
        assert_eq!(object_name("s3://b/p?host=h", "x/y"), "s3://b/p/x/y");
        assert_eq!(object_name("file:///b/", "x"), "file:///b/x");
    }
}
