//! What a log stream holds once its log is applied: the rows of its tablets and the version of its dictionary.
//!
//! The oracle and a restore come to it by the same entries on two ways: the one from the stream's own log, the other
//! from a backup set and the archive.

use crate::invariants::Broken;
use bytes::Bytes;
use std::collections::BTreeMap;
use strandline_format::entry::{EntryBody, decode};

/// Rows and dictionary of one log stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    dictionary: u64,
    rows: BTreeMap<(u64, Bytes), Bytes>,
}

impl Content {
    /// Applies the body of one entry.
    ///
    /// # Errors
    /// A body that cannot be decoded.
    pub fn apply(&mut self, body: &[u8]) -> Result<(), Broken> {
        let body = decode(Bytes::copy_from_slice(body)).map_err(|e| format!("an entry cannot be decoded: {e}"))?;
        match body {
            EntryBody::ClientBatch(batch) => {
                for write in batch.writes {
                    let place = (write.tablet_id, write.key);
                    if write.delete {
                        self.rows.remove(&place);
                    } else {
                        self.rows.insert(place, write.value);
                    }
                }
            }
            EntryBody::Dictionary(dictionary) => self.dictionary = dictionary.version,
            EntryBody::Tablets(list) => {
                self.rows.retain(|(tablet, _), _| *tablet >= list.next_tablet_id || list.tablet_ids.contains(tablet));
            }
            EntryBody::Blank | EntryBody::Membership(_) | EntryBody::KeepAlive | EntryBody::Replayed(_) => {}
        }
        Ok(())
    }

    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// The first thing that is not as in `other`, in words.
    #[must_use]
    pub fn differs_from(&self, other: &Self) -> Option<String> {
        if self.dictionary != other.dictionary {
            return Some(format!("dictionary version {} instead of {}", self.dictionary, other.dictionary));
        }
        let places = self.rows.keys().chain(other.rows.keys());
        let mut places = places.filter(|place| self.rows.get(*place) != other.rows.get(*place));
        places.next().map(|(tablet, key)| format!("tablet {tablet}, key {key:?} is another"))
    }
}
