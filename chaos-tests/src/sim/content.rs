//! What a log stream holds once its log is applied: the rows of its tablets and the version of its dictionary.
//!
//! The oracle and a restore come to it by the same entries on two ways: the one from the stream's own log, the other
//! from a backup set and the archive.

use crate::invariants::Broken;
use bytes::Bytes;
use std::collections::BTreeMap;
use strandline_format::entry::{EntryBody, decode, payload};
use strandline_format::pb;

/// Keys whose first byte, divided by this, is the same lie in one block.
const KEYS_PER_BLOCK: u8 = 4;

/// Rows and dictionary of one log stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    dictionary: u64,
    rows: BTreeMap<(u64, Bytes), Bytes>,
}

/// Neighbouring rows of one tablet.
#[derive(Clone, Debug)]
pub struct Rows {
    tablet: u64,
    rows: Vec<(Bytes, Bytes)>,
}

impl Rows {
    /// As the client batch that would write them.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let write = |(key, value): &(Bytes, Bytes)| pb::Write {
            tablet_id: self.tablet,
            key: key.clone(),
            value: value.clone(),
            delete: false,
        };
        payload(&pb::ClientBatch { writes: self.rows.iter().map(write).collect() })
    }
}

impl Content {
    /// No rows, and a dictionary.
    #[must_use]
    pub fn of_dictionary(dictionary: u64) -> Self {
        Self { dictionary, rows: BTreeMap::new() }
    }

    /// Version of the dictionary.
    #[must_use]
    pub const fn dictionary(&self) -> u64 {
        self.dictionary
    }

    /// The rows in blocks, with the tablet of each.
    #[must_use]
    pub fn blocks(&self) -> Vec<(u64, Rows)> {
        let mut blocks: BTreeMap<(u64, u8), Rows> = BTreeMap::new();
        for ((tablet, key), value) in &self.rows {
            let part = key.first().copied().unwrap_or_default() / KEYS_PER_BLOCK;
            let rows = blocks.entry((*tablet, part)).or_insert_with(|| Rows { tablet: *tablet, rows: Vec::new() });
            rows.rows.push((key.clone(), value.clone()));
        }
        blocks.into_iter().map(|((tablet, _), rows)| (tablet, rows)).collect()
    }

    /// Applies the body of one entry.
    ///
    /// # Errors
    /// A body that cannot be decoded.
    pub fn apply(&mut self, body: Bytes) -> Result<(), Broken> {
        let body = decode(body).map_err(|e| format!("an entry cannot be decoded: {e}"))?;
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
