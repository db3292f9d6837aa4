//! What a user names: whole destinations, and single sets or pieces as sub-folders of one.

use std::sync::Arc;
use strandline_format::paths::SetName;
use strandline_format::paths::archive::parse_piece_dir;
use strandline_media::Medium;
use strandline_types::{Address, DestUri, Failure, PieceKey};

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

/// A destination that was named, and how it is reached.
#[derive(Clone, Debug)]
pub struct NamedSource {
    /// As it was named, with its attributes and its keys.
    pub address: Address,
    /// What is read of it.
    pub source: Source,
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
pub fn split_uri(uri: &DestUri) -> (DestUri, Option<Only>) {
    let Some((root, last)) = uri.parent() else { return (uri.clone(), None) };
    let only = SetName::parse(last).map(Only::Set).or_else(|| parse_piece_dir(last).map(Only::Piece));
    if only.is_some() { (root, only) } else { (uri.clone(), None) }
}

/// Opens what a user named, each with its own attributes and keys; sub-folders of one destination become one source.
///
/// # Errors
/// `Invalid` for an address that no medium takes.
pub fn open_sources(addresses: &[Address]) -> Result<Vec<NamedSource>, Failure> {
    let mut named: Vec<(Address, Vec<Only>)> = Vec::new();
    for address in addresses {
        let (uri, only) = split_uri(&address.uri);
        let Some((known, parts)) = named.iter_mut().find(|(a, _)| a.uri.is_same_place(&uri)) else {
            named.push((Address { uri, access: address.access.clone() }, only.into_iter().collect()));
            continue;
        };
        // One destination is reached in one way: a source that names keys wins over one that names none.
        if known.access.is_empty() && !address.access.is_empty() {
            *known = Address { uri, access: address.access.clone() };
        }
        match only {
            // The whole destination was named besides: everything counts.
            None => parts.clear(),
            Some(_) if parts.is_empty() => {}
            Some(only) => parts.push(only),
        }
    }
    let open = |(address, only): (Address, Vec<Only>)| {
        let medium = strandline_media::open_at(&address)?;
        Ok(NamedSource { address, source: Source { medium, only } })
    };
    named.into_iter().map(open).collect()
}

/// An object as messages name it: below the place, before the attributes of the URI.
#[must_use]
pub fn object_name(uri: &str, path: &str) -> String {
    let place = uri.split_once('?').map_or(uri, |(place, _)| place);
    format!("{}/{path}", place.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn sub_folders_of_one_destination_are_one_source_with_the_keys_that_were_named() {
        let address = |text: &str| Address::parse(text).unwrap();
        let keys = "access_id=a&access_key=k";
        let named = [
            address("s3://b/a/piece_d1001r1p2?host=h"),
            address(&format!("s3://b/a/piece_d1001r1p3?host=h&s3_region=r&{keys}")),
            address("s3://b/other?host=h"),
        ];
        let opened = open_sources(&named).unwrap();
        let shown: Vec<(String, &str, usize)> =
            opened.iter().map(|s| (s.address.to_string(), s.address.access.reveal(), s.source.only.len())).collect();
        assert_eq!(
            shown,
            [("s3://b/a?host=h&s3_region=r".to_owned(), keys, 2), ("s3://b/other?host=h".to_owned(), "", 0)]
        );
    }

    #[test]
    fn a_sub_folder_names_its_destination_and_one_set_or_piece() {
        let split = |text: &str| split_uri(&DestUri::parse(text).unwrap());
        let (root, only) = split("file:///b/data/backup_set_3_inc/");
        assert_eq!(root.to_string(), "file:///b/data");
        assert!(matches!(only, Some(Only::Set(set)) if set.id.0 == 3));
        let (root, only) = split("s3://bucket/a/piece_d1001r1p2?host=h&s3_region=r");
        assert_eq!(root.to_string(), "s3://bucket/a?host=h&s3_region=r");
        assert!(matches!(only, Some(Only::Piece(key)) if key.piece_id.0 == 2));
        assert_eq!(split("file:///b/data").1, None);
    }

    #[test]
    fn an_object_is_named_before_the_attributes() {
        assert_eq!(object_name("s3://b/p?host=h", "x/y"), "s3://b/p/x/y");
        assert_eq!(object_name("file:///b/", "x"), "file:///b/x");
    }
}
